"""The audit of a ticket's mask: layers, size, nesting, the ranking or random draw behind it, and independence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.experiment.plan import TrialKey
from lth_core.settings.pruning import Pruning
from lth_core.tickets import expected, expected_masks, expected_moving
from lth_core.tickets import mask as masks
from lth_core.tickets.check import Check
from lth_core.tickets.derive import Family, Ticket, ranking
from lth_core.tickets.expected_masks import Groups
from lth_core.tickets.mask import Mask

SPREAD = 6
"""Standard deviations that the overlap of independent masks may lie from its mean. For small masks, whose overlap is
far from normally distributed, so many entries more on either side: by Bernstein's inequality a mask in 30 million is
further off."""
NOISE = 1e-3
"""Share of the kept entries that may be others where a gradient is computed twice."""
RANDOM = ("random", "random_global", "shuffled")
"""Sources of masks that are drawn."""


def checks(family: Family, key: TrialKey, ticket: Ticket, compared: Ticket | None) -> list[Check]:
    """Checks of a ticket's mask; compared: the ticket that its arm controls for."""
    arm, pruning = family.experiment.arm_named(key.arm), family.experiment.pruning
    found = [layers(ticket.mask, family.groups, pruning), density_of(family, key, ticket.mask, compared)]
    if arm.from_start:
        off = masks.distance(ticket.mask, expected_masks.random_mask(family, key.arm, ticket.mask))
        return [
            *found,
            Check("mask_source", off == 0, f"{off} entries differ from the mask that this arm and seed draw"),
        ]
    found.append(_nested(family, key, ticket))
    if arm.prunes:
        found.append(criterion(family, key, ticket.mask))
    if arm.mask == "imported":
        off = masks.distance(ticket.mask, family.imported(key.round).mask)
        found.append(Check("imported", off == 0, f"{off} entries differ from the mask that was imported"))
    if compared is not None and arm.mask in (*RANDOM, "ticket"):
        if arm.mask != "random_global":
            found.append(_same_counts(ticket.mask, compared.mask))
        drawn = compared.mask if arm.mask == "ticket" else expected_masks.random_mask(family, key.arm, compared.mask)
        off = masks.distance(ticket.mask, drawn) if ticket.mask.keys() == drawn.keys() else -1
        source = f"the mask of {arm.of}" if arm.mask == "ticket" else "the mask that this arm and seed draw"
        found.append(Check("mask_source", off == 0, f"{off} entries differ from {source}"))
    return found


def layers(mask: Mask, groups: Groups, pruning: Pruning) -> Check:
    """Exactly the parameters that the experiment does not keep have a mask; the detail names those that have none."""
    never = expected_masks.whole(groups, pruning)
    missing = [name for name in groups if name not in mask and name not in never]
    extra = [name for name in mask if name in never or name not in groups]
    wrong = [f"{', '.join(missing)}: out of scope, though not kept"] * bool(missing)
    wrong += [f"{', '.join(extra)}: in scope, though kept"] * bool(extra)
    return Check("scope", not wrong, "; ".join(wrong) or f"never pruned: {', '.join(never) or 'none'}")


@dataclass(frozen=True)
class Drawn:
    """A mask for the comparison of overlaps: its name in sentences, and whether it is drawn over the pooled layers."""

    name: str
    pooled: bool
    entries: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]

    @classmethod
    def of(cls, name: str, mask: Mask, pooled: bool) -> "Drawn":
        """From a mask; sizes and counts are its layers' entries, and those alive."""
        flat = [m.numpy().ravel() for m in mask.values()]
        sizes, counts = [[float(len(one)) for one in flat], [float(one.sum()) for one in flat]]
        return cls(name, pooled, np.concatenate([*flat, np.zeros(0, bool)]), np.array(sizes), np.array(counts))

    def chance(self, other: "Drawn") -> tuple[float, float]:
        """Mean and standard deviation of the entries that both keep, if one of the two is drawn independently.

        Hypergeometric: over all layers together if neither is drawn layer by layer, else in each layer.
        """
        sizes, a, b = self.sizes, self.counts, other.counts
        if self.pooled and other.pooled:
            sizes, a, b = (np.array([one.sum()]) for one in (sizes, a, b))
        share = b / np.maximum(sizes, 1)
        variance = a * share * (1 - share) * (sizes - a) / np.maximum(sizes - 1, 1)
        return float((a * share).sum()), float(np.sqrt(variance.sum()))


def independent(own: Drawn, others: Sequence[Drawn]) -> Check:
    """A drawn mask keeps as many entries in common with each of the others as chance allows (see SPREAD)."""
    wrong, furthest = [], 0.0
    for other in others:
        mean, deviation = own.chance(other)
        off = int(np.count_nonzero(own.entries & other.entries)) - mean
        room = SPREAD * (1 + math.hypot(1, deviation))
        furthest = max(furthest, abs(off) / deviation if deviation else 0.0)
        if abs(off) > room:
            wrong.append(
                f"keeps {mean + off:,.0f} entries that {other.name} keeps too, {mean:,.0f} +- {room:,.0f} if it is "
                "drawn independently"
            )
    fine = f"at most {furthest:.1f} standard deviations from the overlap by chance with {len(others)} other masks"
    return Check("independent", not wrong, "; ".join(wrong[:3]) or fine)


def density(shapes: Mapping[str, Sequence[int]], groups: Groups, pruning: Pruning, round: int, mask: Mask) -> Check:
    """Exactly the round's number of entries of a network with these parameters: per layer, or in total."""
    never = set(expected_masks.whole(groups, pruning))
    shapes, layerwise = {n: shape for n, shape in shapes.items() if n not in never}, pruning.scope != "global"
    sizes, found = {n: math.prod(shape) for n, shape in shapes.items()}, masks.counts(mask)
    if layerwise:
        asked = expected_masks.layer_densities(shapes, groups, pruning, round)
    else:
        sizes, found = {"all": sum(sizes.values())}, {"all": sum(found.values())}
        asked = {"all": (1 - pruning.fraction) ** round}
    wrong = [
        f"{n}: {found.get(n, 0)} of {sizes[n]} kept, expected {sizes[n] * share:.1f}"
        for n, share in asked.items()
        if not expected_masks.is_share(found.get(n, 0), sizes[n], share)
    ]
    how = "each layer as expected" if layerwise else f"expected {asked['all']:.2%}"
    fine = f"{sum(found.values())} of {sum(sizes.values())} kept, {how}"
    return Check("density", not wrong, "; ".join(wrong).removeprefix("all: ") or fine)


def density_of(family: Family, key: TrialKey, mask: Mask, compared: Ticket | None) -> Check:
    """Exactly the experiment's number of entries: per layer under layerwise scope, in total under global."""
    pruning, arm = family.experiment.pruning, family.experiment.arm_named(key.arm)
    found, entries = masks.total(mask), masks.size(mask)
    of = family.experiment.arm_named(arm.of) if arm.borrows_mask else arm
    if of.mask == "imported":
        wanted = masks.total(family.imported(key.round).mask)
        return Check("density", found == wanted, f"{found} of {entries} kept, {wanted} in the imported ticket")
    if arm.mask in ("gradual", "full"):
        why = ": they are pruned during training" if arm.mask == "gradual" else ""
        return Check("density", found == entries, f"{found} of {entries} kept, expected all{why}")
    if arm.from_start:
        return _as_tickets(family, key, mask)
    if pruning.scope != "global" and arm.mask == "random_global" and compared is not None:
        k = masks.total(compared.mask)
        return Check("density", found == k, f"{found} of {entries} kept, expected {k}")
    return density({n: w.shape for n, w in family.dense.final.items()}, family.groups, pruning, key.round, mask)


def _as_tickets(family: Family, key: TrialKey, mask: Mask) -> Check:
    """As many entries as the round's tickets keep, spread over the layers."""
    pruning, total = family.experiment.pruning, masks.total(mask)
    asked = expected_moving.totals({n: m.shape for n, m in mask.items()}, family.groups, pruning, key.round)
    return spread(mask, pruning, [] if total in asked else [f"{total} kept in all, expected {asked[0]}"])


def spread(mask: Mask, pruning: Pruning, wrong: list[str]) -> Check:
    """Each layer has a whole number next to its share of the living entries. wrong: what is wrong besides."""
    shapes, found, total = {n: m.shape for n, m in mask.items()}, masks.counts(mask), masks.total(mask)
    wrong += [
        f"{n}: {found[n]} of {mask[n].numel()} kept, expected {share:.1f}"
        for n, share in expected_moving.layer_shares(shapes, pruning, total).items()
        if abs(found[n] - share) >= 1 + 1e-6
    ]  # fmt: skip
    how = pruning.moving.distribution
    return Check("density", not wrong, "; ".join(wrong) or f"{total} of {masks.size(mask)} kept, layers as {how} says")


def _nested(family: Family, key: TrialKey, ticket: Ticket) -> Check:
    """No entry is alive that the arm's previous round had pruned (by its stored mask, if there is one)."""
    parent = expected.pruned(family, key).mask if expected.continues(family, key) else ticket.parent
    same_layers = ticket.mask.keys() == parent.keys()
    outside = sum(int((m & ~parent[n]).sum()) for n, m in ticket.mask.items()) if same_layers else -1
    detail = f"{outside} kept entries were pruned a round earlier" if same_layers else "other layers than the parent"
    return Check("nested", same_layers and outside == 0, detail)


def criterion(family: Family, key: TrialKey, mask: Mask) -> Check:
    """No pruned score exceeds a kept one, over all entries (global scope) or per layer.

    The scores are of the run that the arm prunes: its own previous round, or the dense run. They are computed again
    here; criteria of the loss may then differ in their last bits.
    """
    pruned = expected.pruned(family, key)
    own = expected_masks.scores(family, key.arm, pruned, mask)
    scores = ranking(family, key.arm, key.round, pruned) if own is None else own
    gone = {n: scores[n][pruned.mask[n] & ~m] for n, m in mask.items()}
    kept = {n: scores[n][m] for n, m in mask.items()}
    if family.experiment.pruning.scope == "global":
        pairs = [(torch.cat(list(gone.values())), torch.cat(list(kept.values())))]
    else:
        pairs = [(gone[n], kept[n]) for n in mask]
    if family.experiment.criterion_of(key.arm) in ("snip", "grasp"):
        wrong = sum(_misplaced(g, k) for g, k in pairs)
        allowed = int(NOISE * sum(k.numel() for _, k in pairs))
        return Check("criterion", wrong <= allowed, f"{wrong} kept scores are not among the largest")
    wrong = sum(int((g > k.min()).sum()) for g, k in pairs if g.numel() and k.numel())
    return Check("criterion", wrong == 0, f"{wrong} pruned scores exceed the smallest that was kept")


def _misplaced(gone: Tensor, kept: Tensor) -> int:
    """How many of the kept scores are not among as many largest of all."""
    if not gone.numel() or not kept.numel():
        return 0
    least = torch.cat([gone, kept]).topk(kept.numel()).values[-1]
    return int((kept < least).sum())


def _same_counts(mask: Mask, winning: Mask) -> Check:
    wrong = [n for n, k in masks.counts(winning).items() if n not in mask or int(mask[n].sum()) != k]
    return Check(
        "layer_counts",
        not wrong,
        f"{len(wrong)} layers with other counts than the ticket's {wrong[:3] or ''}",
    )
