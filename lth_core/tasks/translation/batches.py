"""Batches of sentence pairs of similar length within a token budget, determined by seed and epoch.

Pairs are sorted by the lengths of target and source, equal ones in random order; a batch takes the next pairs while
pairs x longest sentence stays within the budget, and batches come in random order. Only lengths decide where batches
are cut, so that every epoch has the same number of them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.randomness import stream

Array = npt.NDArray[Any]


class TokenBatches:
    """The batches of every epoch. lengths: (n, 2) of source and target, including their end tokens."""

    def __init__(self, lengths: Array, budget: int, seed: int) -> None:
        self._lengths = np.ascontiguousarray(lengths)
        self._seed = seed
        order = np.lexsort((lengths[:, 0], lengths[:, 1]))
        self._cuts = _cuts(lengths[order].max(1), budget)
        self._epoch, self._order, self._places = -1, order, np.arange(len(self))

    def __len__(self) -> int:
        return len(self._cuts) - 1

    def pairs(self, epoch: int, place: int) -> Array:
        """The pairs of the batch at this place of an epoch."""
        if epoch != self._epoch:
            random = stream(self._seed, "batches", epoch)
            shuffled = random.permutation(len(self._lengths))
            lengths = self._lengths[shuffled]
            self._order = shuffled[np.lexsort((lengths[:, 0], lengths[:, 1]))]
            self._places = random.permutation(len(self))
            self._epoch = epoch
        number = self._places[place]
        return self._order[self._cuts[number] : self._cuts[number + 1]]

    def in_order(self) -> list[Array]:
        """Every pair once, shortest first, for evaluation."""
        order = np.lexsort((self._lengths[:, 0], self._lengths[:, 1]))
        return [order[a:b] for a, b in zip(self._cuts[:-1], self._cuts[1:], strict=True)]


def _cuts(longest: Array, budget: int) -> Array:
    """Where batches begin, and the end of the last. A pair longer than the budget is a batch of its own."""
    cuts, first, widest = [0], 0, 0
    for i, length in enumerate(longest.tolist()):
        widest = max(widest, length)
        if i > first and (i + 1 - first) * widest > budget:
            cuts.append(i)
            first, widest = i, length
    return np.array([*cuts, len(longest)])
