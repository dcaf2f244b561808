"""From an experiment to its trials and what each waits for. Pure data: nothing is run, nothing is stored."""

from dataclasses import dataclass

from lth_core.arms import DENSE
from lth_core.experiment import Experiment


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
    """A trial and the trials whose results its ticket is derived from."""

    key: TrialKey
    waits_for: tuple[TrialKey, ...]


def plan(experiment: Experiment) -> tuple[PlannedTrial, ...]:
    """All trials in an order that respects what they wait for: by round, then arm as listed, then seed."""
    trials = [PlannedTrial(TrialKey(0, DENSE, seed), ()) for seed in experiment.seeds]
    for round in range(1, experiment.pruning.rounds + 1):
        trials += [
            PlannedTrial(TrialKey(round, arm, seed), parents(experiment, arm, round, seed))
            for arm in experiment.arms
            for seed in experiment.seeds
        ]
    return tuple(trials)


def parents(experiment: Experiment, arm: str, round: int, seed: int) -> tuple[TrialKey, ...]:
    """What the ticket (arm, round >= 1, seed) is derived from: the dense run and the chain it prunes.

    An arm that borrows its mask waits for the trial whose training that mask is pruned from, and so
    starts together with the arm it borrows from.
    """
    definition = experiment.arm_named(arm)
    pruned = definition.of if definition.borrows_mask else arm
    chain = experiment.arm_named(pruned)
    dense = TrialKey(0, DENSE, seed)
    if chain.mask == "iterative" and round > 1:
        return (dense, TrialKey(round - 1, pruned, seed))
    return (dense,)
