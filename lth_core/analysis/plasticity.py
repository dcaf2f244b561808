"""Plasticity of arms at the end of their trainings, and how the reference arm differs from the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lth_core.analysis.statistics import Interval, bootstrap
from lth_core.analysis.trials import Scored, measured
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.settings.reinforcement import PLASTICITY

MEASURES = dict(
    zip(
        PLASTICITY,
        ("share of dormant units", "effective rank of the features", "gradient norm over live weights", "weight norm"),
        strict=True,
    )
)
"""By metric, in words."""


@dataclass(frozen=True)
class Plasticity:
    """One measure of one arm, means over the rounds that it has finished in all seeds, over seeds. dense: of the dense
    run; difference: of the reference arm minus this one, paired by seed; None for that arm itself."""

    metric: str
    arm: str
    value: Interval
    dense: Interval
    difference: Interval | None


def plasticity(experiment: Experiment, trials: Sequence[Scored]) -> Iterator[Plasticity]:
    """Every measure of every arm that has it; nothing where none was measured."""
    for metric in MEASURES:
        ends = {(t.arm, t.round, t.seed): measured(t, metric) for t in trials if t.state == "done"}
        ends = {key: value for key, value in ends.items() if np.isfinite(value)}
        if not ends:
            continue
        own = {arm: _by_seed(experiment, ends, arm) for arm in experiment.arms}
        dense = bootstrap([ends[DENSE, 0, seed] for seed in experiment.seeds if (DENSE, 0, seed) in ends])
        for arm, values in own.items():
            if not values:
                continue
            others = own[experiment.reference]
            paired = [others[seed] - values[seed] for seed in values if seed in others]
            apart = None if arm == experiment.reference else bootstrap(paired)
            yield Plasticity(metric, arm, bootstrap(list(values.values())), dense, apart)


def _by_seed(experiment: Experiment, ends: dict[tuple[str, int, int], float], arm: str) -> dict[int, float]:
    """The mean over the arm's rounds of each seed that has finished all of them."""
    rounds, found = experiment.rounds_of(arm), {}
    for seed in experiment.seeds:
        own = [ends[arm, round, seed] for round in rounds if (arm, round, seed) in ends]
        if len(own) == len(rounds):
            found[seed] = float(np.mean(own))
    return found
