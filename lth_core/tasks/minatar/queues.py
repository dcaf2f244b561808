"""Python's lists, one for each of N games, as arrays: to append, and to remove the first equal entry."""

from typing import NamedTuple

import numpy as np

from lth_core.tasks.step import Array

MOST = 80
"""Most entries of a list."""
_PLACES = np.arange(MOST)


class Queue(NamedTuple):
    """items (N, MOST, fields), of which the first counts (N,) are there; both are changed in place."""

    items: Array
    counts: Array

    @property
    def longest(self) -> int:
        """The most entries that a game has."""
        return int(self.counts.max(initial=0))

    def append(self, rows: Array, *fields: Array | int) -> None:
        """An entry at the end of the lists of these games."""
        for place, values in enumerate(fields):
            self.items[rows, self.counts[rows], place] = values
        self.counts[rows] += 1

    def remove(self, rows: Array, places: Array) -> None:
        """Remove the entries at these places."""
        following = np.minimum(_PLACES + (places[:, None] <= _PLACES), MOST - 1)
        self.items[rows] = self.items[rows[:, None], following]
        self.counts[rows] -= 1

    def remove_equal(self, rows: Array, entries: Array) -> Array:
        """Remove the first entry equal to each of these, (len(rows), fields); the places where they were."""
        same = (self.items[rows] == entries[:, None]).all(2) & (self.counts[rows, None] > _PLACES)
        places: Array = same.argmax(1)
        self.remove(rows, places)
        return places

    def at(self, rows: Array, x: Array, y: Array) -> Array:
        """The place of the first entry at a cell in each of these games, -1 where there is none."""
        items = self.items[rows, : self.longest]
        same = (items[:, :, 0] == x[:, None]) & (items[:, :, 1] == y[:, None])
        same &= _PLACES[: items.shape[1]] < self.counts[rows, None]
        if not same.any():
            return np.full(len(rows), -1)
        return np.where(same.any(1), same.argmax(1), -1)

    def there(self) -> tuple[Array, Array]:
        """The game of every entry, and the entries (n, fields)."""
        rows, places = np.nonzero(_PLACES[: self.longest] < self.counts[:, None])
        return rows, self.items[rows, places]
