"""Two independent samples of numbers that may be known by bounds alone: how far one lies from the other, and a test.

A number is a pair (low, high), equal where it is known, infinite where there is no bound. numpy only, like
`statistics`.
"""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np

from lth_core.analysis.statistics import Floats, generator

SPLITS = 20_000
"""Ways to split the numbers into two samples that are tried; drawn at random if there are more."""
_LEVEL = 0.05
_SAME = 1e-9
_COUNTED = 2_000
"""Up to so many pairs the distribution of the rank sum is counted; beyond, it is approximated as normal."""

Bound = Literal["", "at least", "at most", "between", "unknown"]


@dataclass(frozen=True)
class Apart:
    """How far the first sample lies above the second: the median of all differences between them (Hodges-Lehmann).

    value: that median, or its nearest bound to zero where bound says `at least` or `at most`; NaN where it is unknown.
    low, high: the 95 % interval that the Mann-Whitney test gives, widened by all that is not known; NaN if the samples
    are too small. p: see `split_p`.
    """

    value: float
    low: float
    high: float
    bound: Bound
    p: float


def apart(one: Floats, other: Floats) -> Apart:
    """one (n, 2), other (m, 2), both with at least one row."""
    least = np.sort((one[:, :1] - other[:, 1]).ravel())
    most = np.sort((one[:, 1:] - other[:, 0]).ravel())
    value, bound = between(float(np.median(least)), float(np.median(most)))
    k = _tail(len(one), len(other))
    low, high = (math.nan, math.nan) if k is None else (float(least[k]), float(most[-1 - k]))
    return Apart(value, low, high, bound, split_p(one, other))


def between(least: float, most: float) -> tuple[float, Bound]:
    """A number between these two bounds, and what of it is known."""
    if most - least <= _SAME:
        return (least + most) / 2, ""
    if least > 0 or math.isinf(most):
        return (least, "at least") if math.isfinite(least) else (math.nan, "unknown")
    if most < 0 or math.isinf(least):
        return most, "at most"
    return (least + most) / 2, "between"


def split_p(one: Floats, other: Floats) -> float:
    """Two-sided p against: a number of one sample is as often above as below one of the other.

    Each pair counts by the order of its numbers, nothing if their bounds leave it open (Gehan 1965); a number without
    any bound counts against. The mean is divided by its standard error, so that the samples may be spread and bounded
    differently (Brunner & Munzel 2000), and is compared with all ways to split the numbers (Neubert & Brunner 2007), or
    with SPLITS of them.
    """
    n, both = len(one), np.concatenate([one, other])
    order = _order(both)
    # What is not known at all lies where it speaks against the difference that the rest shows.
    against = -math.inf if order[:n, n:].sum() > 0 else math.inf
    unknown = np.isinf(both).all(axis=1)
    first = np.arange(len(both)) < n
    both[unknown & first], both[unknown & ~first] = against, -against
    order = _order(both)
    found = np.abs(_studentised(_splits(n, len(both)), order))
    return float(np.mean(found >= found[0] - _SAME))


def _order(both: Floats) -> Floats:
    """(N, N): 1 where a number is certainly above another, -1 where it is below, 0 where that is open."""
    above = (both[:, :1] > both[:, 1] + _SAME).astype(float)
    order: Floats = above - above.T
    return order


def _studentised(first: Floats, order: Floats) -> Floats:
    """(splits,): of each split the mean order of its samples over its standard error. first (splits, N): 1 or 0."""
    second = 1 - first
    n, m = first.sum(axis=1, keepdims=True), second.sum(axis=1, keepdims=True)
    mine, theirs = second @ order.T / m, first @ order.T / n  # of each number against all of the other sample
    mean = (first * mine).sum(axis=1, keepdims=True) / n
    spread = (first * (mine - mean) ** 2).sum(axis=1) / (n * np.maximum(n - 1, 1))[:, 0]
    spread += (second * (theirs + mean) ** 2).sum(axis=1) / (m * np.maximum(m - 1, 1))[:, 0]
    error = np.sqrt(spread)
    far = np.where(np.abs(mean[:, 0]) > _SAME, np.inf, 0.0)
    safe: Floats = np.where(error > _SAME, mean[:, 0] / np.where(error > _SAME, error, 1.0), far)
    return safe


@lru_cache(maxsize=16)
def _splits(n: int, total: int) -> Floats:
    """(splits, total): 1 for the numbers of the first sample; the first row is how they came."""
    if math.comb(total, n) <= SPLITS:
        chosen = np.array(list(itertools.combinations(range(total), n)))
    else:
        rng = generator()
        drawn = np.argsort(rng.random((SPLITS - 1, total)), axis=1)[:, :n]
        chosen = np.concatenate([np.arange(n)[None], drawn])
    found = np.zeros((len(chosen), total))
    np.put_along_axis(found, chosen, 1.0, axis=1)
    return found


@lru_cache(maxsize=256)
def _tail(n: int, m: int) -> int | None:
    """The largest k for which the rank sum of n against m is k or less in at most 2.5 %; None if there is none."""
    if n * m > _COUNTED:
        spread = math.sqrt(n * m * (n + m + 1) / 12)
        return math.floor(n * m / 2 + NormalDist().inv_cdf(_LEVEL / 2) * spread - 0.5)
    counts = [1] + [0] * (n * m)  # of the samples with so many pairs in one order: a Gaussian binomial coefficient
    for i in range(1, n + 1):
        for place in range(n * m, m + i - 1, -1):
            counts[place] -= counts[place - m - i]
        for place in range(i, n * m + 1):
            counts[place] += counts[place - i]
    below = list(itertools.accumulate(counts))
    found = sum(one / math.comb(n + m, n) <= _LEVEL / 2 for one in below)
    return found - 1 if found else None
