"""Whether anything but a time limit ends an environment's episodes, as far as its code says so."""

import ast
import inspect
import textwrap
from typing import Any

from gymnasium import wrappers

_TRANSPARENT = (wrappers.TimeLimit, wrappers.OrderEnforcing, wrappers.PassiveEnvChecker)


def may_terminate(environment: Any) -> bool:
    """False only where each `return` of the environment's `step` says `False` for terminated, as Pendulum's does.

    True for whatever cannot be read: code that was compiled, a wrapper that may end episodes by itself.
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
    """The constant that a `return` of five gives as terminated; None for anything else."""
    if isinstance(returned, ast.Tuple) and len(returned.elts) == 5 and isinstance(returned.elts[2], ast.Constant):
        return returned.elts[2].value
    return None
