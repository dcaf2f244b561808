"""Linear connectivity: how much worse the straight line between two solutions is than its ends.

Between the tickets of successive rounds, and between trainings that differ only in noise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.analysis.statistics import Interval, bootstrap


@dataclass(frozen=True)
class Barrier:
    """Between the trained tickets of two successive rounds of one arm.

    height: interquartile mean over seeds of each seed's barrier, in the metric's unit; 0 where the line never lies
    below the straight connection of its ends. ends, lowest: mean scores at both ends, and at each seed's worst point.
    """

    arm: str
    round: int
    following: int
    height: Interval
    ends: tuple[float, float]
    lowest: float
    metric: str = "return/eval-greedy"


@dataclass(frozen=True)
class Instability:
    """Of a round's network (0: dense) to noise from a rewind point on.

    height: interquartile mean over seeds of each seed's instability, in the metric's unit; share: the same as a part of
    the mean score at the ends. ends, worst: mean score at the ends, and at each seed's worst point between.
    """

    round: int
    point: int
    height: Interval
    share: Interval
    ends: float
    worst: float
    metric: str

    @property
    def stable(self) -> bool:
        """Whether the share is certainly less than 2 %, the limit of Frankle et al. 2020."""
        return self.share.n > 1 and self.share.high < STABLE


STABLE = 0.02


def instability(scores: npt.NDArray[np.float64], *, higher_is_better: bool) -> float:
    """sup over the line of the error, minus the mean error of its ends (Frankle et al. 2020, section 2); at least 0.

    scores: (points,), ends included.
    """
    mean = (scores[0] + scores[-1]) / 2
    return float(max((mean - scores.min()) if higher_is_better else (scores.max() - mean), 0.0))


def instabilities(
    rows: Sequence[Mapping[str, Any]], metric: str, *, higher_is_better: bool
) -> Iterator[Instability]:  # fmt: skip
    """Over seeds; rows of {round, point, seed, scores}, in the order in which they are to be shown."""
    for round, point in dict.fromkeys((row["round"], row["point"]) for row in rows):
        own = [np.asarray(row["scores"], np.float64) for row in rows if (row["round"], row["point"]) == (round, point)]
        heights = [instability(line, higher_is_better=higher_is_better) for line in own]
        ends = [float(line[0] + line[-1]) / 2 for line in own]
        shares = [height / abs(end) if end else np.nan for height, end in zip(heights, ends, strict=True)]
        worst = [float(line.min() if higher_is_better else line.max()) for line in own]
        yield Instability(
            round, point, bootstrap(heights), bootstrap([s for s in shares if np.isfinite(s)]), float(np.mean(ends)),
            float(np.mean(worst)), metric,
        )  # fmt: skip


def barrier(scores: npt.NDArray[np.float64], *, higher_is_better: bool) -> float:
    """max over the line of (interpolated score of the ends - score), turned so that worse is positive, at least 0.

    scores: (points,) at equal distances, ends included. Frankle et al. 2020 take the mean of the ends, which for ends
    of equal score is the same; the line between them does not count a slope from one end to the other as a barrier.
    """
    straight = np.linspace(scores[0], scores[-1], len(scores))
    worse = (straight - scores) if higher_is_better else (scores - straight)
    return float(max(worse.max(), 0.0))


def barriers(
    arm: str, rounds: tuple[int, int], scores: npt.NDArray[np.float64], *, higher_is_better: bool,
    metric: str = "return/eval-greedy",
) -> Barrier:  # fmt: skip
    """Over seeds; scores: (seeds, points)."""
    heights = [barrier(row, higher_is_better=higher_is_better) for row in scores]
    middle = scores.min(axis=1) if higher_is_better else scores.max(axis=1)
    return Barrier(
        arm, *rounds, bootstrap(heights), (float(scores[:, 0].mean()), float(scores[:, -1].mean())),
        float(middle.mean()), metric,
    )  # fmt: skip
