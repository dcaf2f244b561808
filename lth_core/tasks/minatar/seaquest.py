"""Seaquest: a submarine that rescues divers, shoots fish and submarines, and must surface for air.

MinAtar keeps what moves in lists, removes entries while it runs through them backwards, and compares them by value.
Who meets whom depends on that, so the lists are kept as they are there: see queues. In games where nothing is hit or
taken aboard no order matters: they move all entries of a list at once, the few others one entry after the other.
"""

from typing import ClassVar

import numpy as np

from lth_core.tasks.minatar.draws import Draws
from lth_core.tasks.minatar.game import ASIDE, DOWN, DOWNWARD, FIRE, LEFT, NOTHING, RIGHT, UP, Game
from lth_core.tasks.minatar.queues import MOST, PLACES, Queue, beside, cell
from lth_core.tasks.step import Array

AIR, SPAWN, DIVER_SPAWN, MOVE, FASTEST, COOL_DOWN, SHOT, DIVER_MOVE, ABOARD = 200, 20, 30, 5, 2, 5, 10, 5, 6
"""Most air; steps between arrivals of enemies (at first) and of divers; between moves of enemies, at first and at
least; between shots of the player and of a submarine; between moves of a diver; most divers aboard."""


DRAWN = {"fish": 5, "subs": 6, "divers": 9, "ours": 2, "theirs": 4}
"""The channel of each list; the first three leave a trail."""


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
    ours: Array
    subs: Array

    def __init__(self, draws: Draws, ramping: bool) -> None:
        self._queues: dict[str, Queue] = {}
        super().__init__(draws, ramping)

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
        return self._queues[name]

    def _find_queues(self) -> None:
        """Make the queues again if their arrays are others than before."""
        if not self._queues or self._queues["ours"].items is not self.ours:
            for name in self.lists:
                setattr(self, name, np.asfortranarray(getattr(self, name)))
                self._queues[name] = Queue(getattr(self, name), getattr(self, f"{name}_count"))

    def restart(self, rows: Array) -> None:
        """See Game; the lists are empty, whatever stands behind their ends."""
        for name, value in self._first.items():
            if name not in self.lists:
                getattr(self, name)[rows] = value

    def act(self, actions: Array) -> tuple[Array, Array]:
        """See Game."""
        self._find_queues()
        self._spawn()
        fires = np.flatnonzero((actions == FIRE) & (self.cool_down == 0))
        self.queue("ours").append(fires, self.x[fires], self.y[fires], self.way[fires])
        self.cool_down[fires] = COOL_DOWN
        aside = ASIDE[actions]
        self.x = np.minimum(np.maximum(self.x + aside, 0), 9)
        self.way = np.where(aside != 0, aside, self.way)
        self.y = np.minimum(np.maximum(self.y + DOWNWARD[actions], 0), 8)
        self._own = cell(self.x, self.y).astype(np.int16)[:, None]
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
        there = PLACES[: items.shape[1]] < queue.counts[rows, None]
        found: Array = ((items[:, :, 1] == y[:, None]) & (items[:, :, 2] != way[:, None]) & there).any(1)
        return found

    def _here(self, rows: Array, entries: Array) -> Array:
        found: Array = (entries[:, 0] == self.x[rows]) & (entries[:, 1] == self.y[rows])
        return found

    def _fly(self) -> None:
        """The player's bullets; each hits the first fish at its cell, else the first submarine."""
        queue = self.queue("ours")
        longest = queue.longest
        if not longest:
            return
        x, y, way = (queue.items[:, :longest, field] for field in range(3))
        there = queue.present(longest)
        rows, places = there.nonzero()
        moved = (cell(x, y) + way)[rows, places]
        hit = rows[self._are_at("fish", rows, moved) | self._are_at("subs", rows, moved)]
        there[hit] = False
        x += way * there
        queue.drop(beside(x) & there)
        if hit.size:
            self._fly_one_by_one(np.unique(hit))

    def _are_at(self, name: str, rows: Array, cells: Array) -> Array:
        """(n,) whether one of a list of these games (n,) is at these cells (n,)."""
        queue = self.queue(name)
        longest = queue.longest
        items = queue.items[rows, :longest]
        same = (cell(items[:, :, 0], items[:, :, 1]) == cells[:, None]) & (PLACES[:longest] < queue.counts[rows, None])
        found: Array = same.any(1)
        return found

    def _fly_one_by_one(self, games: Array) -> None:
        queue = self.queue("ours")
        for place in reversed(range(int(queue.counts[games].max(initial=0)))):
            rows = games[queue.counts[games] > place]
            queue.items[rows, place, 0] += queue.items[rows, place, 2]
            entries = queue.items[rows, place]
            out = beside(entries[:, 0])
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
        longest = queue.longest
        if not longest:
            return
        x, y, way, left = (queue.items[:, :longest, field] for field in range(4))
        there, cells, room = queue.present(longest), cell(x, y), (self.aboard < ABOARD)[:, None]
        before = (cells == self._own) & there & room
        due = (left == 0) & there & ~before
        met = before | (cells + way * due == self._own) & due & room
        games = np.add.reduce(met, 1) > 1
        if games.any():
            there &= ~games[:, None]
            due, before, met = due & there, before & there, met & there
        x += way * due
        left[...] = np.where(due, DIVER_MOVE, left - (there & ~before))
        self.aboard += met.any(1)
        queue.drop(met | (beside(x) & there))
        if games.any():
            self._dive_one_by_one(games.nonzero()[0])

    def _dive_one_by_one(self, games: Array) -> None:
        queue = self.queue("divers")
        for place in reversed(range(int(queue.counts[games].max(initial=0)))):
            rows = games[queue.counts[games] > place]
            entries = queue.items[rows, place]
            taken = self._here(rows, entries) & (self.aboard[rows] < ABOARD)
            due = ~taken & (entries[:, 3] == 0)
            entries[:, 0] += np.where(due, entries[:, 2], 0)
            entries[:, 3] = np.where(due, DIVER_MOVE, entries[:, 3] - ~taken)
            queue.items[rows, place] = entries
            out = beside(entries[:, 0])
            taken |= due & ~out & self._here(rows, entries) & (self.aboard[rows] < ABOARD)
            self.aboard[rows] += taken
            gone = rows[taken | out]
            if gone.size:
                queue.remove(gone, np.full(gone.size, place))

    def _hunt(self, name: str) -> None:
        """Fish or submarines; one that moves into a bullet is shot, and a submarine shoots even then."""
        queue = self.queue(name)
        longest = queue.longest
        if not longest:
            return
        x, y, way, left = (queue.items[:, :longest, field] for field in range(4))
        there, cells = queue.present(longest), cell(x, y)
        due = (left == 0) & there
        moved = cells + way * due
        rows, places = due.nonzero()
        hit = rows[self._are_at("ours", rows, moved[rows, places])]
        if hit.size:
            there[hit] = False
            due &= there
        self.over |= (((cells == self._own) | (moved == self._own)) & there).any(1)
        x += way * due
        left[...] = np.where(due, self.move_speed[:, None], left - there)
        if name == "subs":
            shot = queue.items[:, :longest, 4]
            now = (shot == 0) & there
            self.queue("theirs").append_all(now, x, y, way)
            shot[...] = np.where(now, SHOT, shot - there)
        queue.drop(beside(x) & there)
        if hit.size:
            self._hunt_one_by_one(name, np.unique(hit))

    def _hunt_one_by_one(self, name: str, games: Array) -> None:
        queue, ours = self.queue(name), self.queue("ours")
        for place in reversed(range(int(queue.counts[games].max(initial=0)))):
            rows = games[queue.counts[games] > place]
            entries = queue.items[rows, place]
            met = self._here(rows, entries)
            due = entries[:, 3] == 0
            entries[:, 0] += np.where(due, entries[:, 2], 0)
            entries[:, 3] = np.where(due, self.move_speed[rows], entries[:, 3] - 1)
            queue.items[rows, place] = entries
            out, here = beside(entries[:, 0]), self._here(rows, entries)
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
        x, y, way = (queue.items[:, :longest, field] for field in range(3))
        there, cells = queue.present(longest), cell(x, y)
        self.over |= (((cells == self._own) | (cells + way == self._own)) & there).any(1)
        x += way * there
        queue.drop(beside(x) & there)

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
        self._find_queues()
        found, columns = self.blank(), np.arange(10)
        flat, base = found.reshape(-1), self.rows * 1000
        front = base + 10 * self.y + self.x
        flat[front] = 1
        flat[front + 100 - self.way] = 1
        found[:, 7, 9] = columns < (np.maximum(0, self.air) * 10 // AIR)[:, None]
        found[:, 8, 9] = (columns >= 9 - self.aboard[:, None]) & (columns < 9)
        each = [self.queue(name).there() for name in DRAWN]
        rows, entries = (np.concatenate(parts) for parts in zip(*((r, e[:, :3]) for r, e in each), strict=True))
        channels = np.repeat([*DRAWN.values()], [len(r) for r, _ in each])
        x, line = entries[:, 0], base[rows] + 10 * entries[:, 1]
        flat[line + 100 * channels + x] = 1
        trails = sum(len(r) for r, _ in each[:3])
        back = x[:trails] - entries[:trails, 2]
        flat[(line[:trails] + 300 + back)[~beside(back)]] = 1
        return found
