"""A game of MinAtar that is watched; see Watched."""

import colorsys

import numpy as np

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.environments import MinAtar
from lth_core.tasks.step import Array

CELL = 16
"""Pixels of a cell's side."""


class WatchedMinAtar:
    """Each channel has a colour; of several in a cell the last is shown."""

    valid: Array | None = None
    rate = 15.0

    def __init__(self, task: MinAtarTask, seed: int) -> None:
        self._game = MinAtar(task, [seed], 1)
        self._now = self._game.reset()
        channels = self._now.shape[2]
        hues = [colorsys.hsv_to_rgb(place / channels, 0.6, 1.0) for place in range(channels)]
        self._colours = np.round(255 * np.array([(0.0, 0.0, 0.0), *hues])).astype(np.uint8)

    def seen(self) -> Array:
        return self._now

    def picture(self) -> Array:
        board = self._now[0, 0]
        last = (board * np.arange(1, len(board) + 1)[:, None, None]).max(0)
        return np.kron(self._colours[last], np.ones((CELL, CELL, 1), np.uint8))

    def step(self, actions: Array) -> tuple[float, bool]:
        step = self._game.step(actions)
        self._now = step.observations if step.last_observations is None else step.last_observations
        return float(step.rewards[0, 0]), bool((step.terminated | step.truncated)[0, 0])

    def close(self) -> None:
        """Nothing to put away."""
