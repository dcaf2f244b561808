"""Breakout: a paddle, a ball that flies along diagonals, three rows of bricks."""

from typing import ClassVar

import numpy as np

from lth_core.tasks.minatar.game import ASIDE, LEFT, NOTHING, RIGHT, Game
from lth_core.tasks.step import Array

# Directions 0 to 3: up left, up right, down right, down left. Seen in a mirror they are direction ^ 1 (a wall at the
# side), ^ 3 (above or below), and ^ 2 where the ball returns the way it came.
TO_THE_RIGHT, DOWN = np.array([-1, 1, 1, -1]), np.array([-1, -1, 1, 1])


class Breakout(Game):
    """A brick is worth 1; new bricks come once all are gone; a ball that is missed ends the game."""

    channels: ClassVar[tuple[str, ...]] = ("paddle", "ball", "trail", "brick")
    moves: ClassVar[tuple[int, ...]] = (NOTHING, LEFT, RIGHT)

    pos: Array
    x: Array
    y: Array
    last_x: Array
    last_y: Array
    direction: Array
    strike: Array
    """Whether the ball struck a brick in the last step: it breaks none in the next."""
    bricks: Array

    def first(self) -> dict[str, Array]:
        """See Game."""
        bricks = np.zeros((10, 10), np.uint8)
        bricks[1:4] = 1
        zero = np.array(0)
        return {
            "pos": np.array(4), "x": zero, "y": np.array(3), "last_x": zero, "last_y": np.array(3),
            "direction": np.array(2), "strike": np.array(False), "bricks": bricks,
        }  # fmt: skip

    def start(self, rows: Array) -> None:
        """See Game: from the left or from the right."""
        side = self.draws.whole(rows, 2)
        self.x[rows] = self.last_x[rows] = 9 * side
        self.direction[rows] = 2 + side

    def act(self, actions: Array) -> tuple[Array, Array]:
        """See Game."""
        rows = self.rows
        self.pos = np.minimum(np.maximum(self.pos + ASIDE[actions], 0), 9)
        old_x, old_y, direction = self.x, self.y, self.direction
        ahead, y = old_x + TO_THE_RIGHT[direction], old_y + DOWN[direction]
        x = np.minimum(np.maximum(ahead, 0), 9)
        direction = direction ^ (x != ahead)
        above = y < 0
        y = np.maximum(y, 0)
        brick = self.bricks[rows, y, x] != 0
        broken = brick & ~self.strike
        self.strike = brick
        at = np.flatnonzero(broken)
        self.bricks[at, y[at], x[at]] = 0
        bottom = y == 9
        low = np.flatnonzero(bottom)
        empty = low[~self.bricks[low].any((1, 2))]
        if empty.size:
            self.bricks[empty, 1:4] = 1
        straight = bottom & (old_x == self.pos)
        corner = bottom & (x == self.pos) & ~straight
        turned = broken | straight
        self.direction = direction ^ (3 * (above | turned) + 2 * corner)
        self.last_x, self.last_y = old_x, old_y
        self.x, self.y = x, np.where(turned | corner, old_y, y)
        return broken, bottom & ~straight & ~corner

    def seen(self) -> Array:
        """See Game."""
        found, rows = self.blank(), self.rows
        flat, base = found.reshape(-1), rows * 400
        flat[base + 90 + self.pos] = 1
        flat[base + 100 + 10 * self.y + self.x] = 1
        flat[base + 200 + 10 * self.last_y + self.last_x] = 1
        found[:, 3] = self.bricks
        return found
