"""Statistics over seeds: interquartile mean, bootstrap intervals, exact paired sign-flip test, Holm. numpy only.

The interface computes these live, so scipy (1.2 s to import) is not used here; the tests compare with it.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lth_core.text import significant

Floats = npt.NDArray[np.float64]
RESAMPLES = 10_000
FLIPS = 65_536
"""Number of random sign flips if there are more possible ones."""
_SEED = 20200426


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval over `n` seeds; the bounds are NaN below two seeds."""

    value: float
    low: float
    high: float
    n: int

    def signed(self, digits: int = 4) -> str:
        """`+3.2 [+1.1, +5]`; without bounds below two seeds."""
        shown, low, high = (significant(one, digits, signed=True) for one in (self.value, self.low, self.high))
        return f"{shown} [{low}, {high}]" if self.n > 1 else shown


def generator() -> np.random.Generator:
    """The generator of all resampling, seeded so that the same values always give the same interval."""
    return np.random.default_rng(_SEED)


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

    The same values always give the same interval, so it is cached.
    """
    return _bootstrap(tuple(map(float, values)), statistic, RESAMPLES)


@lru_cache(maxsize=8192)
def _bootstrap(
    values: tuple[float, ...], statistic: Callable[[npt.ArrayLike], Floats], resamples: int
) -> Interval:  # fmt: skip
    data = np.asarray(values, np.float64)
    if data.size == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    estimate = float(statistic(data))
    if data.size == 1:
        return Interval(estimate, np.nan, np.nan, 1)
    draws = generator().integers(0, data.size, (resamples, data.size))
    low, high = np.quantile(statistic(data[draws]), (0.025, 0.975))
    return Interval(estimate, float(low), float(high), data.size)


def sign_flip_p(differences: Sequence[float], *, greater: bool = False) -> float:
    """p of a paired sign-flip test on the mean difference: exact up to 16 pairs, else FLIPS draws.

    Two-sided, or with `greater` against "not above zero". With n pairs no p can be below 2 / 2^n (1 / 2^n
    one-sided): at the 5 % level fewer than 6 seeds (5) never decide.
    """
    data = np.asarray(differences, np.float64)
    if data.size == 0:
        return 1.0
    sums, found = sign_flips(data.size) @ data, float(data.sum())
    equal = 1e-12 * float(np.abs(data).sum())  # sums in another order may differ by this much
    if greater:
        return float(np.mean(sums >= found - equal))
    return float(np.mean(np.abs(sums) >= abs(found) - equal))


def sign_flips(n: int) -> Floats:
    """(flips, n): all 2^n ways to flip signs, or FLIPS random ones; the first flips nothing."""
    return _sign_flips(n, FLIPS)


@lru_cache(maxsize=4)
def _sign_flips(n: int, flips: int) -> Floats:
    if n <= 16:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    draws = generator().choice((1.0, -1.0), (flips - 1, n))
    return np.vstack([np.ones(n), draws])


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p, with which at most 5 % of families have a false rejection at the 5 % level.

    Holm 1979: the i-th smallest of m (from 0) is multiplied by m - i, and none falls below the one before it.
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for i, place in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        highest = max(highest, min(1.0, (len(p_values) - i) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def holm_grouped(groups: Sequence[Sequence[float]]) -> list[list[float]]:
    """Like `holm`, for groups of p that are each corrected within themselves already (see `ranks.joint_flip_p`).

    The i-th smallest of all p is multiplied by the number of groups that still have one that is not smaller.
    """
    flat = sorted((p, place, k) for place, group in enumerate(groups) for k, p in enumerate(group))
    adjusted, highest = [[1.0] * len(group) for group in groups], 0.0
    for i, (p, place, k) in enumerate(flat):
        highest = max(highest, min(1.0, len({one[1] for one in flat[i:]}) * p))
        adjusted[place][k] = highest
    return adjusted
