"""The audit of masks that move: each change is checked as it is made, by what the stack had before and after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.tickets import expected_moving
from lth_core.tickets.check import Check, unequal
from lth_core.tickets.mask import Mask, Weights

Entries = Mapping[str, Weights]
"""Optimizer entries by name, without the count."""
REACHED = 1e-6
"""A gradient above this has reached a weight."""
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


@dataclass
class Before:
    """A ticket just before a change, with the dense gradient of the last step."""

    mask: Mask
    weights: Weights
    entries: dict[str, Weights]
    gradient: Weights


@dataclass
class Moves:
    """What was seen of the changes of one training. wrong: the first sentence of each check that failed; new: the
    entries that the last change grew."""

    changes: int = 0
    replaced: int = 0
    wrong: dict[str, str] = field(default_factory=dict)
    new: Mask = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """All but `new` as JSON values."""
        return {"changes": self.changes, "replaced": self.replaced, "wrong": self.wrong}

    def note(self, check: str, sentence: str) -> None:
        """Keep the first sentence of a check."""
        self.wrong.setdefault(check, sentence)


def see(
    moves: Moves, experiment: Experiment, key: TrialKey, number: int, before: Before, mask: Mask, weights: Weights,
    entries: Entries,
) -> None:  # fmt: skip
    """Check change `number` of a training, after which it has this mask, these weights and optimizer entries."""
    at = f"change {number}"
    _between(moves, at, before)
    share, drawn = expected_moving.share_of(experiment, number), None
    if experiment.arm_named(key.arm).mask == "set":
        sizes = {name: m.numel() for name, m in mask.items()}
        drawn = expected_moving.grown(key.seed, key.arm, key.round, number, sizes)
    for name, alive in mask.items():
        was = before.mask[name]
        living, dead = int(was.sum()), int((~was).sum())
        new, gone, stay = alive & ~was, was & ~alive, was & alive
        where, wanted = f"{at}: {name}", min(living * share, dead)
        if int(alive.sum()) != living:
            moves.note("counts", f"{where}: {int(alive.sum())} of {alive.numel()} alive, expected {living}")
        if abs(int(new.sum()) - wanted) > 0.5 + 1e-6:
            moves.note("replaced", f"{where}: replaced {int(new.sum())} of {living} weights, expected {wanted:.1f}")
        size = before.weights[name].abs()
        if gone.any() and stay.any() and float(size[gone].max()) > float(size[stay].min()):
            moves.note("dropped", f"{where}: dropped a larger magnitude than the smallest that it kept")
        scores = before.gradient[name].abs() if drawn is None else torch.from_numpy(drawn[name]).view(was.shape)
        if wrong := _misplaced(scores, new, ~was & ~alive):
            rule = "drawn by this arm and seed" if drawn is not None else "with the largest gradients"
            moves.note("grown", f"{where}: {wrong} of {int(new.sum())} new weights are not those {rule}")
        if (wrong := int((weights[name][new] != 0).sum())) or (wrong := int((weights[name][~alive] != 0).sum())):
            moves.note("new_weights", f"{where}: {wrong} new or dropped weights are not zero")
        for entry, one in entries.items():
            if wrong := int((one[name][new | ~alive] != 0).sum()):
                moves.note("new_entries", f"{where}: {wrong} new or dropped weights keep an entry of {entry}")
        if wrong := unequal(weights[name][stay], before.weights[name][stay]):
            moves.note("kept_weights", f"{where}: {wrong} weights that it kept have changed")
    moves.changes += 1
    moves.new = {name: m & ~before.mask[name] for name, m in mask.items()}
    moves.replaced += sum(int(m.sum()) for m in moves.new.values())


def _between(moves: Moves, at: str, before: Before) -> None:
    """What happened since the last change: dead entries stayed zero, new weights moved."""
    for entry, tensors in {"weights": before.weights, **before.entries}.items():
        for name, alive in before.mask.items():
            if wrong := int((tensors[name][~alive] != 0).sum()):
                moves.note("dead_between", f"before {at}: {name}: {wrong} dead {entry} are not zero")
    reached = {name: m & (before.gradient[name].abs() > REACHED) for name, m in moves.new.items()}
    count = sum(int(m.sum()) for m in reached.values())
    if count and not any(bool((before.weights[name][m] != 0).any()) for name, m in reached.items()):
        moves.note("new_moved", f"before {at}: none of the {count} new weights that a gradient reached has moved")


def _misplaced(scores: Tensor, new: Tensor, left: Tensor) -> int:
    """How many of the new entries have a smaller score than one that was left dead."""
    if not new.any() or not left.any():
        return 0
    return int((scores[new] < scores[left].max()).sum())


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
    return [
        *found,
        *(Check(name, name not in moves.wrong, moves.wrong.get(name, said)) for name, said in CHECKS.items()),
    ]
