"""Rank statistics over seeds: exact intervals of a median and of a paired shift, and joint sign flips of two numbers.
One outlying seed changes them little. numpy only, like `statistics`."""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from lth_core.analysis.statistics import Floats, Interval, sign_flips

_LEVEL = 0.05
_EXACT = 60
"""Up to this many pairs the distribution of the signed-rank sum is counted; beyond, it is approximated as normal."""


def signed_ranks(differences: Sequence[float]) -> list[float]:
    """Ranks of the absolute values, ties shared, with the signs of the differences; zeros have a rank, but count zero.

    Pratt 1959. A sign flip of these is Wilcoxon's signed-rank test.
    """
    data = np.round(np.asarray(differences, np.float64), 12)  # values equal up to rounding are ties
    sizes = np.abs(data)
    ranks = [(np.sum(sizes < one) + np.sum(sizes <= one) + 1) / 2 for one in sizes]
    return [float(sign * rank) for sign, rank in zip(np.sign(data), ranks, strict=True)]


def shift(differences: Sequence[float]) -> Interval:
    """Hodges-Lehmann estimate of paired differences, and the 95 % interval that Wilcoxon's signed-rank test gives.

    The estimate is the median of the means of all pairs of values (Walsh averages), the bounds two of them. The
    interval covers in at least 95 % for differences that are symmetric about some value, also with ties. Its bounds
    are NaN below six values, where no such interval is finite.
    """
    data = np.asarray(differences, np.float64)
    if data.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    first, second = np.triu_indices(data.size)
    walsh = np.sort((data[first] + data[second]) / 2)
    below = _tail(data.size)
    if below is None:
        return Interval(float(np.median(walsh)), math.nan, math.nan, data.size)
    return Interval(float(np.median(walsh)), float(walsh[below]), float(walsh[-1 - below]), data.size)


@lru_cache(maxsize=256)
def _tail(n: int) -> int | None:
    """The largest k for which the signed-rank sum of n is k or less in at most 2.5 %; None if there is none."""
    total = n * (n + 1) // 2
    if n > _EXACT:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return math.floor(total / 2 + NormalDist().inv_cdf(_LEVEL / 2) * spread - 0.5)
    counts = np.zeros(total + 1)
    counts[0] = 1
    for rank in range(1, n + 1):
        counts[rank:] = counts[rank:] + counts[: total + 1 - rank]
    found = int(np.sum(np.cumsum(counts) / 2.0**n <= _LEVEL / 2))
    return found - 1 if found else None


def median(values: Sequence[float]) -> Interval:
    """Median with a 95 % interval between order statistics, interpolated (Hettmansperger & Sheather 1986).

    Only the order of the values counts, so that values known only to be beyond a bound may be given as that bound.
    Bounds are NaN below six values, where no two of them enclose the median in 95 %.
    """
    data = np.sort(np.asarray(values, np.float64))
    n = data.size
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    if n < 6:
        return Interval(float(np.median(data)), math.nan, math.nan, n)
    outside = 2 * np.cumsum([math.comb(n, k) / 2.0**n for k in range(n // 2)])  # of the k-th from each end, from 0
    place = int(np.sum(outside <= _LEVEL)) - 1
    inner = float(outside[place + 1]) if place + 1 < len(outside) else 1.0
    part = (_LEVEL - float(outside[place])) / (inner - float(outside[place]))
    d = place + 1
    weight = (n - d) * part / (d + (n - 2 * d) * part)
    low = (1 - weight) * data[place] + weight * data[place + 1]
    high = (1 - weight) * data[-1 - place] + weight * data[-2 - place]
    return Interval(float(np.median(data)), float(low), float(high), n)


def joint_flip_p(numbers: Sequence[Sequence[float]]) -> list[float]:
    """p of several numbers per seed, each two-sided, such that one of them is at most 5 % by chance in at most 5 %.

    numbers: one sequence per question, entry i of each for the same seed. All signs of a seed are flipped together, and
    each number's p is compared with the smallest p of any number under each flip (Westfall & Young 1993, single step).
    Numbers that agree cost nothing; a single one has its own sign-flip p.
    """
    return list(_joint(tuple(tuple(map(float, one)) for one in numbers)))


@lru_cache(maxsize=4096)
def _joint(numbers: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    if not numbers or not numbers[0]:
        return tuple(1.0 for _ in numbers)
    own = [_p_of_flips(np.asarray(one)) for one in numbers]
    smallest = np.min(own, axis=0)
    return tuple(float(np.mean(smallest <= p[0] * (1 + 1e-9))) for p in own)


def _p_of_flips(data: Floats) -> Floats:
    """(flips,): for each flip, the share of flips with a sum at least as far from zero; the first flips nothing."""
    sizes = np.abs(sign_flips(data.size) @ data)
    ordered = np.sort(sizes)
    below = np.searchsorted(ordered, sizes - 1e-12 * np.abs(data).sum())
    share: Floats = 1 - below / sizes.size
    return share
