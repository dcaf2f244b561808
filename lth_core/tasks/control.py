"""Control from vector observations: the environments of a whole stack of tickets, stepped together.

Each ticket has its own environments and its own random stream for them, so that its trajectory does not depend
on what else is in the stack. Episodes that end are reset in the same step: no transition crosses an episode's
end, and the last observation of the old episode is handed out beside the first of the new one.
"""

from collections.abc import Sequence

import gymnasium

from lth_core.errors import InputError
from lth_core.foreign import contained
from lth_core.tasks.classic import STACKED, Classic
from lth_core.tasks.one_by_one import OneByOne
from lth_core.text import did_you_mean, one_line


def check(environment: str) -> None:
    """Raise InputError where there is no such environment, or `make` fails."""
    if environment not in gymnasium.registry:
        near, shown = did_you_mean(environment, gymnasium.registry), one_line(environment, 80)
        raise InputError(f'task.environment = "{shown}": accepted is what gymnasium has registered{near}')
    make(environment, [0], 1)


def make(environment: str, seeds: Sequence[int], count: int) -> Classic | OneByOne:
    """The environments of tickets with these chain seeds, `count` for each.

    Raises InputError for an environment that cannot be made (naming the extra to install where its package is
    missing), or whose spaces are not supported.
    """
    try:
        with contained():
            spec = gymnasium.spec(environment)
            for stacked in STACKED:
                if stacked.serves(spec):
                    return stacked(environment, seeds, count)
            return OneByOne(environment, seeds, count)
    except InputError:
        raise
    # Environments come from other packages and fail in their own ways when these are missing.
    except (Exception, SystemExit) as error:
        raise InputError(f'task.environment "{environment}" cannot be made: {_reason(environment, error)}') from error


def _reason(environment: str, error: BaseException) -> str:
    """What is wrong, or what to install: gymnasium names its own extras, some of which need a compiler."""
    known = gymnasium.registry.get(environment)
    entry = known.entry_point if known else None
    if isinstance(error, (ImportError, gymnasium.error.DependencyNotInstalled)) and isinstance(entry, str):
        for extra in ("box2d", "mujoco"):
            if entry.startswith(f"gymnasium.envs.{extra}"):
                return f"its package is not installed: pip install 'lth-workbench[{extra}]'"
    return one_line(error)
