"""A stack's Atari games in two halves, so that one is stepped while actions of the other are computed on a GPU.

Each game is started and stepped as in `Atari`, with the same seeds.
"""

from collections.abc import Sequence

import numpy as np

from lth_core.settings.action_parts import Parts
from lth_core.settings.tasks import AtariTask
from lth_core.tasks.atari import Atari
from lth_core.tasks.step import Array, Step


class AtariHalves:
    """See Environments; `count` games of each ticket, an even number. halves: the places of each half among them."""

    continuous, bounded = False, False
    parts: Parts = None
    valid: Array | None = None

    def __init__(self, task: AtariTask, seeds: Sequence[int], count: int) -> None:
        each = count // 2
        self.halves = slice(0, each), slice(each, count)
        self._games = Atari(task, seeds, each), Atari(task, seeds, each, first=each)
        self.inputs, self.actions, self.limit = (getattr(self._games[0], one) for one in ("inputs", "actions", "limit"))

    def send(self, half: int, actions: Array) -> None:
        """Begin a step of this half, with actions (T, E / 2); it goes on while the caller does something else."""
        self._games[half].send(actions)

    def receive(self, half: int) -> Step:
        """Wait for the step of this half that was begun last."""
        return self._games[half].receive()

    def play_once(self) -> None:
        """See Environments: the games of a ticket are stepped together, whether they count or not."""

    def reset(self) -> Array:
        """See Environments."""
        return self.restart(0)

    def restart(self, step: int) -> Array:
        """See Environments."""
        return np.concatenate([games.restart(step) for games in self._games], axis=1)

    def step(self, actions: Array) -> Step:
        """See Environments."""
        for half, places in enumerate(self.halves):
            self.send(half, actions[:, places])
        return joined([self.receive(half) for half in range(2)])

    def origins(self) -> list[str]:
        """See Environments."""
        return [str(one + other) for one, other in zip(*(games.given for games in self._games), strict=True)]

    def faults(self) -> dict[int, str]:
        """See Environments."""
        return self._games[1].faults() | self._games[0].faults()

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments."""
        for games in self._games:
            games.keep(tickets)

    def state(self) -> None:
        """See Environments: games cannot be saved."""

    def restore(self, arrays: dict[str, Array], values: dict[str, object]) -> Array:
        """See Environments."""
        raise TypeError("games are restarted, not restored")


def joined(steps: Sequence[Step]) -> Step:
    """The step of all games (T, E) from those of both halves (T, E / 2)."""
    seen, last, *others = zip(*steps, strict=True)
    after = np.concatenate(seen, axis=1)
    before = None
    if any(one is not None for one in last):
        each = [own if one is None else one for one, own in zip(last, seen, strict=True)]
        before = np.concatenate(each, axis=1)
    return Step(after, before, *(np.concatenate(one, axis=1) for one in others))
