"""Asterix: treasures and enemies cross eight rows; collect the ones, keep clear of the others."""

from typing import ClassVar

import numpy as np

from lth_core.tasks.minatar.game import ASIDE, DOWN, DOWNWARD, LEFT, NOTHING, RIGHT, UP, Game
from lth_core.tasks.step import Array

RAMP, SPAWN, MOVE = 100, 10, 5
"""Steps between two rises of the difficulty, and at first between two arrivals and between two moves."""
LANES = np.arange(1, 9)


class Asterix(Game):
    """A treasure is worth 1; an enemy ends the game. What crosses: an entry for each of the eight rows, (N, 8)."""

    channels: ClassVar[tuple[str, ...]] = ("player", "enemy", "trail", "gold")
    moves: ClassVar[tuple[int, ...]] = (NOTHING, LEFT, UP, RIGHT, DOWN)

    x: Array
    y: Array
    there: Array
    at: Array
    right: Array
    gold: Array
    spawn_speed: Array
    spawn_timer: Array
    move_speed: Array
    move_timer: Array
    ramp_timer: Array
    ramp_index: Array

    def first(self) -> dict[str, Array]:
        """See Game."""
        none, no = np.zeros(8, np.int64), np.zeros(8, bool)
        spawn, move = np.array(SPAWN), np.array(MOVE)
        return {
            "x": np.array(5), "y": np.array(5), "there": no, "at": none, "right": no, "gold": no,
            "spawn_speed": spawn, "spawn_timer": spawn, "move_speed": move, "move_timer": move,
            "ramp_timer": np.array(RAMP), "ramp_index": np.array(0),
        }  # fmt: skip

    def act(self, actions: Array) -> tuple[Array, Array]:
        """See Game."""
        due = self.spawn_timer == 0
        if due.any():
            self._spawn(np.flatnonzero(due))
            self.spawn_timer = np.where(due, self.spawn_speed, self.spawn_timer)
        self.x = np.minimum(np.maximum(self.x + ASIDE[actions], 0), 9)
        self.y = np.minimum(np.maximum(self.y + DOWNWARD[actions], 1), 8)
        earned, over = self._meet()
        moving = np.flatnonzero(self.move_timer == 0)
        if moving.size:
            self.move_timer[moving] = self.move_speed[moving]
            self.at[moving] = at = self.at[moving] + np.where(self.right[moving], 1, -1)
            self.there[moving] &= (at >= 0) & (at <= 9)
            # Whoever has not moved has met already.
            more, caught = self._meet()
            earned, over = earned + more, over | caught
        self.spawn_timer -= 1
        self.move_timer -= 1
        if self.ramping:
            self._ramp()
        return earned, over

    def _meet(self) -> tuple[Array, Array]:
        """Treasures collected (N,), and who met an enemy."""
        lane = self.y - 1
        met = self.there[self.rows, lane] & (self.at[self.rows, lane] == self.x)
        found = met & self.gold[self.rows, lane]
        self.there[self.rows, lane] &= ~found
        return found.astype(np.int64), met & ~found

    def _spawn(self, rows: Array) -> None:
        """Something new in an empty row, if there is one."""
        drawn = self.draws.next(rows, 2)
        right, gold = drawn[:, 0] < 1 / 2, drawn[:, 1] < 1 / 3
        free = ~self.there[rows]
        count = free.sum(1)
        if not count.all():
            some = count > 0
            rows, right, gold, free, count = rows[some], right[some], gold[some], free[some], count[some]
        place = (self.draws.next(rows, 1)[:, 0] * count).astype(np.int64)
        lane = (free.cumsum(1) > place[:, None]).argmax(1)
        self.there[rows, lane], self.right[rows, lane], self.gold[rows, lane] = True, right, gold
        self.at[rows, lane] = np.where(right, 0, 9)

    def _ramp(self) -> None:
        can = (self.spawn_speed > 1) | (self.move_speed > 1)
        now = can & (self.ramp_timer < 0)
        self.ramp_timer -= can & ~now
        rows = np.flatnonzero(now)
        if rows.size:
            self.move_speed[rows] -= (self.move_speed[rows] > 1) & (self.ramp_index[rows] % 2 == 1)
            self.spawn_speed[rows] -= self.spawn_speed[rows] > 1
            self.ramp_index[rows] += 1
            self.ramp_timer[rows] = RAMP

    def seen(self) -> Array:
        """See Game."""
        found = self.blank()
        flat, base = found.reshape(-1), self.rows * 400
        flat[base + 10 * self.y + self.x] = 1
        rows, lane = np.nonzero(self.there)
        at, right = self.at[rows, lane], self.right[rows, lane]
        line = base[rows] + 10 * LANES[lane]
        flat[line + np.where(self.gold[rows, lane], 300, 100) + at] = 1
        back = at + np.where(right, -1, 1)
        inside = (back >= 0) & (back <= 9)
        flat[(line + 200 + back)[inside]] = 1
        return found
