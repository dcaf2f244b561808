"""Scores of several jobs, normalised by the dense network's gain, with stratified bootstrap intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lth_core.analysis import statistics
from lth_core.analysis.statistics import Floats, Interval, bootstrap, interquartile_mean


@dataclass(frozen=True)
class Stratum:
    """One job's share of a summary across jobs; entry i of both belongs to the same seed.

    values (n,): in the job's own unit, score minus reference, or the difference of two arms.
    dense (n,): the dense network's score minus the reference; its interquartile mean is the unit of the result.
    """

    values: Floats
    dense: Floats


def has_scale(gain: Sequence[float]) -> bool:
    """Whether the dense network's score minus the reference, one per seed, is certainly above zero.

    If not, the dense network has not learned, and scores cannot be normalised.
    """
    interval = bootstrap(gain)
    return bool((interval.value if interval.n == 1 else interval.low) > 0)


def stratified_iqm(strata: Sequence[Stratum]) -> Interval:
    """Interquartile mean of all jobs' normalised values, with a 95 % interval; `n` counts the seeds of all jobs.

    Seeds are resampled within each job, values and dense scores together, and the unit is computed anew in each
    resample, so that the interval includes the dense network's uncertainty. NaN bounds if a job has one seed.
    """

    def pooled(draws: Sequence[np.ndarray]) -> Floats:
        parts = []
        for stratum, drawn in zip(strata, draws, strict=True):
            unit = interquartile_mean(stratum.dense[drawn])[:, None]
            # If `has_scale`, at most 2.5 % of resamples have no unit; they are left out.
            parts.append(stratum.values[drawn] / np.where(unit > 0, unit, np.nan))
        return interquartile_mean(np.concatenate(parts, axis=-1))

    return _stratified([stratum.values.size for stratum in strata], pooled)


def stratified_share(gains: Sequence[Floats]) -> Interval:
    """Mean over jobs of the share of seeds with a gain above zero, ties counted half; needs no unit.

    gains: per job (n,), positive if the first arm did better. Interval and `n` as in `stratified_iqm`.
    """

    def shares(draws: Sequence[np.ndarray]) -> Floats:
        better = [(np.sign(gain[drawn]) + 1) / 2 for gain, drawn in zip(gains, draws, strict=True)]
        mean: Floats = np.mean([share.mean(axis=-1) for share in better], axis=0)
        return mean

    return _stratified([gain.size for gain in gains], shares)


def _stratified(sizes: Sequence[int], statistic: Callable[[Sequence[np.ndarray]], Floats]) -> Interval:
    """The interval of a statistic, which gets each job's drawn seeds (resamples, n), and gives a value per resample."""
    if not sizes or min(sizes) == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    estimate = float(statistic([np.arange(size)[None] for size in sizes])[0])
    if min(sizes) == 1:
        return Interval(estimate, np.nan, np.nan, sum(sizes))
    rng = statistics.generator()
    found = statistic([rng.integers(0, size, (statistics.RESAMPLES, size)) for size in sizes])
    low, high = np.nanquantile(found, (0.025, 0.975))
    return Interval(estimate, float(low), float(high), sum(sizes))
