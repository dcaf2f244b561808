"""A job's trials by the other score of its task, where there are two: returns after training, and in training."""

import math
from collections.abc import Iterable

from lth_core.analysis.trials import Scored, Trial, is_lost, measured


def rescored(trials: Iterable[Scored], metric: str) -> list[Scored]:
    """The same trials with this metric as their score; none while they run, or where one has not measured it."""
    found: list[Scored] = []
    for trial in trials:
        value = measured(trial, metric)
        if trial.state in ("waiting", "running") or not (is_lost(trial) or math.isfinite(value)):
            return []
        score = None if is_lost(trial) else value
        found.append(Trial(trial.arm, trial.round, trial.seed, trial.state, score, trial.density))
    return found
