"""What every change of a mask during a training must leave as it was, looked at as the change is made.

Shared by masks that move (`audit_moving`) and masks that shrink (`audit_shrinking`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lth_core.bits import Bits
from lth_core.tickets.mask import Mask, Weights, flat

Entries = Mapping[str, Weights]
"""Optimizer entries by name, without the count."""
POOLED = 2**20
"""About how many entries are looked at together: small layers at once, of large networks no copy in one piece."""
OF_TARGETS = {"moved_target": "target networks lost what was dropped, and had zeros where weights are new"}
"""What the check that only trainings with target networks have has found if nothing is wrong."""


@dataclass
class Before:
    """A ticket just before a change; if its mask moves, with the dense gradient of the last step. followers: see
    Stack."""

    mask: Mask
    weights: Weights
    entries: Entries
    followers: Entries
    gradient: Weights = field(default_factory=dict)


@dataclass
class After:
    """The same ticket just after it."""

    mask: Mask
    weights: Weights
    entries: Entries
    followers: Entries


@dataclass
class Moves:
    """What was seen of the changes of one training. wrong: the first sentence of each check that failed. Of a mask that
    moves: changes, how many; replaced: weights that came in all; new: which entries of the whole mask the last change
    grew, none before the first. Of one that shrinks a record says more (see audit_shrinking)."""

    changes: int = 0
    replaced: int = 0
    wrong: dict[str, str] = field(default_factory=dict)
    new: Bits = field(default_factory=lambda: np.zeros(0, bool))

    def state(self) -> dict[str, Any]:
        """All but `new` as JSON values."""
        return {"changes": self.changes, "replaced": self.replaced, "wrong": self.wrong}

    def note(self, check: str, sentence: str) -> None:
        """Keep the first sentence of a check."""
        self.wrong.setdefault(check, sentence)


@dataclass(frozen=True)
class Pool:
    """Layers that are looked at together, L of them with n entries, which lie at `at` in the whole mask.

    was, alive: (n,) the mask before and after the change; weights: (n,) before it.
    """

    names: list[str]
    sizes: npt.NDArray[np.int64]
    at: slice
    was: Bits
    alive: Bits
    weights: npt.NDArray[Any]

    @classmethod
    def of(cls, names: list[str], at: int, before: Before, mask: Mask) -> "Pool":
        """Of these layers, the first of which begins at `at`."""
        parts = [joined(one, names) for one in (before.mask, mask, before.weights)]
        return cls(names, np.array([mask[name].numel() for name in names]), slice(at, at + len(parts[0])), *parts)

    @cached_property
    def begins(self) -> npt.NDArray[np.int64]:
        """(L,) where each layer begins."""
        return np.cumsum(self.sizes) - self.sizes

    def counts(self, which: Bits) -> npt.NDArray[np.int64]:
        """(L,) how many of each layer's entries."""
        return np.add.reduceat(which, self.begins, dtype=np.int64)

    def most(self, values: npt.NDArray[Any], which: Bits) -> npt.NDArray[Any]:
        """(L,) the largest of these values in each layer; minus infinity where there is none."""
        found: npt.NDArray[Any] = np.maximum.reduceat(np.where(which, values, -np.inf), self.begins)
        return found

    def first(self, wrong: Bits) -> Iterator[tuple[str, int]]:
        """The first layer with wrong entries, and how many; nothing if there is none."""
        if wrong.any():
            counts = self.counts(wrong)
            place = int(np.flatnonzero(counts)[0])
            yield self.names[place], int(counts[place])


def joined(tensors: Mapping[str, Tensor], names: list[str]) -> npt.NDArray[Any]:
    """The entries of these layers, one after the other."""
    return np.concatenate([flat(tensors[name]) for name in names])


def pools(before: Before, mask: Mask) -> Iterator[Pool]:
    """All layers with entries, in order."""
    names, at, end = list[str](), 0, 0
    for name, one in mask.items():
        if names and end + one.numel() - at > POOLED:
            yield Pool.of(names, at, before, mask)
            names, at = [], end
        names, end = [*names, name] if one.numel() else names, end + one.numel()
    if names:
        yield Pool.of(names, at, before, mask)


def dead(moves: Moves, at: str, pool: Pool, entries: Entries) -> None:
    """Since the last change dead weights and their optimizer entries stayed zero."""
    for entry, one in {"weights": pool.weights, **{n: joined(e, pool.names) for n, e in entries.items()}}.items():
        for name, wrong in pool.first((one != 0) & ~pool.was):
            moves.note("dead_between", f"before {at}: {name}: {wrong} dead {entry} are not zero")


def values(moves: Moves, at: str, pool: Pool, after: After) -> None:
    """What is new or dead is zero; what was kept is as it was, bit for bit."""
    kept, found = pool.was & pool.alive, joined(after.weights, pool.names)
    for name, wrong in pool.first((found != 0) & ~kept):
        moves.note("new_weights", f"{at}: {name}: {wrong} new or dropped weights are not zero")
    for entry, one in after.entries.items():
        for name, wrong in pool.first((joined(one, pool.names) != 0) & ~kept):
            moves.note("new_entries", f"{at}: {name}: {wrong} new or dropped weights keep an entry of {entry}")
    for name, wrong in pool.first((found.view(np.int32) != pool.weights.view(np.int32)) & kept):
        moves.note("kept_weights", f"{at}: {name}: {wrong} weights that it kept have changed")


def followers(moves: Moves, at: str, pool: Pool, before: Before, after: After) -> None:
    """Networks that follow have the mask before and after, and are else as they were."""
    for which, one in after.followers.items():
        then, now = joined(before.followers[which], pool.names), joined(one, pool.names)
        kept = pool.was & pool.alive
        for name, wrong in pool.first((then != 0) & ~pool.was):
            moves.note("moved_target", f"before {at}: {name}: {wrong} dead weights of the {which} network are not zero")
        for name, wrong in pool.first((now != 0) & ~kept):
            said = f"{wrong} new or dropped weights of the {which} network are not zero"
            moves.note("moved_target", f"{at}: {name}: {said}")
        for name, wrong in pool.first((now.view(np.int32) != then.view(np.int32)) & kept):
            moves.note("moved_target", f"{at}: {name}: {wrong} weights that the {which} network kept have changed")
