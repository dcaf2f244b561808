"""An experiment's trials and their dependencies. Pure data: runs and stores nothing."""

from dataclasses import dataclass

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment


@dataclass(frozen=True, order=True)
class TrialKey:
    """(arm, round, seed): one training of one ticket."""

    round: int
    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm} round {self.round} seed {self.seed}"


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and the trials from whose results its ticket is derived."""

    key: TrialKey
    waits_for: tuple[TrialKey, ...]


def plan(experiment: Experiment) -> tuple[PlannedTrial, ...]:
    """All trials in an order that respects dependencies: by round, then arm as listed, then seed."""
    trials = [PlannedTrial(TrialKey(0, DENSE, seed), ()) for seed in experiment.seeds]
    for round in range(1, experiment.pruning.rounds + 1):
        trials += [
            PlannedTrial(TrialKey(round, arm, seed), parents(experiment, arm, round, seed))
            for arm in experiment.arms
            if round in experiment.rounds_of(arm)
            for seed in experiment.seeds
        ]
    return tuple(trials)


def parents(experiment: Experiment, arm: str, round: int, seed: int) -> tuple[TrialKey, ...]:
    """The trials that the ticket (arm, round >= 1, seed) is derived from and audited against.

    These are the dense run, the arm's own previous round if it prunes iteratively, and the previous round of the arm
    that it controls for: a borrowed mask is derived from there, so that control and reference start together.
    """
    dense = TrialKey(0, DENSE, seed)
    chains = dict.fromkeys((arm, experiment.compared_with(arm)))
    if round == 1:
        return (dense,)
    iterative = [c for c in chains if c is not None and experiment.arm_named(c).mask == "iterative"]
    return (dense, *(TrialKey(round - 1, chain, seed) for chain in iterative))


def shares_network(experiment: Experiment, arm: str) -> bool:
    """Whether an arm uses the experiment's network."""
    return arm == DENSE or experiment.arm_named(arm).shares_network


def network_of(experiment: Experiment, arm: str) -> str:
    """Which network an arm uses in a round; trials of one network can be stacked. Empty: the experiment's."""
    if shares_network(experiment, arm):
        return ""
    own = experiment.arm_named(arm)
    return own.mask if own.mask == "smaller" else f"{own.mask} {own.width:g}"
