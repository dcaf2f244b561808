"""The audit of masks that shrink: each step of pruning is looked at as it is made, and leaves a row in a record.

The record is a part of the trial's file; whether it is what the schedule asks for can be checked again from the file.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.settings.pruning import Pruning
from lth_core.settings.values import ReplayTraining
from lth_core.tickets import expected_shrinking, mask_changes
from lth_core.tickets.check import EARLIER, Check
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.mask_changes import OF_TARGETS, After, Before, Moves, pools
from lth_core.tickets.mask_history import with_row

Numbers = npt.NDArray[Any]
Columns = Mapping[str, Numbers]
PART = "prunings"
"""The name of the record's part of a trial's file, of n steps of pruning and L layers with entries: `at` (n,) steps of
training; `step` (n,) the number of the step; `done` (n, 2) the shares of the training that were done before and after
the last update; `kept` (n, L) living entries after it; `gone`, `least` (n, L) the largest magnitude
that went and the smallest that stayed, minus and plus infinity where there is none."""
CHECKS = {
    "revived": "no step of pruning revived a weight",
    "dead_between": "pruned weights stayed zero until each step",
    "new_weights": "each step left pruned weights at zero",
    "kept_weights": "what was kept stayed as it was",
}
"""By name, what each check has found if nothing is wrong."""


def see(
    moves: Moves, at: int, done: tuple[float, float], step: int, before: Before, after: After, record: Weights
) -> Weights:
    """Look at a step of pruning after `at` steps of training; the record with it. done: see PART."""
    said, columns, at_layer = f"step {step}", {name: list[Numbers]() for name in ("kept", "gone", "least")}, 0
    for pool in pools(before, after.mask):
        mask_changes.dead(moves, said, pool, before.entries)
        left = record["kept"][-1].numpy()[at_layer : at_layer + len(pool.names)] if record else pool.sizes
        for name, was, one in zip(pool.names, pool.counts(pool.was).tolist(), left.tolist(), strict=True):
            if was != one:
                moves.note("revived", f"before {said}: {name}: {was} alive, {one} were left")
        for name, wrong in pool.first(pool.alive & ~pool.was):
            moves.note("revived", f"{said}: {name}: {wrong} pruned weights are alive again")
        mask_changes.values(moves, said, pool, after)
        mask_changes.followers(moves, said, pool, before, after)
        size, went = np.abs(pool.weights), pool.was & ~pool.alive
        columns["kept"].append(pool.counts(pool.alive))
        columns["gone"].append(pool.most(size, went))
        columns["least"].append(-pool.most(-size, pool.was & pool.alive))
        at_layer += len(pool.names)
    row = {name: torch.from_numpy(np.concatenate(parts)) for name, parts in columns.items() if parts}
    own = {"at": torch.tensor(at), "step": torch.tensor(step), "done": torch.tensor(done, dtype=torch.float64)}
    return with_row(record, {**own, **row})


def checks(experiment: Experiment, mask: Mask, moves: Moves | None, record: Weights) -> list[Check]:
    """The checks of a training that has ended with this mask."""
    own = CHECKS | (OF_TARGETS if isinstance(experiment.training, ReplayTraining) else {})
    if moves is None:
        return [Check(name, True, EARLIER) for name in ("changes", "counts", "dropped", *own)]
    seen = [Check(name, name not in moves.wrong, moves.wrong.get(name, said)) for name, said in own.items()]
    return [*recorded(experiment.pruning, mask, record), *seen]


def recorded(pruning: Pruning, mask: Mask, record: Weights) -> list[Check]:
    """Whether a record is that of a training which ends with this mask, by its schedule and scope; how many are alive
    at the end is checked elsewhere. Raises ValueError if its columns are not those of such a record."""
    columns = {name: column.numpy() for name, column in record.items()}
    steps = columns["step"].ravel().tolist() if "step" in columns else []
    if columns and {name: column.shape for name, column in columns.items()} != _shapes(mask, len(steps)):
        raise ValueError("it has other columns than such a record")
    found = {
        "changes": (list(_changes(pruning, columns)), f"{len(steps)} steps of pruning, each at its update"),
        "counts": (list(_counts(pruning, mask, columns)), "each step left as many as its schedule says"),
        "dropped": (list(_dropped(pruning, mask, columns)), "each step dropped the smallest magnitudes"),
    }
    return [Check(name, not wrong, wrong[0] if wrong else fine) for name, (wrong, fine) in found.items()]


def _shapes(mask: Mask, steps: int) -> dict[str, tuple[int, ...]]:
    """Those of the columns of so many steps of pruning, at least one (see PART)."""
    n, layers = max(1, steps), sum(m.numel() > 0 for m in mask.values())
    found: dict[str, tuple[int, ...]] = {"at": (n,), "step": (n,), "done": (n, 2)}
    return found | dict.fromkeys(("kept", "gone", "least"), (n, layers)) if layers else found


def _changes(pruning: Pruning, columns: Columns) -> Iterator[str]:
    """Every step came at the first update at which its schedule asks for it, and all came."""
    last, total = 0, pruning.gradual.steps
    if columns:
        for at, step, (was, now) in zip(*(columns[name].tolist() for name in ("at", "step", "done")), strict=True):
            due, earlier = (expected_shrinking.number_of(pruning.gradual, share) for share in (now, was))
            if step != due:
                yield f"step {step} came after {at:,} training steps, where its schedule is at step {due} of {total}"
            elif earlier != last:
                yield f"step {step} came after {at:,} training steps, though step {earlier} was due an update earlier"
            elif step <= last:
                yield f"step {step} came again after {at:,} training steps"
            last = step
    if last != total:
        yield f"the last step was {last} of {total}"


def _counts(pruning: Pruning, mask: Mask, columns: Columns) -> Iterator[str]:
    """Every step left the schedule's number, and the last one as many in each layer as the mask has."""
    names = [name for name, m in mask.items() if m.numel()]
    if not columns or not names:
        return
    sizes, final = np.array([mask[n].numel() for n in names]), np.array([int(mask[n].sum()) for n in names])
    for one in np.flatnonzero(columns["kept"][-1] != final)[:1]:
        yield f"after the last step: {names[one]}: {final[one]} alive, {columns['kept'][-1, one]} were left"
    kept, where = columns["kept"], [f"{name}: " for name in names]
    if pruning.scope == "global":
        kept, sizes, final, where = kept.sum(1, keepdims=True), sizes[None].sum(1), final[None].sum(1), [""]
    for step, counts in zip(columns["step"].tolist(), kept.tolist(), strict=True):
        for name, count, entries, last in zip(where, counts, sizes.tolist(), final.tolist(), strict=True):
            asked = expected_shrinking.alive(entries, last, pruning.gradual, step)
            if abs(count - asked) > 0.5 + 1e-9 * entries:
                yield f"step {step}: {name}{count} alive, expected {asked:.1f}"


def _dropped(pruning: Pruning, mask: Mask, columns: Columns) -> Iterator[str]:
    """No magnitude that went is larger than one that stayed, in each layer or, in global scope, in all."""
    names = [name for name, m in mask.items() if m.numel()]
    if not columns or not names:
        return
    for step, gone, least in zip(columns["step"].tolist(), columns["gone"], columns["least"], strict=True):
        if pruning.scope == "global":
            gone, least = gone.max(keepdims=True), least.min(keepdims=True)
        for one in np.flatnonzero(gone > least):
            where = "" if pruning.scope == "global" else f"{names[one]}: "
            yield f"step {step}: {where}dropped {gone[one]:.3g}, and kept {least[one]:.3g}"
