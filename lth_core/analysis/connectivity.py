"""Linear connectivity: how much worse the straight line between two solutions is than its ends."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lth_core.analysis.statistics import Interval, bootstrap


@dataclass(frozen=True)
class Barrier:
    """Between the trained tickets of two successive rounds of one arm.

    height: interquartile mean over seeds of each seed's barrier, in the score's unit; 0 where the line never lies
    below the straight connection of its ends. ends, lowest: mean scores at both ends, and at each seed's worst point.
    """

    arm: str
    round: int
    following: int
    height: Interval
    ends: tuple[float, float]
    lowest: float


def barrier(scores: npt.NDArray[np.float64], *, higher_is_better: bool) -> float:
    """max over the line of (interpolated score of the ends - score), turned so that worse is positive, at least 0.

    scores: (points,) at equal distances, ends included. Frankle et al. 2020 take the mean of the ends, which for ends
    of equal score is the same; the line between them does not count a slope from one end to the other as a barrier.
    """
    straight = np.linspace(scores[0], scores[-1], len(scores))
    worse = (straight - scores) if higher_is_better else (scores - straight)
    return float(max(worse.max(), 0.0))


def barriers(arm: str, rounds: tuple[int, int], scores: npt.NDArray[np.float64], *, higher_is_better: bool) -> Barrier:
    """Over seeds; scores: (seeds, points)."""
    heights = [barrier(row, higher_is_better=higher_is_better) for row in scores]
    middle = scores.min(axis=1) if higher_is_better else scores.max(axis=1)
    return Barrier(
        arm, *rounds, bootstrap(heights), (float(scores[:, 0].mean()), float(scores[:, -1].mean())),
        float(middle.mean()),
    )  # fmt: skip
