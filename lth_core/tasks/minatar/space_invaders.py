"""Space Invaders: a cannon below a block of aliens that shoots back."""

from typing import ClassVar

import numpy as np

from lth_core.tasks.minatar.game import ASIDE, FIRE, LEFT, NOTHING, RIGHT, Game
from lth_core.tasks.step import Array

COOL_DOWN, MOVE, FASTEST, SHOT = 5, 12, 6, 10
"""Steps between two shots of the cannon, two moves of the aliens (at first, and at least by ramping), two of theirs."""


def _nearest_first() -> Array:
    """(10, 10): by the cannon's column, all columns from near to far, the left one first of two as far."""
    return np.array([sorted(range(10), key=lambda x: abs(x - pos)) for pos in range(10)])


NEAREST = _nearest_first()


class SpaceInvaders(Game):
    """An alien is worth 1; a new wave comes once all are gone; a bullet or an alien that hits ends the game."""

    channels: ClassVar[tuple[str, ...]] = (
        "cannon", "alien", "alien_left", "alien_right", "friendly_bullet", "enemy_bullet",
    )  # fmt: skip
    moves: ClassVar[tuple[int, ...]] = (NOTHING, LEFT, RIGHT, FIRE)

    pos: Array
    aliens: Array
    ours: Array
    theirs: Array
    direction: Array
    move_interval: Array
    move_timer: Array
    shot_timer: Array
    cool_down: Array

    def first(self) -> dict[str, Array]:
        """See Game."""
        aliens, none = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
        aliens[0:4, 2:8] = 1
        return {
            "pos": np.array(5), "aliens": aliens, "ours": none, "theirs": none, "direction": np.array(-1),
            "move_interval": np.array(MOVE), "move_timer": np.array(MOVE), "shot_timer": np.array(SHOT),
            "cool_down": np.array(0),
        }  # fmt: skip

    def act(self, actions: Array) -> tuple[Array, Array]:
        """See Game."""
        rows = self.rows
        fires = (actions == FIRE) & (self.cool_down == 0)
        self.cool_down = np.where(fires, COOL_DOWN, self.cool_down)
        # A shot leaves the cannon's own cell at once.
        self.ours[:, :9] = self.ours[:, 1:]
        self.ours[:, 9] = 0
        at = np.flatnonzero(fires)
        self.ours[at, 8, self.pos[at]] = 1
        self.pos = np.minimum(np.maximum(self.pos + ASIDE[actions], 0), 9)
        self.theirs[:, 1:] = self.theirs[:, :9]
        self.theirs[:, 0] = 0
        over = (self.theirs[rows, 9, self.pos] | self.aliens[rows, 9, self.pos]) != 0
        moving = np.flatnonzero(self.move_timer == 0)
        if moving.size:
            over[moving] |= self._move(moving)
        shooting = np.flatnonzero(self.shot_timer == 0)
        if shooting.size:
            self._shoot(shooting)
        killed = self.aliens & self.ours
        earned = killed.reshape(len(rows), -1).sum(1, dtype=np.int64)
        hit = np.flatnonzero(earned)
        if hit.size:
            self.aliens[hit] ^= killed[hit]
            self.ours[hit] ^= killed[hit]
        self.cool_down -= self.cool_down > 0
        self.move_timer -= 1
        self.shot_timer -= 1
        done = hit[~self.aliens[hit].any((1, 2))]
        if done.size:
            self.move_interval[done] -= self.ramping & (self.move_interval[done] > FASTEST)
            self.aliens[done, 0:4, 2:8] = 1
        return earned, over

    def _move(self, rows: Array) -> Array:
        """Move the aliens of these games; which of them are over."""
        aliens, way = self.aliens[rows], self.direction[rows]
        self.move_timer[rows] = np.minimum(aliens.sum((1, 2), dtype=np.int64), self.move_interval[rows])
        edge = np.where(way < 0, aliens[:, :, 0].any(1), aliens[:, :, 9].any(1))
        low = edge & aliens[:, 9].any(1)
        left, right = (way < 0) & ~edge, (way > 0) & ~edge
        self.direction[rows] = np.where(edge, -way, way)
        moved = np.empty_like(aliens)
        moved[edge], moved[left], moved[right] = (
            np.roll(aliens[edge], 1, 1), np.roll(aliens[left], -1, 2), np.roll(aliens[right], 1, 2),
        )  # fmt: skip
        self.aliens[rows] = moved
        over: Array = low | (moved[np.arange(len(rows)), 9, self.pos[rows]] != 0)
        return over

    def _shoot(self, rows: Array) -> None:
        """The lowest alien of the nearest column shoots."""
        self.shot_timer[rows] = SHOT
        order, own = NEAREST[self.pos[rows]], np.arange(len(rows))
        has: Array = np.asarray(self.aliens[rows].any(1))
        column = order[own, has[own[:, None], order].argmax(1)]
        row = 9 - self.aliens[rows, ::-1, column].argmax(1)
        self.theirs[rows, row, column] = 1

    def seen(self) -> Array:
        """See Game."""
        found, rows = self.blank(), self.rows
        found[rows, 0, 9, self.pos] = 1
        found[:, 1] = self.aliens
        found[rows, np.where(self.direction < 0, 2, 3)] = self.aliens
        found[:, 4], found[:, 5] = self.ours, self.theirs
        return found
