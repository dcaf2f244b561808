"""The audit: checks of a ticket before and after its training, each with a sentence.

The checks compare the trained weights themselves, read back from the model, with the stored runs. They choose these
runs from the arm's definition independently of the derivation, and so detect one that took wrong weights. A failed
check fails the trial.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lth_core.experiment.plan import TrialKey
from lth_core.tickets import audit_masks, expected
from lth_core.tickets import mask as masks
from lth_core.tickets.check import Check, counted, unequal
from lth_core.tickets.derive import Family, Ticket
from lth_core.tickets.mask import Mask, Weights

CHANCE = 1e-4
"""Share of newly drawn weights that may equal a stored weight by chance."""
COINCIDENCE = 16.0
"""The logarithm of how many possibilities there must be, so that two that are drawn are not the same by chance."""
ROOM = 0.25
"""Share by which a smaller network may be larger than its ticket, because widths are whole numbers with a minimum."""


def before_training(
    family: Family, key: TrialKey, ticket: Ticket, start: Weights, compared: Ticket | None
) -> list[Check]:
    """Checks of a ticket of round >= 1 in the model.

    start: the weights about to be trained, read back from the model. compared: the ticket that this arm controls for
    (see `Experiment.compared_with`), None for the reference itself.
    """
    arm = family.experiment.arm_named(key.arm)
    checks = audit_masks.checks(family, key, ticket, compared)
    if arm.weights == "shuffled":
        checks += [_is_shuffled(family, ticket.mask, start), _shuffled_alive(family, ticket.mask, start)]
    else:
        source = expected.source(family, key)
        checks += [_start_weights(ticket.mask, start, source), _start_alive(ticket.mask, start, source)]
    if arm.weights == "fresh":
        checks.append(_is_fresh(family, start))
    if compared is not None:
        checks.append(_differs(family, key, ticket, compared))
    return checks


def before_dense(start: Weights, initial: Weights) -> list[Check]:
    """Checks of the dense network before round 0: it starts from its seed's initialisation."""
    wrong = sum(unequal(start[name], initial[name]) for name in initial)
    return [Check("start_weights", wrong == 0, f"{wrong} weights differ from the seed's initialisation")]


def before_smaller(start: Weights, drawn: Weights, made_for: int, whole: Weights, compared: Mask) -> list[Check]:
    """Checks of a smaller network: it starts newly initialised, with the size of the ticket it is compared with.

    made_for: number of parameters its widths were chosen for. whole: parameters of the experiment's network. compared:
    the ticket's mask over them.
    """
    wrong = sum(unequal(start[name], drawn[name]) for name in drawn) if start.keys() == drawn.keys() else -1
    own = sum(w.numel() for w in start.values())
    living = masks.total(compared) + sum(w.numel() for name, w in whole.items() if name not in compared)
    detail = f"{own:,} parameters, the ticket keeps {living:,} ({own / living - 1:+.2%})"
    smaller = own < sum(w.numel() for w in whole.values())
    return [
        Check("start_weights", wrong == 0, f"{wrong} weights differ from its own initialisation"),
        Check("parameters", made_for == living and smaller and own <= living * (1 + ROOM), detail),
    ]


def known_at_start(given: Weights | None, found: Weights) -> Weights:
    """Running statistics of observations and returns with which a training starts: those given with its weights, or
    those of no samples, mean 0 and variance 1. found: the stack's, for their names and shapes."""
    new = {name: torch.full_like(one, name.endswith("variance")) for name, one in found.items()}
    return new | (given or {})


def same_buffers(found: Weights, wanted: Weights) -> Check:
    """Check that a training starts with the buffers, or running statistics, of its weights."""
    wrong = {name: unequal(found[name].double().flatten(), one.double().flatten()) for name, one in wanted.items()}
    return counted("buffers", wrong, "differ from those stored with the start weights")


def after_training(mask: Mask, final: Weights, optimizer: Mapping[str, Weights]) -> list[Check]:
    """Checks of the trained weights and optimizer entries: zero outside the mask, and all finite."""
    revived = {name: int((final[name][~m] != 0).sum()) for name, m in mask.items()}
    checks = [counted("dead_weights", revived, "nonzero weights outside the mask")]
    for entry, tensors in optimizer.items():
        revived = {name: int((tensors[name][~m] != 0).sum()) for name, m in mask.items()}
        checks.append(counted(f"dead_{entry}", revived, f"nonzero entries of {entry} outside the mask"))
    broken = {name: int((~torch.isfinite(w)).sum()) for name, w in final.items()}
    checks.append(counted("finite", broken, "weights that are not finite"))
    return checks


def read_as_stored(differing: Mapping[str, Sequence[str]]) -> Check:
    """Check that what a ticket builds on was read as it was stored; differing: parts that were not, by trial."""
    wrong = [f"{', '.join(parts)} of {trial}" for trial, parts in differing.items() if parts]
    return Check("parents", not wrong, f"read other than stored: {'; '.join(wrong)}" if wrong else "read as stored")


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


def _start_weights(mask: Mask, start: Weights, source: Weights) -> Check:
    """Start weights equal mask x source weights, bit for bit."""
    wrong = {}
    for name, stored in source.items():
        wanted = stored.clone()
        if name in mask:
            wanted[~mask[name]] = 0.0
        wrong[name] = unequal(start[name], wanted)
    return counted("start_weights", wrong, "start weights differ from mask x source")


def _start_alive(mask: Mask, start: Weights, source: Weights) -> Check:
    """There are as many non-zero start weights as mask entries, except for exact zeros of the source."""
    missing = {n: int(((start[n] == 0) & m & (source[n] != 0)).sum()) for n, m in mask.items()}
    return counted("start_alive", missing, "kept entries start at zero although their source does not")


def _shuffled_alive(family: Family, mask: Mask, start: Weights) -> Check:
    """There are no more zeros among the kept weights than among the survivors that were shuffled."""
    rewind = expected.stored(family.dense.rewind)
    missing = {n: int((start[n][m] == 0).sum()) - int((rewind[n][m] == 0).sum()) for n, m in mask.items()}
    return counted("start_alive", missing, "kept entries start at zero although their source does not")


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
            wrong += unequal(start[name], stored)
            continue
        here, there, alive = start[name][mask[name]], stored[mask[name]], mask[name]
        wrong += unequal(here.sort().values, there.sort().values) + int((start[name][~alive] != 0).sum())
    return Check("start_weights", wrong == 0, f"{wrong} start weights are not rewound survivors of their layer")


def _distinct(values: Tensor) -> int:
    return int(values.unique().numel())


def _differs(family: Family, key: TrialKey, ticket: Ticket, compared: Ticket) -> Check:
    """A control differs from the ticket it controls for: in its mask, its start weights, or its schedule."""
    experiment = family.experiment
    entries = masks.distance(ticket.mask, compared.mask)
    weights = sum(unequal(ticket.start[name], compared.start[name]) for name in ticket.start)
    other = experiment.compared_with(key.arm) or key.arm
    schedules = experiment.span(key.arm) != experiment.span(other)
    detail = f"mask differs in {entries} entries, start weights in {weights}" + ", and the schedule" * schedules
    arm = experiment.arm_named(key.arm)
    if entries + weights == 0 and not schedules:
        if arm.mask == "one_shot" and key.round == 1:
            return Check("differs", True, "in round 1 both arms have pruned once: the same ticket by definition")
        if not _can_differ("random" if arm.from_start else arm.mask, arm.weights, ticket):
            return Check("differs", True, "too little is left or pruned: the two may be the same by chance")
        if arm.prunes and experiment.arm_named(other).prunes and audit_masks.criterion(family, key, ticket.mask).passed:
            # After little training the smallest weights are still the smallest.
            return Check("differs", True, "each ranks its own weights, and both rankings keep the same entries")
        return Check("differs", False, detail)
    return Check("differs", True, detail)


def _can_differ(mask_source: str, weight_source: str, ticket: Ticket) -> bool:
    """Whether a drawn mask, other weights, or another ranking cannot be the same by chance at this size."""
    if mask_source in (*audit_masks.RANDOM, "iterative", "one_shot"):
        return _ways(ticket.mask) > COINCIDENCE
    if weight_source == "shuffled":
        orders = (_distinct(ticket.source[name][m]) for name, m in ticket.mask.items() if m.any())
        return sum(math.lgamma(kept + 1) for kept in orders) > COINCIDENCE
    return masks.total(ticket.mask) > 0


def _ways(mask: Mask) -> float:
    """The logarithm of how many masks keep as many entries of each layer."""
    sizes = [(m.numel(), int(m.sum())) for m in mask.values()]
    return sum(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for n, k in sizes)
