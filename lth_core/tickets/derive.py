"""Derives a ticket: a pure function of (arm, round, the dense run, the chain it prunes, seed).

Nothing is stored or trained here. The same inputs give the same ticket in any process, so that arms that borrow a mask
can start together with the arm they borrow from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch

from lth_core.experiment.arms import DENSE, Arm
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.randomness import stream, stream_seed
from lth_core.tickets import criteria, moving, saliency
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights, permute_survivors, permuted
from lth_core.tickets.saliency import Derivative, LossDerivative
from lth_core.tickets.scope import keep_overall, keep_per_layer, prunable, prune


@dataclass(frozen=True)
class Trained:
    """The stored weights of a finished trial.

    final: the weights at the end; ranked: those at `rewinding.prune_from`. Only the dense run has init, rewind and the
    optimizer's entries at the rewind point. statistics: what the trained network needs beside its weights (its buffers,
    or those by which observations and returns were normalised); rewind_statistics, ranked_statistics: the same at the
    rewind point, and of the ranked weights.
    scored: the weights and buffers that were scored, if others than at the end (`training.average`). masks: the masks
    over the training, if they moved (see mask_history). prunings: the record of a mask that shrank (see
    audit_shrinking).
    """

    mask: Mask
    final: Weights
    ranked: Weights
    init: Weights | None = None
    rewind: Weights | None = None
    optimizer: dict[str, Weights] | None = None
    statistics: Weights | None = None
    rewind_statistics: Weights | None = None
    scored: Weights | None = None
    masks: Weights | None = None
    prunings: Weights | None = None
    ranked_statistics: Weights | None = None

    @property
    def judged(self) -> tuple[Weights, Weights]:
        """The weights that were scored, and their statistics: those at the end, or the mean of several points."""
        other, statistics = self.scored or {}, self.statistics or {}
        weights = {name: other.get(name, weight) for name, weight in self.final.items()}
        return weights, {name: other.get(name, one) for name, one in statistics.items()}


@dataclass(frozen=True)
class Ticket:
    """Mask and start weights (already multiplied by it); source: the weights before the mask."""

    mask: Mask
    start: Weights
    source: Weights
    parent: Mask


@dataclass(frozen=True)
class Imported:
    """An imported ticket: its mask, full for parameters not taken from it, weights of all parameters, and the buffers
    taken from it."""

    mask: Mask
    weights: Weights
    buffers: Weights = field(default_factory=dict)


def no_ticket(round: int) -> Imported:
    """The default of an experiment without an imported ticket; raises ValueError."""
    raise ValueError(f"no ticket was given for round {round}")


def no_loss(derivative: Derivative, weights: Weights, mask: Mask, statistics: Weights | None) -> Weights:
    """The default without a loss; raises ValueError."""
    raise ValueError(f"the {derivative.replace('_', ' ')} of the loss is not available here")


def no_flow(weights: Weights) -> Weights:
    """The default of a network without a linearised form; raises ValueError."""
    raise ValueError("this network has no flow to prune by")


@dataclass(frozen=True)
class Family:
    """Everything from which the tickets of one seed are derived.

    groups: parameter name to its groups, in the model's order. trained: by (arm, round).
    initialise: new weights from an integer seed. loss_derivative, flow: see `tickets.saliency`.
    imported: the imported ticket of a round.
    rankings: scores that are expensive to compute, by arm and round (0: the same at every round).
    """

    experiment: Experiment
    seed: int
    groups: Mapping[str, frozenset[str]]
    trained: Mapping[tuple[str, int], Trained]
    initialise: Callable[[int], Weights]
    loss_derivative: LossDerivative = no_loss
    flow: Callable[[Weights], Weights] = no_flow
    imported: Callable[[int], Imported] = no_ticket
    rankings: dict[tuple[str, int], Weights] = field(default_factory=dict, compare=False)

    @property
    def dense(self) -> Trained:
        """The dense run of this seed."""
        return self.trained[(DENSE, 0)]

    def everything(self) -> Mask:
        """The mask of round 0: all prunable entries are alive."""
        names = prunable(self.groups, self.experiment.pruning)
        return masks.full({name: self.dense.ranked[name].shape for name in names})


def derive(family: Family, key: TrialKey) -> Ticket:
    """The ticket of a trial of round 1 or later; raises ValueError if weights it needs are not stored."""
    arm = family.experiment.arm_named(key.arm)
    mask = derive_mask(family, key.arm, key.round)
    source = _source(family, arm, key, mask)
    return Ticket(mask, masks.apply(mask, source), source, derive_parent(family, key.arm, key.round))


def derive_mask(family: Family, name: str, round: int) -> Mask:
    """The mask with which arm `name` starts at `round`."""
    arm, pruning = family.experiment.arm_named(name), family.experiment.pruning
    if not arm.shares_network:
        raise ValueError(f"{name} has no ticket of this network: it trains a network of its own")
    if round == 0 or arm.mask in ("gradual", "full"):
        return family.everything()
    if arm.mask == "imported":
        return family.imported(round).mask
    if arm.from_start:
        everything = family.everything()
        kept = moving.layer_counts(everything, family.groups, pruning, round)
        return keep_per_layer(random_scores(family.seed, name, everything), everything, kept)
    if arm.borrows_mask:
        return _borrowed(family, name, derive_mask(family, arm.of, round))
    pruned = pruned_run(family, name, round)
    return prune(ranking(family, name, round, pruned), pruned.mask, family.groups, pruning, round)


def ranking(family: Family, name: str, round: int, pruned: Trained) -> Weights:
    """Scores by which arm `name` prunes a network to `round`; random ones are drawn once per chain."""
    criterion = family.experiment.criterion_of(name)
    if criterion not in (*saliency.DERIVATIVES, saliency.SYNFLOW):
        rng = stream(family.seed, "criterion", name)
        return criteria.scores(criterion, pruned.ranked, family.dense.init, rng)
    one_for_all = criterion != saliency.SYNFLOW and family.experiment.arm_named(name).mask == "one_shot"
    key = (name, 0 if one_for_all else round)
    if key not in family.rankings:
        # Kept, because computing them again may give other bits on some devices.
        family.rankings[key] = _salient(family, criterion, round, pruned)
    return family.rankings[key]


def _salient(family: Family, criterion: str, round: int, pruned: Trained) -> Weights:
    mask, weights = pruned.mask, masks.apply(pruned.mask, pruned.ranked)
    if criterion == saliency.SYNFLOW:
        return saliency.synflow(weights, mask, family.groups, family.experiment.pruning, round, family.flow)
    found = family.loss_derivative(saliency.DERIVATIVES[criterion], weights, mask, pruned.ranked_statistics)
    scores = (saliency.snip if criterion == "snip" else saliency.grasp)(weights, found, mask)
    return {name: one.float() for name, one in scores.items()}


def nests(experiment: Experiment, name: str) -> bool:
    """Whether the mask of an arm lies within that of its previous round."""
    arm = experiment.arm_named(name)
    if arm.borrows_mask:
        return nests(experiment, arm.of)
    # SynFlow prunes to each density independently.
    return arm.prunes and (arm.mask == "iterative" or experiment.criterion_of(name) != saliency.SYNFLOW)


def derive_parent(family: Family, name: str, round: int) -> Mask:
    """The mask in which this round's must be nested: the same arm's mask one round earlier.

    For an iterative chain it is the stored one. For a borrowed mask it is derived from the stored mask of the arm it
    borrows from, because the borrowing trial of the previous round may still be running.
    """
    arm = family.experiment.arm_named(name)
    if round == 1 or not nests(family.experiment, name):
        return family.everything()
    if arm.borrows_mask:
        return _borrowed(family, name, derive_parent(family, arm.of, round))
    if arm.mask == "one_shot":
        return derive_mask(family, name, round - 1)
    return pruned_run(family, name, round).mask


def _borrowed(family: Family, name: str, mask: Mask) -> Mask:
    """The mask that arm `name` makes from the mask it borrows."""
    kind = family.experiment.arm_named(name).mask
    if kind == "ticket":
        return mask
    # One draw per chain, not per round, so that masks of successive rounds nest as the borrowed ones do.
    if kind == "shuffled":
        rng = stream(family.seed, "mask", name)
        return permuted(mask, {n: torch.from_numpy(rng.permutation(m.numel())) for n, m in mask.items()})
    scores = random_scores(family.seed, name, mask)
    if kind == "random_global":
        return keep_overall(scores, family.everything(), masks.total(mask))
    return keep_per_layer(scores, family.everything(), masks.counts(mask))


def random_scores(seed: int, name: str, mask: Mask) -> Weights:
    """The numbers that arm `name` draws for all entries, once per chain."""
    rng = stream(seed, "mask", name)
    return {n: torch.from_numpy(rng.random(m.numel())).view(m.shape) for n, m in mask.items()}


def pruned_run(family: Family, name: str, round: int) -> Trained:
    """The run whose weights (its `ranked`) arm `name` ranks for its mask of `round`."""
    arm, dense = family.experiment.arm_named(name), family.dense
    if arm.mask == "iterative":
        return dense if round == 1 else family.trained[(name, round - 1)]
    if arm.at == "experiment":
        return dense
    weights, statistics = (dense.init, None) if arm.at == "init" else (dense.rewind, dense.rewind_statistics)
    if weights is None:
        raise ValueError(f"the dense run of seed {family.seed} has no stored weights at {arm.at} to rank")
    return replace(dense, ranked=weights, ranked_statistics=statistics)


def _source(family: Family, arm: Arm, key: TrialKey, mask: Mask) -> Weights:
    """Start weights before the mask is applied."""
    dense = family.dense
    if arm.weights == "fresh":
        return family.initialise(stream_seed(family.seed, "fresh", key.arm, key.round))
    if arm.weights == "imported":
        return family.imported(key.round).weights
    if arm.weights == "final":
        return pruned_run(family, key.arm, key.round).final
    source = dense.init if arm.weights == "init" else dense.rewind
    if source is None:
        raise ValueError(f"the dense run of seed {key.seed} has no stored weights to rewind to")
    if arm.weights == "signed":
        return signed(family.initialise(stream_seed(family.seed, "signed", key.arm, key.round)), source)
    if arm.weights == "constant":
        return constant(family.initialise(stream_seed(family.seed, "initialisation")), source)
    if arm.weights != "shuffled":
        return source
    rng = stream(family.seed, "shuffle-weights", key.arm, key.round)
    orders = {name: torch.from_numpy(rng.permutation(int(m.sum()))) for name, m in mask.items()}
    return {name: permute_survivors(w, mask[name], orders[name]) if name in mask else w for name, w in source.items()}


def statistics(family: Family, key: TrialKey) -> Weights | None:
    """The buffers that belong to the start weights of a ticket; None for those of a new network."""
    arm, ticket = family.experiment.arm_named(key.arm), family.experiment.ticket
    rewound = family.experiment.rewinding.buffers == "rewind"
    if arm.weights in ("rewind", "shuffled"):
        return family.dense.rewind_statistics if rewound else None
    if arm.weights == "init" and rewound and ticket is not None and ticket.dense:
        return family.imported(0).buffers or None  # with which the dense run began
    if arm.weights == "imported":
        return family.imported(key.round).buffers or None
    return pruned_run(family, key.arm, key.round).statistics if arm.weights == "final" else None


def signed(fresh: Weights, source: Weights) -> Weights:
    """New magnitudes with the signs of the source (Zhou et al. 2019, signed_reinit); +0.0 where the source is zero."""
    return {name: fresh[name].abs() * torch.sign(w) + 0.0 for name, w in source.items()}


def constant(initial: Weights, source: Weights) -> Weights:
    """The source's signs times the standard deviation of each layer's initialisation (signed_constant).

    For a layer initialised to a constant: times the mean magnitude of the source.
    """
    spread = {name: float(w.double().std(correction=0)) for name, w in initial.items()}
    sizes = {name: size if size > 0 else float(source[name].double().abs().mean()) for name, size in spread.items()}
    return {name: torch.sign(w) * sizes[name] + 0.0 for name, w in source.items()}
