"""Control from vector observations: the environments of a whole stack of tickets, stepped together.

Each ticket has its own environments and random stream, so that its trajectory does not depend on the rest of the
stack. Episodes that end are reset in the same step: no transition crosses the end of an episode, and the last
observation of the old episode is returned beside the first of the new one.
"""

import math
from collections.abc import Sequence

from lth_core.foreign import contained
from lth_core.settings.control import ControlTask
from lth_core.tasks import repeats
from lth_core.tasks.classic import STACKED, Classic
from lth_core.tasks.maker import Maker
from lth_core.tasks.one_by_one import OneByOne
from lth_core.tasks.step import UNLIMITED


def check(task: ControlTask) -> None:
    """Raise InputError if the environment or a wrapper does not exist, cannot be created or cannot be trained on."""
    make(task, [0], 1)
    if task.wrappers:
        with contained():
            repeats.check(Maker(task))


def episode_steps(task: ControlTask) -> float | None:
    """Steps of every episode, if only a time limit ends episodes (infinite without a limit); else None."""
    made = make(task, [0], 1)
    if made.terminates:
        return None
    return made.limit if made.limit < UNLIMITED else math.inf


def make(task: ControlTask, seeds: Sequence[int], count: int) -> Classic | OneByOne:
    """The environments of tickets with these chain seeds, `count` for each.

    Raises InputError for an environment that cannot be created (see Maker) or has unsupported spaces.
    """
    maker = Maker(task)
    for stacked in STACKED:
        if stacked.serves(maker):
            return stacked(maker, seeds, count)
    with contained():
        return OneByOne(maker, seeds, count)
