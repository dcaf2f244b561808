"""The audit: checks of a ticket before and after its training, each with a sentence.

The checks compare the trained weights themselves, read back from the model, with the stored runs. They choose these
runs from the arm's definition independently of the derivation, and so detect one that took wrong weights. A failed
check fails the trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_core.experiment.plan import TrialKey
from lth_core.settings.pruning import Pruning
from lth_core.tickets import expected
from lth_core.tickets import mask as masks
from lth_core.tickets.derive import Family, Ticket, ranking
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.scope import layer_counts, remaining

CHANCE = 1e-4
"""Share of newly drawn weights that may equal a stored weight by chance."""
ROOM = 0.25
"""Share by which a smaller network may be larger than its ticket, because widths are whole numbers with a minimum."""


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it passed, and what was found."""

    name: str
    passed: bool
    detail: str


def before_training(
    family: Family, key: TrialKey, ticket: Ticket, start: Weights, compared: Ticket | None
) -> list[Check]:
    """Checks of a ticket of round >= 1 in the model.

    start: the weights about to be trained, read back from the model. compared: the ticket that this arm controls for
    (see `Experiment.compared_with`), None for the reference itself.
    """
    arm = family.experiment.arm_named(key.arm)
    checks = [_density(family, key, ticket.mask, compared), _nested(family, key, ticket)]
    if arm.prunes:
        checks.append(_criterion(family, key, ticket.mask))
    if arm.mask == "imported":
        off = masks.distance(ticket.mask, family.imported(key.round).mask)
        checks.append(Check("imported", off == 0, f"{off} entries differ from the mask that was imported"))
    if arm.weights == "shuffled":
        checks += [_is_shuffled(family, ticket.mask, start), _shuffled_alive(family, ticket.mask, start)]
    else:
        source = expected.source(family, key)
        checks += [_start_weights(ticket.mask, start, source), _start_alive(ticket.mask, start, source)]
    if arm.weights == "fresh":
        checks.append(_is_fresh(family, start))
    if compared is not None:
        checks.append(_differs(family, key, ticket, compared))
        if arm.mask in ("random", "ticket", "shuffled"):
            checks.append(_same_counts(ticket.mask, compared.mask))
    return checks


def before_dense(start: Weights, initial: Weights) -> list[Check]:
    """Checks of the dense network before round 0: it starts from its seed's initialisation."""
    wrong = sum(_unequal(start[name], initial[name]) for name in initial)
    return [Check("start_weights", wrong == 0, f"{wrong} weights differ from the seed's initialisation")]


def before_smaller(start: Weights, drawn: Weights, made_for: int, whole: Weights, compared: Mask) -> list[Check]:
    """Checks of a smaller network: it starts newly initialised, with the size of the ticket it is compared with.

    made_for: number of parameters its widths were chosen for. whole: parameters of the experiment's network. compared:
    the ticket's mask over them.
    """
    wrong = sum(_unequal(start[name], drawn[name]) for name in drawn) if start.keys() == drawn.keys() else -1
    own = sum(w.numel() for w in start.values())
    living = masks.total(compared) + sum(w.numel() for name, w in whole.items() if name not in compared)
    detail = f"{own:,} parameters, the ticket keeps {living:,} ({own / living - 1:+.2%})"
    smaller = own < sum(w.numel() for w in whole.values())
    return [
        Check("start_weights", wrong == 0, f"{wrong} weights differ from its own initialisation"),
        Check("parameters", made_for == living and smaller and own <= living * (1 + ROOM), detail),
    ]


def same_buffers(found: Weights, wanted: Weights) -> Check:
    """Check that a training starts with the buffers of its weights."""
    wrong = {name: _unequal(found[name].double().flatten(), one.double().flatten()) for name, one in wanted.items()}
    return _count("buffers", wrong, "differ from those stored with the start weights")


def after_training(mask: Mask, final: Weights, optimizer: Mapping[str, Weights]) -> list[Check]:
    """Checks of the trained weights and optimizer entries: zero outside the mask, and all finite."""
    revived = {name: int((final[name][~m] != 0).sum()) for name, m in mask.items()}
    checks = [_count("dead_weights", revived, "nonzero weights outside the mask")]
    for entry, tensors in optimizer.items():
        revived = {name: int((tensors[name][~m] != 0).sum()) for name, m in mask.items()}
        checks.append(_count(f"dead_{entry}", revived, f"nonzero entries of {entry} outside the mask"))
    broken = {name: int((~torch.isfinite(w)).sum()) for name, w in final.items()}
    checks.append(_count("finite", broken, "weights that are not finite"))
    return checks


def after_narrowing(pruning: Pruning, groups: Mapping[str, frozenset[str]], round: int, mask: Mask) -> Check:
    """Check that a mask that shrank during training has exactly the round's number of entries."""
    reached, size = masks.counts(mask), masks.size(mask)
    asked = {} if pruning.scope == "global" else layer_counts(mask, groups, pruning, round)
    wrong = [f"{name}: {reached[name]}, expected {k}" for name, k in asked.items() if reached[name] != k]
    k = sum(asked.values()) if asked else remaining(size, pruning.density(round))
    found = sum(reached.values())
    return Check("density", found == k and not wrong, "; ".join(wrong) or f"{found} of {size} kept, expected {k}")


def same_data(data: str, parents: set[str]) -> Check:
    """Check that a ticket is trained on the same data as the runs it builds on."""
    others = sorted(parents - {data})
    return Check("data", not others, data if not others else f"{data}; it builds on runs with {others[0]}")


def same_streams(own: Mapping[str, str], dense: Mapping[str, str]) -> Check:
    """Check that a ticket drew what the dense run of its seed drew, in the draws that both have noted."""
    common = [name for name in own if name in dense]
    other = [name for name in common if own[name] != dense[name]]
    if other:
        more = f" (and {len(other) - 1} more)" if len(other) > 1 else ""
        return Check("streams", False, f"{other[0]}{more}: not what the dense run of this seed drew")
    return Check("streams", True, f"{len(common)} draws are the dense run's" if common else "nothing to compare with")


def _count(name: str, wrong: Mapping[str, int], what: str) -> Check:
    total = sum(wrong.values())
    where = ", ".join(f"{layer} {n}" for layer, n in wrong.items() if n)
    return Check(name, total == 0, f"{total} {what}" + (f": {where}" if where else ""))


def _density(family: Family, key: TrialKey, mask: Mask, compared: Ticket | None) -> Check:
    """Exactly the experiment's number of entries: per layer under layerwise scope, in total under global."""
    pruning, arm = family.experiment.pruning, family.experiment.arm_named(key.arm)
    reached, size = masks.counts(mask), masks.size(mask)
    found = sum(reached.values())
    of = family.experiment.arm_named(arm.of) if arm.borrows_mask else arm
    if of.mask == "imported":
        wanted = masks.total(family.imported(key.round).mask)
        return Check("density", found == wanted, f"{found} of {size} kept, {wanted} in the imported ticket")
    if arm.mask in ("gradual", "full"):
        why = ": they are pruned during training" if arm.mask == "gradual" else ""
        return Check("density", found == size, f"{found} of {size} kept, expected all{why}")
    if pruning.scope != "global" and arm.mask != "random_global":
        asked = layer_counts(mask, family.groups, pruning, key.round)
        wrong = [f"{n}: {reached[n]}, expected {k}" for n, k in asked.items() if reached[n] != k]
        return Check("density", not wrong, "; ".join(wrong) or f"{found} of {size} kept, each layer as expected")
    if pruning.scope != "global" and compared is not None:
        k = masks.total(compared.mask)
    else:
        k = remaining(size, pruning.density(key.round))
    return Check("density", found == k, f"{found} of {size} kept, expected {k}")


def _nested(family: Family, key: TrialKey, ticket: Ticket) -> Check:
    """No entry is alive that the arm's previous round had pruned (by its stored mask, if there is one)."""
    parent = expected.pruned(family, key).mask if expected.continues(family, key) else ticket.parent
    same_layers = ticket.mask.keys() == parent.keys()
    outside = sum(int((m & ~parent[n]).sum()) for n, m in ticket.mask.items()) if same_layers else -1
    detail = f"{outside} kept entries were pruned a round earlier" if same_layers else "other layers than the parent"
    return Check("nested", same_layers and outside == 0, detail)


def _criterion(family: Family, key: TrialKey, mask: Mask) -> Check:
    """No pruned score exceeds a kept one, over all entries (global scope) or per layer.

    The scores (magnitudes, unless the experiment names another criterion) are of the run that the arm prunes: its own
    previous round, or the dense run.
    """
    pruned = expected.pruned(family, key)
    plain = family.experiment.criterion_of(key.arm) == "magnitude"
    scores = {n: w.abs() for n, w in pruned.ranked.items()} if plain else ranking(family, key.arm, key.round, pruned)
    gone = {n: scores[n][pruned.mask[n] & ~m] for n, m in mask.items()}
    kept = {n: scores[n][m] for n, m in mask.items()}
    if family.experiment.pruning.scope == "global":
        pairs = [(torch.cat(list(gone.values())), torch.cat(list(kept.values())))]
    else:
        pairs = [(gone[n], kept[n]) for n in mask]
    wrong = sum(int((g > k.min()).sum()) for g, k in pairs if g.numel() and k.numel())
    return Check("criterion", wrong == 0, f"{wrong} pruned scores exceed the smallest that was kept")


def _start_weights(mask: Mask, start: Weights, source: Weights) -> Check:
    """Start weights equal mask x source weights, bit for bit."""
    wrong = {}
    for name, stored in source.items():
        wanted = stored.clone()
        if name in mask:
            wanted[~mask[name]] = 0.0
        wrong[name] = _unequal(start[name], wanted)
    return _count("start_weights", wrong, "start weights differ from mask x source")


def _start_alive(mask: Mask, start: Weights, source: Weights) -> Check:
    """There are as many non-zero start weights as mask entries, except for exact zeros of the source."""
    missing = {n: int(((start[n] == 0) & m & (source[n] != 0)).sum()) for n, m in mask.items()}
    return _count("start_alive", missing, "kept entries start at zero although their source does not")


def _shuffled_alive(family: Family, mask: Mask, start: Weights) -> Check:
    """There are no more zeros among the kept weights than among the survivors that were shuffled."""
    rewind = expected.stored(family.dense.rewind)
    missing = {n: int((start[n][m] == 0).sum()) - int((rewind[n][m] == 0).sum()) for n, m in mask.items()}
    return _count("start_alive", missing, "kept entries start at zero although their source does not")


def _is_fresh(family: Family, start: Weights) -> Check:
    """Newly initialised weights contain no weights of a stored run of this seed.

    Parameters that start constant, such as those of norms, are left out.
    """
    start = {name: w for name, w in start.items() if w.numel() == 1 or _distinct(w[w != 0]) > 1}
    stored = [w for t in family.trained.values() for w in (t.init, t.rewind, t.final) if w is not None]
    same = max(sum(int(((start[n] == w[n]) & (start[n] != 0)).sum()) for n in start) for w in stored)
    alive = sum(int((w != 0).sum()) for w in start.values())
    return Check("fresh", same <= CHANCE * alive, f"{same} of {alive} weights equal those of a stored run")


def _is_shuffled(family: Family, mask: Mask, start: Weights) -> Check:
    """Each layer has the kept values of the rewound weights in any order; parameters without a mask are equal.

    `differs` checks that they have moved.
    """
    rewind = expected.stored(family.dense.rewind)
    wrong = 0
    for name, stored in rewind.items():
        if name not in mask:
            wrong += _unequal(start[name], stored)
            continue
        here, there, alive = start[name][mask[name]], stored[mask[name]], mask[name]
        wrong += _unequal(here.sort().values, there.sort().values) + int((start[name][~alive] != 0).sum())
    return Check("start_weights", wrong == 0, f"{wrong} start weights are not rewound survivors of their layer")


def _distinct(values: Tensor) -> int:
    return int(values.unique().numel())


def _differs(family: Family, key: TrialKey, ticket: Ticket, compared: Ticket) -> Check:
    """A control differs from the ticket it controls for: in its mask, its start weights, or its schedule."""
    experiment = family.experiment
    entries = masks.distance(ticket.mask, compared.mask)
    weights = sum(_unequal(ticket.start[name], compared.start[name]) for name in ticket.start)
    other = experiment.compared_with(key.arm) or key.arm
    schedules = experiment.span(key.arm) != experiment.span(other)
    detail = f"mask differs in {entries} entries, start weights in {weights}" + ", and the schedule" * schedules
    arm = experiment.arm_named(key.arm)
    if entries + weights == 0 and not schedules:
        if arm.mask == "one_shot" and key.round == 1:
            return Check("differs", True, "in round 1 both arms have pruned once: the same ticket by definition")
        if not _can_differ(arm.mask, arm.weights, ticket):
            return Check("differs", True, "too little is left for the two to differ")
        return Check("differs", False, detail)
    return Check("differs", True, detail)


def _can_differ(mask_source: str, weight_source: str, ticket: Ticket) -> bool:
    """Whether a random or permuted mask, or other weights, can differ at all at this size."""
    if mask_source in ("random", "random_global", "shuffled"):
        return any(0 < int(m.sum()) < m.numel() for m in ticket.mask.values())
    if weight_source == "shuffled":
        return any(_distinct(ticket.source[name][m]) > 1 for name, m in ticket.mask.items())
    return masks.total(ticket.mask) > 0


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
