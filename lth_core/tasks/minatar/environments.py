"""MinAtar for a whole stack: see Environments.

Each game has two random streams of its own, named by its ticket's seed and its place: its own, and that of sticky
actions. So a ticket's games are the same in every stack.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lth_core.randomness import stream_seed
from lth_core.settings.action_parts import Parts
from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.draws import Draws, mixed, states_after
from lth_core.tasks.minatar.game import SIZE
from lth_core.tasks.minatar.games import GAMES
from lth_core.tasks.step import UNLIMITED, Array, Step

BLOCK = 64
"""Steps for which it is drawn at once whether actions stick."""


class MinAtar:
    """`count` games of each ticket; observations (T, E, channels, 10, 10), bytes of 0 and 1."""

    continuous, bounded = False, False
    parts: Parts = None
    valid: Array | None = None
    on_device = True
    """There is a form of each game in torch: see `on_device.minatar`."""

    def __init__(self, task: MinAtarTask, seeds: Sequence[int], count: int) -> None:
        self._task, self._tickets, self._count = task, len(seeds), count
        places = [(seed, place) for seed in seeds for place in range(count)]
        own = np.array([stream_seed(seed, "environments", place) for seed, place in places], np.uint64)
        sticky = [stream_seed(seed, "environments", place, "sticky") for seed, place in places]
        self._game, self._sticky = GAMES[task.game](Draws(own), task.difficulty_ramping), np.array(sticky, np.uint64)
        self.moves = np.arange(6) if task.full_action_set else np.array(self._game.moves)
        self.actions, self.inputs = len(self.moves), len(self._game.channels) * SIZE**2
        self.limit = UNLIMITED if task.time_limit is None else task.time_limit
        self._last, self._steps = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
        self._played, self._sticks = 0, np.zeros((0, len(places)), bool)

    def reset(self) -> Array:
        """See Environments."""
        self._game.restart(self._game.rows)
        self._steps[:] = 0
        return self._shaped(self._game.seen())

    def play_once(self) -> None:
        """See Environments: all are stepped together, whether they count or not."""

    def step(self, actions: Array) -> Step:
        """See Environments."""
        self._last = chosen = np.where(self._stick(), self._last, self.moves[actions.reshape(-1)])
        earned, over = self._game.act(chosen)
        self._steps += 1
        late = (self._steps >= self.limit) & ~over
        ended, before = np.flatnonzero(over | late), None
        if ended.size:
            before = self._shaped(self._game.seen())
            self._game.restart(ended)
            self._steps[ended] = 0
        return Step(
            self._shaped(self._game.seen()), before, self._shaped(earned.astype(np.float32)), self._shaped(over),
            self._shaped(late),
        )  # fmt: skip

    def _stick(self) -> Array:
        """Where the last action is taken again, (N,) bool: of each game the next number of its stream."""
        place = self._played % BLOCK
        if place == 0 or not len(self._sticks):
            first = self._played - place
            self._sticks = mixed(states_after(self._sticky, first, BLOCK)) < self._task.sticky_action_prob
        self._played += 1
        found: Array = self._sticks[place]
        return found

    def _shaped(self, rows: Array) -> Array:
        return rows.reshape(self._tickets, self._count, *rows.shape[1:])

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments."""
        rows = np.concatenate([np.arange(t * self._count, (t + 1) * self._count) for t in tickets])
        self._game.keep(rows)
        self._tickets, self._sticky, self._sticks = len(tickets), self._sticky[rows], self._sticks[:, rows]
        self._last, self._steps = self._last[rows], self._steps[rows]

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """See Environments."""
        arrays = {"last": self._last.copy(), "steps": self._steps.copy(), **self._game.state()}
        return arrays, {"played": self._played}

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> Array:
        """See Environments."""
        self._last, self._steps = arrays["last"].copy(), arrays["steps"].copy()
        self._played, self._sticks = values["played"], self._sticks[:0]
        self._game.restore(arrays)
        return self._shaped(self._game.seen())

    def restart(self, step: int) -> Array:
        """See Environments."""
        raise TypeError("the state of MinAtar can be saved")

    def origins(self) -> list[str]:
        """See Environments."""
        return [str(own.tolist()) for own in self._shaped(self._game.draws.states)]

    def faults(self) -> dict[int, str]:
        """See Environments; these have no faults."""
        return {}
