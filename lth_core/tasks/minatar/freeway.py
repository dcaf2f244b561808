"""Freeway: a chicken crosses eight lanes of cars."""

from typing import ClassVar

import numpy as np

from lth_core.tasks.minatar.game import DOWN, DOWNWARD, NOTHING, UP, Game
from lth_core.tasks.step import Array

REST, LIMIT = 3, 2500
"""Steps between two moves of the chicken; steps of a game, less one."""
LANES = np.arange(1, 9)


class Freeway(Game):
    """Reaching the top is worth 1, and cars then have new speeds; a car that hits sends back to the start."""

    channels: ClassVar[tuple[str, ...]] = ("chicken", "car", "speed1", "speed2", "speed3", "speed4", "speed5")
    moves: ClassVar[tuple[int, ...]] = (NOTHING, UP, DOWN)

    pos: Array
    rest: Array
    left: Array
    x: Array
    """Of the cars, (N, 8), that of the second row first."""
    speed: Array
    """Steps between two moves of a car, 1 to 5, negative to the left; wait: those until its next."""
    wait: Array

    def first(self) -> dict[str, Array]:
        """See Game."""
        none = np.zeros(8, np.int64)
        values = {"pos": np.array(9), "rest": np.array(REST), "left": np.array(LIMIT)}
        return {**values, "x": none, "speed": none, "wait": none}

    def start(self, rows: Array) -> None:
        """See Game: speeds of the cars."""
        drawn = self.draws.next(rows, 16)
        self.wait[rows] = size = 1 + (drawn[:, :8] * 5).astype(np.int64)
        self.speed[rows] = np.where(drawn[:, 8:] < 0.5, -size, size)

    def act(self, actions: Array) -> tuple[Array, Array]:
        """See Game."""
        way = DOWNWARD[actions] * (self.rest == 0)
        moved = way != 0
        self.rest = np.where(moved, REST, self.rest)
        pos = np.minimum(self.pos + way, 9)
        there = pos == 0
        won = np.flatnonzero(there)
        if won.size:
            self.start(won)
            pos[won] = 9
        # Only the car of the chicken's own lane can hit it, before or after it moves.
        lane = np.minimum(pos, 8) - 1
        before = self.x[self.rows, lane]
        due = self.wait == 0
        self.x = (self.x + np.where(due, np.sign(self.speed), 0)) % 10
        self.wait = np.where(due, np.abs(self.speed), self.wait - 1)
        hit = ((before == 4) | (self.x[self.rows, lane] == 4)) & (pos < 9)
        self.pos = np.where(hit, 9, pos)
        self.rest -= self.rest > 0
        self.left -= 1
        return there, self.left < 0

    def seen(self) -> Array:
        """See Game."""
        found, base = self.blank(), self.rows * 700
        flat = found.reshape(-1)
        flat[base + 10 * self.pos + 4] = 1
        lanes = base[:, None] + 10 * LANES
        flat[lanes + 100 + self.x] = 1
        flat[lanes + 100 + 100 * np.abs(self.speed) + (self.x - np.sign(self.speed)) % 10] = 1
        return found
