"""Scores of networks that no trial has trained, such as those on the line between two solutions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.training.families import family_of
from lth_core.training.stack import Start
from lth_core.worker.assemble import Assembler


@dataclass(frozen=True)
class Solution:
    """Weights, with buffers or statistics. seed: of the chain whose episodes or texts evaluate it."""

    seed: int
    weights: Weights
    statistics: Weights


def solution(assembler: Assembler, key: TrialKey) -> Solution:
    """A trial's trained network. Raises InputError if its buffers or statistics were not stored."""
    trained = assembler.family(key.seed).trained[key.arm, key.round]
    if trained.statistics is None and assembler.normalises:
        raise InputError(
            f"{key}: the statistics of its observations are not stored: it was trained by an older version"
        )
    return Solution(key.seed, trained.final, trained.statistics or {})


def metric_of(experiment: Experiment) -> tuple[str, bool]:
    """The metric of solutions, and whether higher is better: greedy returns, or the validation loss of texts."""
    return family_of(experiment).judged_by


def scores(experiment: Experiment, network: Network, solutions: Sequence[Solution], device: str) -> list[float]:
    """One score per solution; all solutions of a seed use the same episodes."""
    span = experiment.span(DENSE)
    starts = [Start(one.seed, one.weights, {}, *span, statistics=one.statistics) for one in solutions]
    return family_of(experiment).judge(experiment, network, starts, device)


def between(one: Solution, other: Solution, points: int) -> list[Solution]:
    """Solutions at equal distances on the straight line, the ends exact; statistics are interpolated too."""
    return [
        Solution(
            one.seed, line(one.weights, other.weights, i / (points - 1)),
            line(one.statistics, other.statistics, i / (points - 1)),
        )
        for i in range(points)
    ]  # fmt: skip


def line(one: Weights, other: Weights, share: float) -> Weights:
    """(1 - share) x one + share x other, the ends exact. Counts are those of the nearer end."""
    if share in (0.0, 1.0):
        return one if share == 0.0 else other
    nearer = one if share < 0.5 else other
    return {
        name: torch.lerp(w, other[name], share) if w.is_floating_point() else nearer[name] for name, w in one.items()
    }
