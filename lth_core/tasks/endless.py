"""Whether an environment's episodes can end before a time limit, judged from its source code."""

import ast
import inspect
import textwrap
from typing import Any

from gymnasium import wrappers

_TRANSPARENT = (wrappers.TimeLimit, wrappers.OrderEnforcing, wrappers.PassiveEnvChecker)


def may_terminate(environment: Any) -> bool:
    """False only if each `return` of the environment's `step` has the constant `False` for terminated, as in Pendulum.

    True if the code cannot be read, as compiled code, or if a wrapper may end episodes.
    """
    while isinstance(environment, _TRANSPARENT):
        environment = environment.env
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(type(environment).step)))
    except (OSError, TypeError, SyntaxError, AttributeError):
        return True
    told = [_terminated(one.value) for one in ast.walk(tree) if isinstance(one, ast.Return)]
    return not told or any(said is not False for said in told)


def _terminated(returned: ast.expr | None) -> Any:
    """The constant that a `return` of five values has for terminated; None otherwise."""
    if isinstance(returned, ast.Tuple) and len(returned.elts) == 5 and isinstance(returned.elts[2], ast.Constant):
        return returned.elts[2].value
    return None
