"""Python's lists, one for each of N games, as arrays: to append, and to remove the first equal entry."""

import numpy as np

from lth_core.tasks.step import Array

MOST = 80
"""Most entries of a list."""
PLACES = np.arange(MOST)


def cell(x: Array, y: Array) -> Array:
    """A number for each cell; no two have the same one, nor have those beside the board."""
    found: Array = 16 * y + x
    return found


def beside(x: Array) -> Array:
    """Which are not on the board."""
    found: Array = (x < 0) | (x > 9)
    return found


class Queue:
    """items (N, MOST, fields), of which the first counts (N,) are there; both are changed in place.

    Operations on all games at once take half the time where `items` has Fortran's order in memory.
    """

    __slots__ = ("counts", "items")

    def __init__(self, items: Array, counts: Array) -> None:
        self.items, self.counts = items, counts

    @property
    def longest(self) -> int:
        """The most entries that a game has."""
        return int(np.maximum.reduce(self.counts, initial=0))

    def present(self, longest: int) -> Array:
        """(N, longest) which places have an entry."""
        found: Array = PLACES[:longest] < self.counts[:, None]
        return found

    def drop(self, which: Array) -> None:
        """Remove these entries, (N, n) of the first n places; the others keep their order."""
        rows = np.flatnonzero(which.any(1))
        if rows.size:
            gone = which[rows]
            order = gone.argsort(1, kind="stable")
            self.items[rows, : gone.shape[1]] = self.items[rows[:, None], order]
            self.counts[rows] -= gone.sum(1)

    def append_all(self, which: Array, *fields: Array | int) -> None:
        """Entries at the end of the lists for all of these places (N, n), of each game the last place first."""
        rows, places = which[:, ::-1].nonzero()
        if rows.size:
            at = self.counts[rows] + np.arange(len(rows)) - np.searchsorted(rows, rows)
            for field, values in enumerate(fields):
                self.items[rows, at, field] = values if isinstance(values, int) else values[:, ::-1][rows, places]
            self.counts += which.sum(1)

    def append(self, rows: Array, *fields: Array | int) -> None:
        """An entry at the end of the lists of these games."""
        if rows.size:
            at = self.counts[rows]
            for place, values in enumerate(fields):
                self.items[rows, at, place] = values
            self.counts[rows] += 1

    def remove(self, rows: Array, places: Array) -> None:
        """Remove the entries at these places."""
        if rows.size:
            longest = int(self.counts[rows].max())
            following = PLACES[:longest] + (places[:, None] <= PLACES[:longest])
            self.items[rows, :longest] = self.items[rows[:, None], np.minimum(following, MOST - 1)]
            self.counts[rows] -= 1

    def remove_equal(self, rows: Array, entries: Array) -> Array:
        """Remove the first entry equal to each of these, (len(rows), fields); the places where they were."""
        longest = int(self.counts[rows].max(initial=0))
        same = (self.items[rows, :longest] == entries[:, None]).all(2)
        same &= self.counts[rows, None] > PLACES[:longest]
        places: Array = same.argmax(1) if same.size else np.zeros(0, np.int64)
        self.remove(rows, places)
        return places

    def at(self, rows: Array, x: Array, y: Array) -> Array:
        """The place of the first entry at a cell in each of these games, -1 where there is none."""
        items = self.items[rows, : int(self.counts[rows].max(initial=0))]
        same = (items[:, :, 0] == x[:, None]) & (items[:, :, 1] == y[:, None])
        same &= PLACES[: items.shape[1]] < self.counts[rows, None]
        if not same.any():
            return np.full(len(rows), -1)
        return np.where(same.any(1), same.argmax(1), -1)

    def there(self) -> tuple[Array, Array]:
        """The game of every entry, and the entries (n, fields)."""
        rows, places = self.present(self.longest).nonzero()
        return rows, self.items[rows, places]
