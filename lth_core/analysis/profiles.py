"""Distributions of scores over runs: probability of improvement and performance profiles (Agarwal et al. 2021).

A failed run has the score -inf here, worse than every run that ended, so that failures count and are never dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lth_core.analysis import statistics
from lth_core.analysis.statistics import Floats, Interval

_AT_ONCE = 500


@dataclass(frozen=True)
class Profile:
    """Share of runs above each threshold tau, with 95 % bounds at each tau by itself; arrays (thresholds,)."""

    taus: Floats
    share: Floats
    low: Floats
    high: Floats
    n: int


def probability_of_improvement(jobs: Sequence[tuple[Floats, Floats]]) -> Interval:
    """P(X > Y): probability that a run of the first arm scores above a run of the second, mean over jobs.

    Per job the Mann-Whitney statistic over all pairs of runs, ties half, divided by their number; more must be
    better. jobs: (x, y) of shapes (n,), entry i of both the same seed. Seeds are resampled within each job, those of
    both arms together, because they share environments and data order; `n` counts all seeds.
    """
    if not jobs or min(x.size for x, _ in jobs) == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    sizes = [x.size for x, _ in jobs]
    tables = [(np.sign(_difference(x[:, None], y[None, :])) + 1) / 2 for x, y in jobs]
    estimate = float(np.mean([table.mean() for table in tables]))
    if min(sizes) == 1:
        return Interval(estimate, np.nan, np.nan, sum(sizes))
    rng = statistics.generator()
    found = np.zeros(statistics.RESAMPLES)
    for table, size in zip(tables, sizes, strict=True):
        for start in range(0, len(found), _AT_ONCE):
            drawn = rng.integers(0, size, (min(_AT_ONCE, len(found) - start), size))
            places = (drawn + size * np.arange(len(drawn))[:, None]).ravel()
            weights = np.bincount(places, minlength=drawn.size).reshape(drawn.shape) / size  # how often each is drawn
            found[start : start + len(drawn)] += ((weights @ table) * weights).sum(axis=1) / len(tables)
    low, high = np.quantile(found, (0.025, 0.975))
    return Interval(estimate, float(low), float(high), sum(sizes))


def performance_profile(jobs: Sequence[Floats], taus: Floats) -> Profile:
    """Share of runs that score above tau, pooled over jobs as run-scores, seeds resampled within each job.

    jobs: per job normalised scores (n,), -inf for runs that failed. Bounds are NaN where a job has one run.
    """

    def shares(runs: Floats) -> Floats:
        above: Floats = (runs[..., None] > taus).mean(axis=-2)
        return above

    runs = np.concatenate([np.asarray(job, np.float64) for job in jobs]) if jobs else np.zeros(0)
    if runs.size == 0:
        empty = np.full(taus.shape, np.nan)
        return Profile(taus, empty, empty, empty, 0)
    share = shares(runs)
    if min(job.size for job in jobs) == 1:
        return Profile(taus, share, np.full(taus.shape, np.nan), np.full(taus.shape, np.nan), runs.size)
    rng = statistics.generator()
    parts = []
    for _ in range(0, statistics.RESAMPLES, _AT_ONCE):
        drawn = [job[rng.integers(0, job.size, (_AT_ONCE, job.size))] for job in jobs]
        parts.append(shares(np.concatenate(drawn, axis=-1)))
    low, high = np.quantile(np.concatenate(parts), (0.025, 0.975), axis=0)
    return Profile(taus, share, low, high, runs.size)


def _difference(x: Floats, y: Floats) -> Floats:
    """x - y, and 0 where both failed (-inf)."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(x - y, nan=0.0, posinf=np.inf, neginf=-np.inf)
