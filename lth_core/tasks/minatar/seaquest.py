"""Seaquest: a submarine that rescues divers, shoots fish and submarines, and must surface for air.

MinAtar keeps what moves in lists, removes entries while it runs through them backwards, and compares them by value.
Who meets whom depends on that, so the lists are kept as they are there: see queues.
"""

from typing import ClassVar

import numpy as np

from lth_core.tasks.minatar.game import ASIDE, DOWN, DOWNWARD, FIRE, LEFT, NOTHING, RIGHT, UP, Game
from lth_core.tasks.minatar.queues import MOST, Queue
from lth_core.tasks.step import Array

AIR, SPAWN, DIVER_SPAWN, MOVE, FASTEST, COOL_DOWN, SHOT, DIVER_MOVE, ABOARD = 200, 20, 30, 5, 2, 5, 10, 5, 6
"""Most air; steps between arrivals of enemies (at first) and of divers; between moves of enemies, at first and at
least; between shots of the player and of a submarine; between moves of a diver; most divers aboard."""


class Seaquest(Game):
    """An enemy shot is worth 1, surfacing with six divers the air that is left; enemies and want of air end the game.

    Entries of the lists: x, y, way (1 right, -1 left), then steps until the next move, and until the next shot.
    """

    channels: ClassVar[tuple[str, ...]] = (
        "sub_front", "sub_back", "friendly_bullet", "trail", "enemy_bullet", "enemy_fish", "enemy_sub", "oxygen_gauge",
        "diver_gauge", "diver",
    )  # fmt: skip
    moves: ClassVar[tuple[int, ...]] = (NOTHING, LEFT, UP, RIGHT, DOWN, FIRE)
    lists: ClassVar[dict[str, int]] = {"ours": 3, "theirs": 3, "fish": 4, "subs": 5, "divers": 4}

    air: Array
    aboard: Array
    x: Array
    y: Array
    way: Array
    spawn_speed: Array
    spawn_timer: Array
    diver_timer: Array
    move_speed: Array
    ramp_index: Array
    cool_down: Array
    surfaced: Array
    subs: Array

    def first(self) -> dict[str, Array]:
        """See Game."""
        zero, found = np.array(0), dict[str, Array]()
        for name, fields in self.lists.items():
            found |= {name: np.zeros((MOST, fields), np.int16), f"{name}_count": zero}
        return {
            "air": np.array(AIR), "aboard": zero, "x": np.array(5), "y": zero, "way": np.array(-1),
            "spawn_speed": np.array(SPAWN), "spawn_timer": np.array(SPAWN), "diver_timer": np.array(DIVER_SPAWN),
            "move_speed": np.array(MOVE), "ramp_index": zero, "cool_down": zero, "surfaced": np.array(True), **found,
        }  # fmt: skip

    def queue(self, name: str) -> Queue:
        """One of the lists."""
        return Queue(getattr(self, name), getattr(self, f"{name}_count"))

    def act(self, actions: Array) -> tuple[Array, Array]:
        """See Game."""
        self._spawn()
        fires = np.flatnonzero((actions == FIRE) & (self.cool_down == 0))
        self.queue("ours").append(fires, self.x[fires], self.y[fires], self.way[fires])
        self.cool_down[fires] = COOL_DOWN
        aside = ASIDE[actions]
        self.x = np.minimum(np.maximum(self.x + aside, 0), 9)
        self.way = np.where(aside != 0, aside, self.way)
        self.y = np.minimum(np.maximum(self.y + DOWNWARD[actions], 0), 8)
        self.earned, self.over = np.zeros(len(self.rows), np.int64), np.zeros(len(self.rows), bool)
        self._fly()
        self._dive()
        self._hunt("subs")
        self._be_shot()
        self._hunt("fish")
        self.spawn_timer -= self.spawn_timer > 0
        self.diver_timer -= self.diver_timer > 0
        self.cool_down -= self.cool_down > 0
        self._breathe()
        return self.earned, self.over

    def _spawn(self) -> None:
        """Enemies and divers that are due."""
        rows = np.flatnonzero(self.spawn_timer == 0)
        if rows.size:
            drawn = self.draws.next(rows, 3)
            way, is_sub = np.where(drawn[:, 0] < 1 / 2, 1, -1), drawn[:, 1] < 1 / 3
            y = 1 + (drawn[:, 2] * 8).astype(np.int64)
            blocked = self._against("subs", rows, y, way) | self._against("fish", rows, y, way)
            for name, own in (("subs", is_sub & ~blocked), ("fish", ~is_sub & ~blocked)):
                new = rows[own]
                fields = np.where(way[own] > 0, 0, 9), y[own], way[own], self.move_speed[new]
                self.queue(name).append(new, *fields, *([SHOT] if name == "subs" else []))
            self.spawn_timer[rows] = self.spawn_speed[rows]
        rows = np.flatnonzero(self.diver_timer == 0)
        if rows.size:
            drawn = self.draws.next(rows, 2)
            right, y = drawn[:, 0] < 1 / 2, 1 + (drawn[:, 1] * 8).astype(np.int64)
            self.queue("divers").append(rows, np.where(right, 0, 9), y, np.where(right, 1, -1), DIVER_MOVE)
            self.diver_timer[rows] = DIVER_SPAWN

    def _against(self, name: str, rows: Array, y: Array, way: Array) -> Array:
        """Whether one in the row comes the other way."""
        queue = self.queue(name)
        items = queue.items[rows, : queue.longest]
        there = np.arange(items.shape[1]) < queue.counts[rows, None]
        found: Array = ((items[:, :, 1] == y[:, None]) & (items[:, :, 2] != way[:, None]) & there).any(1)
        return found

    def _here(self, rows: Array, entries: Array) -> Array:
        found: Array = (entries[:, 0] == self.x[rows]) & (entries[:, 1] == self.y[rows])
        return found

    def _fly(self) -> None:
        """The player's bullets; each hits the first fish at its cell, else the first submarine."""
        queue = self.queue("ours")
        for place in reversed(range(queue.longest)):
            rows = np.flatnonzero(queue.counts > place)
            queue.items[rows, place, 0] += queue.items[rows, place, 2]
            entries = queue.items[rows, place]
            out = (entries[:, 0] < 0) | (entries[:, 0] > 9)
            gone = rows[out]
            rows, entries = rows[~out], entries[~out]
            queue.remove(gone, np.full(gone.size, place))
            for name in ("fish", "subs"):
                found = self.queue(name).at(rows, entries[:, 0], entries[:, 1])
                hit = found >= 0
                if hit.any():
                    self.queue(name).remove(rows[hit], found[hit])
                    queue.remove_equal(rows[hit], entries[hit])
                    self.earned[rows[hit]] += 1
                    rows, entries = rows[~hit], entries[~hit]

    def _dive(self) -> None:
        """The divers; the player takes them aboard before or after they move."""
        queue = self.queue("divers")
        for place in reversed(range(queue.longest)):
            rows = np.flatnonzero(queue.counts > place)
            entries = queue.items[rows, place]
            taken = self._here(rows, entries) & (self.aboard[rows] < ABOARD)
            due = ~taken & (entries[:, 3] == 0)
            entries[:, 0] += np.where(due, entries[:, 2], 0)
            entries[:, 3] = np.where(due, DIVER_MOVE, entries[:, 3] - ~taken)
            queue.items[rows, place] = entries
            out = (entries[:, 0] < 0) | (entries[:, 0] > 9)
            taken |= due & ~out & self._here(rows, entries) & (self.aboard[rows] < ABOARD)
            self.aboard[rows] += taken
            gone = rows[taken | out]
            if gone.size:
                queue.remove(gone, np.full(gone.size, place))

    def _hunt(self, name: str) -> None:
        """Fish or submarines; one that moves into a bullet is shot, and a submarine shoots even then."""
        queue, ours = self.queue(name), self.queue("ours")
        for place in reversed(range(queue.longest)):
            rows = np.flatnonzero(queue.counts > place)
            entries = queue.items[rows, place]
            met = self._here(rows, entries)
            due = entries[:, 3] == 0
            entries[:, 0] += np.where(due, entries[:, 2], 0)
            entries[:, 3] = np.where(due, self.move_speed[rows], entries[:, 3] - 1)
            queue.items[rows, place] = entries
            out = (entries[:, 0] < 0) | (entries[:, 0] > 9)
            here = self._here(rows, entries)
            self.over[rows] |= met | here
            now = np.full(len(rows), place)
            if out.any():
                queue.remove(rows[out], np.full(int(out.sum()), place))
            free = np.flatnonzero(due & ~out & ~here & (ours.counts[rows] > 0))
            if free.size:
                found = ours.at(rows[free], entries[free, 0], entries[free, 1])
                hit = free[found >= 0]
                ours.remove(rows[hit], found[found >= 0])
                removed = queue.remove_equal(rows[hit], entries[hit])
                self.earned[rows[hit]] += 1
                # An equal one before it was removed in its stead: it comes next again.
                out[hit], now[hit] = removed == place, place - 1
            if name == "subs":
                self._shoot(rows, now, entries, out)

    def _shoot(self, rows: Array, places: Array, entries: Array, gone: Array) -> None:
        """The shots of submarines, also of those that are gone by now."""
        now = entries[:, 4] == 0
        self.queue("theirs").append(rows[now], entries[now, 0], entries[now, 1], entries[now, 2])
        left = np.where(now, SHOT, entries[:, 4] - 1)
        self.subs[rows[~gone], places[~gone], 4] = left[~gone]

    def _be_shot(self) -> None:
        """Bullets of submarines: no two meet, so all move at once."""
        queue = self.queue("theirs")
        longest = queue.longest
        if not longest:
            return
        items, places = queue.items[:, :longest], np.arange(longest)
        there = places < queue.counts[:, None]
        met = (items[:, :, 0] == self.x[:, None]) & (items[:, :, 1] == self.y[:, None])
        items[:, :, 0] += items[:, :, 2] * there
        met |= (items[:, :, 0] == self.x[:, None]) & (items[:, :, 1] == self.y[:, None])
        self.over |= (met & there).any(1)
        out = there & ((items[:, :, 0] < 0) | (items[:, :, 0] > 9))
        for place in reversed(range(longest)):
            rows = np.flatnonzero(out[:, place])
            if rows.size:
                queue.remove(rows, np.full(rows.size, place))

    def _breathe(self) -> None:
        """Air, and surfacing."""
        self.over |= self.air <= 0
        under = self.y > 0
        self.air -= under
        up = ~under & ~self.surfaced
        self.surfaced = ~under & (self.surfaced | up & (self.aboard != 0))
        self.over |= up & (self.aboard == 0)
        rows = np.flatnonzero(up & (self.aboard != 0))
        if not rows.size:
            return
        full = self.aboard[rows] == ABOARD
        self.earned[rows] += np.where(full, self.air[rows] * 10 // AIR, 0)
        self.aboard[rows] = np.where(full, 0, self.aboard[rows]) - 1
        self.air[rows] = AIR
        if self.ramping:
            rows = rows[(self.spawn_speed[rows] > 1) | (self.move_speed[rows] > FASTEST)]
            self.move_speed[rows] -= (self.move_speed[rows] > FASTEST) & (self.ramp_index[rows] % 2 == 1)
            self.spawn_speed[rows] -= self.spawn_speed[rows] > 1
            self.ramp_index[rows] += 1

    def seen(self) -> Array:
        """See Game."""
        found, columns = self.blank(), np.arange(10)
        flat, base = found.reshape(-1), self.rows * 1000
        front = base + 10 * self.y + self.x
        flat[front] = 1
        flat[front + 100 - self.way] = 1
        found[:, 7, 9] = columns < (np.maximum(0, self.air) * 10 // AIR)[:, None]
        found[:, 8, 9] = (columns >= 9 - self.aboard[:, None]) & (columns < 9)
        for name, channel in (("ours", 2), ("theirs", 4), ("fish", 5), ("subs", 6), ("divers", 9)):
            rows, entries = self.queue(name).there()
            x, y, way = entries[:, 0].astype(np.int64), entries[:, 1], entries[:, 2]
            line = base[rows] + 10 * y
            flat[line + 100 * channel + x] = 1
            if name not in ("ours", "theirs"):
                back = x - way
                inside = (back >= 0) & (back <= 9)
                flat[(line + 300 + back)[inside]] = 1
        return found
