"""Statistics over seeds: interquartile mean, bootstrap intervals, exact paired sign-flip test. numpy only.

The interface draws these live, so scipy (1.2 s to import) is not used here; the tests compare with it.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval over `n` seeds; the bounds are NaN below two seeds."""

    value: float
    low: float
    high: float
    n: int


def interquartile_mean(values: npt.ArrayLike) -> Floats:
    """Mean of the middle half along the last axis: a quarter (rounded down) is cut at each end.

    Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice".
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=-1)
    cut = ordered.shape[-1] // 4
    trimmed: Floats = ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)
    return trimmed


def bootstrap(values: Sequence[float], statistic: Callable[[npt.ArrayLike], Floats] = interquartile_mean) -> Interval:
    """`statistic` of the values with a 95 % percentile bootstrap interval, seeds resampled.

    The resampling is seeded by a constant: the same values always give the same interval.
    """
    data = np.asarray(values, np.float64)
    if data.size == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    estimate = float(statistic(data))
    if data.size == 1:
        return Interval(estimate, np.nan, np.nan, 1)
    draws = np.random.default_rng(20200426).integers(0, data.size, (RESAMPLES, data.size))
    low, high = np.quantile(statistic(data[draws]), (0.025, 0.975))
    return Interval(estimate, float(low), float(high), data.size)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of a paired sign-flip test on the mean difference: exact up to 16 pairs, else 65,536 draws.

    With n pairs no p can be below 2 / 2^n: at the 5 % level fewer than 6 seeds never decide.
    """
    data = np.asarray(differences, np.float64)
    if data.size == 0:
        return 1.0
    if data.size <= 16:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=data.size)))
    else:
        draws = np.random.default_rng(20200426).choice((1.0, -1.0), (65_535, data.size))
        signs = np.vstack([np.ones(data.size), draws])
    sums = np.abs(signs @ data)
    return float(np.mean(sums >= abs(data.sum()) * (1 - 1e-12)))
