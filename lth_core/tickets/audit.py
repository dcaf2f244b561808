"""The audit: what must hold of a ticket before and after its training, checked and said in a sentence each.

The checks compare what is really trained (weights read back from the model) with the sources, independently of
how the ticket was derived. A failed check fails the trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_core.arms import Arm
from lth_core.experiment import Pruning
from lth_core.tickets import mask as masks
from lth_core.tickets.derive import Ticket
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.scope import layer_counts, remaining


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it passed, and what was found."""

    name: str
    passed: bool
    detail: str


def before_training(
    ticket: Ticket, start: Weights, arm: Arm, winning: Ticket | None, pruning: Pruning,
    groups: Mapping[str, frozenset[str]], round: int,
) -> list[Check]:  # fmt: skip
    """Checks of a ticket of round >= 1 as it stands in the model.

    start: the weights about to be trained, read back from there. winning: the ticket that this arm is a
    control of (the arm `of`, or `winning`), None for that arm itself.
    """
    checks = [
        _density(ticket.mask, winning, arm, pruning, groups, round),
        _nested(ticket),
        _start_weights(ticket, start),
        _start_alive(ticket, start),
    ]
    if winning is not None:
        checks.append(_differs(ticket, winning, arm, round))
        if arm.mask in ("random", "ticket", "shuffled"):
            checks.append(_same_counts(ticket.mask, winning.mask))
    return checks


def before_dense(start: Weights, initial: Weights) -> list[Check]:
    """Checks of the dense network before round 0: it starts from its seed's initialisation."""
    wrong = sum(_unequal(start[name], initial[name]) for name in initial)
    return [Check("start_weights", wrong == 0, f"{wrong} weights differ from the seed's initialisation")]


def after_training(mask: Mask, final: Weights, optimizer: Mapping[str, Weights]) -> list[Check]:
    """Checks of the trained weights and of each optimizer entry: nothing lives outside the mask, all is finite."""
    revived = {name: int((final[name][~m] != 0).sum()) for name, m in mask.items()}
    checks = [_count("dead_weights", revived, "weights alive outside the mask")]
    for entry, tensors in optimizer.items():
        revived = {name: int((tensors[name][~m] != 0).sum()) for name, m in mask.items()}
        checks.append(_count(f"dead_{entry}", revived, f"entries of {entry} alive outside the mask"))
    broken = {name: int((~torch.isfinite(w)).sum()) for name, w in final.items()}
    checks.append(_count("finite", broken, "weights that are not finite"))
    return checks


def _count(name: str, wrong: Mapping[str, int], what: str) -> Check:
    total = sum(wrong.values())
    where = ", ".join(f"{layer} {n}" for layer, n in wrong.items() if n)
    return Check(name, total == 0, f"{total} {what}" + (f": {where}" if where else ""))


def _density(
    mask: Mask,
    winning: Ticket | None,
    arm: Arm,
    pruning: Pruning,
    groups: Mapping[str, frozenset[str]],
    round: int,
) -> Check:
    """Exactly as many entries as the experiment asks: per layer under layerwise scope, in all under global."""
    reached = masks.counts(mask)
    size = sum(m.numel() for m in mask.values())
    if pruning.scope == "layerwise" and arm.mask != "random_global":
        asked = layer_counts(mask, groups, pruning, round)
        wrong = [f"{n}: {reached[n]} of {k} asked" for n, k in asked.items() if reached[n] != k]
        return Check(
            "density",
            not wrong,
            "; ".join(wrong) or f"{sum(reached.values())} of {size} live, per layer as asked",
        )
    if pruning.scope == "layerwise" and winning is not None:
        k = masks.total(winning.mask)
    else:
        k = remaining(size, pruning.density(round))
    found = sum(reached.values())
    return Check("density", found == k, f"{found} of {size} live, {k} asked")


def _nested(ticket: Ticket) -> Check:
    same_layers = ticket.mask.keys() == ticket.parent.keys()
    outside = sum(int((m & ~ticket.parent[n]).sum()) for n, m in ticket.mask.items()) if same_layers else -1
    detail = (
        f"{outside} entries live that were pruned a round earlier" if same_layers else "other layers than the parent"
    )
    return Check("nested", same_layers and outside == 0, detail)


def _start_weights(ticket: Ticket, start: Weights) -> Check:
    """Start weights equal mask x source weights bit for bit, written out here a second time on purpose."""
    wrong = {}
    for name, source in ticket.source.items():
        expected = source.clone()
        if name in ticket.mask:
            expected[~ticket.mask[name]] = 0.0
        wrong[name] = _unequal(start[name], expected)
    return _count("start_weights", wrong, "start weights differ from mask x source")


def _start_alive(ticket: Ticket, start: Weights) -> Check:
    """As many non-zero start weights as the mask has entries, up to exact zeros of the source."""
    missing = {n: int(((start[n] == 0) & m & (ticket.source[n] != 0)).sum()) for n, m in ticket.mask.items()}
    return _count("start_alive", missing, "living entries start at zero though their source does not")


def _differs(ticket: Ticket, winning: Ticket, arm: Arm, round: int) -> Check:
    """A control differs from what it controls for, in its mask or in its start weights."""
    entries = masks.distance(ticket.mask, winning.mask)
    weights = sum(_unequal(ticket.start[name], winning.start[name]) for name in ticket.start)
    detail = f"mask differs in {entries} entries, start weights in {weights}"
    same_by_definition = arm.mask == "one_shot" and round == 1
    if same_by_definition and entries == weights == 0:
        return Check("differs", True, "round 1 is pruned once in either arm: the same ticket by definition")
    nothing_left = masks.total(ticket.mask) in (0, sum(m.numel() for m in ticket.mask.values()))
    return Check("differs", entries + weights > 0 or nothing_left, detail)


def _same_counts(mask: Mask, winning: Mask) -> Check:
    wrong = [n for n, k in masks.counts(winning).items() if int(mask[n].sum()) != k]
    return Check(
        "layer_counts",
        not wrong,
        f"{len(wrong)} layers with other counts than the ticket's {wrong[:3] or ''}",
    )


def _unequal(a: Tensor, b: Tensor) -> int:
    """Entries whose bits differ (so that 0.0 and -0.0 count as different, and NaN equals itself)."""
    return int((a.view(torch.int32) != b.view(torch.int32)).sum()) if a.shape == b.shape else max(a.numel(), b.numel())
