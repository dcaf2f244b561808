"""The audit of masks that move: each change is checked as it is made, by what the stack had before and after it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lth_core.bits import Bits
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.settings.values import ReplayTraining
from lth_core.tickets import expected_moving
from lth_core.tickets.check import Check
from lth_core.tickets.mask import Mask, Weights, flat

Entries = Mapping[str, Weights]
"""Optimizer entries by name, without the count."""
REACHED = 1e-6
"""A gradient above this has reached a weight."""
POOLED = 2**20
"""About how many entries are looked at together: small layers at once, of large networks no copy in one piece."""
CHECKS = {
    "dead_between": "dead weights and their optimizer entries stayed zero until each change",
    "counts": "each change left each layer its number of weights",
    "replaced": "each change replaced as many as its schedule asks for",
    "dropped": "each change dropped the smallest magnitudes",
    "grown": "each change grew where its rule says",
    "new_weights": "new weights start at zero",
    "new_entries": "new weights start with fresh optimizer entries",
    "kept_weights": "what was kept stayed as it was",
    "new_moved": "new weights that gradients reached have moved",
}
"""By name, what each check has found if nothing is wrong."""
OF_TARGETS = {"moved_target": "target networks lost what was dropped, and had zeros where weights are new"}
"""The same of trainings with target networks."""


@dataclass
class Before:
    """A ticket just before a change, with the dense gradient of the last step. followers: see Stack."""

    mask: Mask
    weights: Weights
    entries: Entries
    gradient: Weights
    followers: Entries


@dataclass
class After:
    """The same ticket just after it."""

    mask: Mask
    weights: Weights
    entries: Entries
    followers: Entries


@dataclass
class Moves:
    """What was seen of the changes of one training. wrong: the first sentence of each check that failed; new: which
    entries of the whole mask the last change grew, none before the first."""

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
class _Pool:
    """Layers that are looked at together, L of them with n entries, which lie at `at` in the whole mask.

    was, alive: (n,) the mask before and after the change; weights, gradient: (n,) before it.
    """

    names: list[str]
    sizes: npt.NDArray[np.int64]
    at: slice
    was: Bits
    alive: Bits
    weights: npt.NDArray[Any]
    gradient: npt.NDArray[Any]

    @classmethod
    def of(cls, names: list[str], at: int, before: Before, mask: Mask) -> "_Pool":
        """Of these layers, the first of which begins at `at`."""
        parts = [_joined(one, names) for one in (before.mask, mask, before.weights, before.gradient)]
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


def _joined(tensors: Mapping[str, Tensor], names: list[str]) -> npt.NDArray[Any]:
    return np.concatenate([flat(tensors[name]) for name in names])


def _pools(before: Before, mask: Mask) -> Iterator[_Pool]:
    """All layers with entries, in order."""
    names, at, end = list[str](), 0, 0
    for name, one in mask.items():
        if names and end + one.numel() - at > POOLED:
            yield _Pool.of(names, at, before, mask)
            names, at = [], end
        names, end = [*names, name] if one.numel() else names, end + one.numel()
    if names:
        yield _Pool.of(names, at, before, mask)


def see(
    moves: Moves, experiment: Experiment, key: TrialKey, number: int, before: Before, after: After
) -> None:  # fmt: skip
    """Check change `number` of a training."""
    at = f"change {number}"
    share, drawn = expected_moving.share_of(experiment, number), None
    if experiment.arm_named(key.arm).mask == "set":
        sizes = {name: m.numel() for name, m in after.mask.items()}
        drawn = expected_moving.grown(key.seed, key.arm, key.round, number, sizes)
    reached, moved, new = 0, False, [np.zeros(0, bool)]
    for pool in _pools(before, after.mask):
        _dead(moves, at, pool, before.entries)
        if len(moves.new):
            came = moves.new[pool.at] & (np.abs(pool.gradient) > REACHED)
            reached += int(np.count_nonzero(came))
            moved |= bool((pool.weights[came] != 0).any())
        _places(moves, at, pool, share, drawn)
        _values(moves, at, pool, after)
        _followers(moves, at, pool, before, after)
        new.append(pool.alive & ~pool.was)
    if reached and not moved:
        moves.note("new_moved", f"before {at}: none of the {reached} new weights that a gradient reached has moved")
    moves.changes += 1
    moves.new = np.concatenate(new)
    moves.replaced += int(np.count_nonzero(moves.new))


def _dead(moves: Moves, at: str, pool: _Pool, entries: Entries) -> None:
    """Since the last change dead weights and their optimizer entries stayed zero."""
    for entry, one in {"weights": pool.weights, **{n: _joined(e, pool.names) for n, e in entries.items()}}.items():
        for name, wrong in pool.first((one != 0) & ~pool.was):
            moves.note("dead_between", f"before {at}: {name}: {wrong} dead {entry} are not zero")


def _places(
    moves: Moves, at: str, pool: _Pool, share: float, drawn: Mapping[str, npt.NDArray[np.float64]] | None
) -> None:
    """How many weights went and came in each layer, and whether they are the right ones."""
    new, gone = pool.alive & ~pool.was, pool.was & ~pool.alive
    living, now, came = pool.counts(pool.was), pool.counts(pool.alive), pool.counts(new)
    wanted = np.minimum(living * share, pool.sizes - living)
    for one in np.flatnonzero(now != living)[:1]:
        said = f"{now[one]} of {pool.sizes[one]} alive, expected {living[one]}"
        moves.note("counts", f"{at}: {pool.names[one]}: {said}")
    for one in np.flatnonzero(np.abs(came - wanted) > 0.5 + 1e-6)[:1]:
        said = f"replaced {came[one]} of {living[one]} weights, expected {wanted[one]:.1f}"
        moves.note("replaced", f"{at}: {pool.names[one]}: {said}")
    size = np.abs(pool.weights)
    for one in np.flatnonzero(pool.most(size, gone) > -pool.most(-size, pool.was & pool.alive))[:1]:
        said = "dropped a larger magnitude than the smallest that it kept"
        moves.note("dropped", f"{at}: {pool.names[one]}: {said}")
    if drawn is None:
        scores, rule = np.abs(pool.gradient), "with the largest gradients"
    else:
        scores, rule = np.concatenate([drawn[name] for name in pool.names]), "drawn by this arm and seed"
    least = np.repeat(pool.most(scores, ~(pool.was | pool.alive)), pool.sizes)
    for name, wrong in pool.first(new & (scores < least)):
        total = came[pool.names.index(name)]
        moves.note("grown", f"{at}: {name}: {wrong} of {total} new weights are not those {rule}")


def _values(moves: Moves, at: str, pool: _Pool, after: After) -> None:
    """What is new or dead is zero; what was kept is as it was, bit for bit."""
    kept, found = pool.was & pool.alive, _joined(after.weights, pool.names)
    for name, wrong in pool.first((found != 0) & ~kept):
        moves.note("new_weights", f"{at}: {name}: {wrong} new or dropped weights are not zero")
    for entry, one in after.entries.items():
        for name, wrong in pool.first((_joined(one, pool.names) != 0) & ~kept):
            moves.note("new_entries", f"{at}: {name}: {wrong} new or dropped weights keep an entry of {entry}")
    for name, wrong in pool.first((found.view(np.int32) != pool.weights.view(np.int32)) & kept):
        moves.note("kept_weights", f"{at}: {name}: {wrong} weights that it kept have changed")


def _followers(moves: Moves, at: str, pool: _Pool, before: Before, after: After) -> None:
    """Networks that follow have the mask before and after, and are else as they were."""
    for which, one in after.followers.items():
        then, now = _joined(before.followers[which], pool.names), _joined(one, pool.names)
        kept = pool.was & pool.alive
        for name, wrong in pool.first((then != 0) & ~pool.was):
            moves.note("moved_target", f"before {at}: {name}: {wrong} dead weights of the {which} network are not zero")
        for name, wrong in pool.first((now != 0) & ~kept):
            said = f"{wrong} new or dropped weights of the {which} network are not zero"
            moves.note("moved_target", f"{at}: {name}: {said}")
        for name, wrong in pool.first((now.view(np.int32) != then.view(np.int32)) & kept):
            moves.note("moved_target", f"{at}: {name}: {wrong} weights that the {which} network kept have changed")


def checks(
    experiment: Experiment, key: TrialKey, moves: Moves | None, updates: int | None, per_unit: int, living: int
) -> list[Check]:
    """The checks of a training that has ended. living: the weights of its mask."""
    if moves is None or updates is None:
        return [Check("changes", True, "not known: it goes on from a checkpoint of an earlier version")]
    asked = expected_moving.changes(experiment, key.arm, updates, per_unit)
    fine = asked is None or moves.changes == asked
    detail = f"{moves.changes} changes replaced {moves.replaced:,} weights in all, of {living:,} alive"
    found = [Check("changes", fine, detail if fine else f"{moves.changes} changes, its schedule asks for {asked}")]
    own = CHECKS | (OF_TARGETS if isinstance(experiment.training, ReplayTraining) else {})
    return [*found, *(Check(name, name not in moves.wrong, moves.wrong.get(name, said)) for name, said in own.items())]
