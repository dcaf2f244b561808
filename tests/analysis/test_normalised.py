"""Normalised scores across jobs: against a slow reference, scipy, known invariances, and their coverage."""

import random
import statistics as slow_statistics

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lth_core.analysis import statistics
from lth_core.analysis.normalised import Stratum, has_scale, stratified_iqm, stratified_share
from lth_core.analysis.statistics import bootstrap

positive = st.floats(1.0, 1e3)
values = st.floats(-1e3, 1e3)
strata = st.lists(st.lists(st.tuples(values, positive), min_size=2, max_size=9), min_size=1, max_size=4)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 200)


def made(pairs: list[list[tuple[float, float]]]) -> list[Stratum]:
    return [Stratum(np.array([v for v, _ in job]), np.array([d for _, d in job])) for job in pairs]


def slow_iqm(numbers: list[float]) -> float:
    ordered = sorted(numbers)
    cut = len(ordered) // 4
    return slow_statistics.fmean(ordered[cut : len(ordered) - cut])


def slow_normalised(jobs: list[list[tuple[float, float]]]) -> float:
    """Seed by seed, in plain Python."""
    pooled = []
    for job in jobs:
        unit = slow_iqm([dense for _, dense in job])
        pooled += [value / unit for value, _ in job]
    return slow_iqm(pooled)


@given(strata)
@settings(max_examples=60, deadline=None)
def test_estimate_and_bounds_are_those_of_a_slow_loop(jobs: list[list[tuple[float, float]]]) -> None:
    found = stratified_iqm(made(jobs))
    assert found.n == sum(map(len, jobs))
    assert found.value == pytest.approx(slow_normalised(jobs), rel=1e-9, abs=1e-9)
    rng = np.random.default_rng(20200426)
    draws = [rng.integers(0, len(job), (statistics.RESAMPLES, len(job))) for job in jobs]
    resampled = [
        slow_normalised([[job[i] for i in drawn[turn]] for job, drawn in zip(jobs, draws, strict=True)])
        for turn in range(statistics.RESAMPLES)
    ]
    low, high = np.quantile(resampled, (0.025, 0.975))
    assert (found.low, found.high) == (
        pytest.approx(low, rel=1e-9, abs=1e-9), pytest.approx(high, rel=1e-9, abs=1e-9)
    )  # fmt: skip


@given(strata, st.floats(0.01, 100), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_jobs_unit_and_the_order_of_seeds_do_not_matter(
    jobs: list[list[tuple[float, float]]], unit: float, salt: int
) -> None:
    before = stratified_iqm(made(jobs))
    scaled = stratified_iqm(made([[(v * unit, d * unit) for v, d in jobs[0]], *jobs[1:]]))
    for a, b in zip((before.value, before.low, before.high), (scaled.value, scaled.low, scaled.high), strict=True):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-6)
    shuffled = [random.Random(salt).sample(job, len(job)) for job in jobs]
    assert stratified_iqm(made(shuffled)).value == pytest.approx(before.value, rel=1e-9, abs=1e-9)


def test_with_a_fixed_unit_one_job_is_the_bootstrap_of_one_job_and_pools_are_scipys_trimmed_mean() -> None:
    data = np.random.default_rng(1).normal(50, 10, 12)
    one, plain = stratified_iqm([Stratum(data, np.full(12, 2.0))]), bootstrap((data / 2).tolist())
    assert (one.value, one.low, one.high) == pytest.approx((plain.value, plain.low, plain.high))
    other = np.random.default_rng(2).normal(500, 100, 12)
    both = stratified_iqm([Stratum(data, np.ones(12)), Stratum(other, np.full(12, 10.0))])
    assert both.value == pytest.approx(scipy.stats.trim_mean([*data, *(other / 10)], 0.25))


def test_bounds_are_near_scipys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 10_000)
    rng = np.random.default_rng(3)
    own, dense = rng.normal(80, 15, 20), rng.normal(100, 15, 20)

    def ratio(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        trimmed: np.ndarray = scipy.stats.trim_mean(a, 0.25, axis=axis) / scipy.stats.trim_mean(b, 0.25, axis=axis)
        return trimmed

    theirs = scipy.stats.bootstrap(
        (own, dense), ratio, paired=True, method="percentile", n_resamples=10_000, vectorized=True, rng=0
    ).confidence_interval
    mine = stratified_iqm([Stratum(own, dense)])
    assert (mine.low, mine.high) == (pytest.approx(theirs.low, abs=0.01), pytest.approx(theirs.high, abs=0.01))


def test_coverage_on_simulated_jobs() -> None:
    """Two jobs of 10 seeds, scales a factor of 50 apart, dense noisy too; the truth is 0.7 in both."""
    rng, hits, runs = np.random.default_rng(7), 0, 300
    for _ in range(runs):
        level = rng.normal(0, 0.1, (2, 10))
        jobs = [
            Stratum(scale * (0.7 + level[i] + rng.normal(0, 0.1, 10)), scale * (1 + level[i] + rng.normal(0, 0.1, 10)))
            for i, scale in enumerate((10.0, 500.0))
        ]
        found = stratified_iqm(jobs)
        hits += found.low <= 0.7 <= found.high
    assert 0.88 <= hits / runs <= 0.985


def test_the_share_is_the_mean_of_each_jobs_share_with_ties_half() -> None:
    found = stratified_share([np.array([1.0, 1.0, -1.0, 0.0]), np.array([5.0, 3.0])])
    assert found.value == pytest.approx((2.5 / 4 + 1) / 2)
    assert found.low <= found.value <= found.high <= 1


def test_one_seed_has_no_bounds_and_no_job_no_value() -> None:
    one = stratified_iqm([Stratum(np.array([1.0]), np.array([2.0])), Stratum(np.ones(3), np.ones(3))])
    assert np.isnan(one.low) and np.isnan(one.high) and one.n == 4
    assert np.isnan(stratified_iqm([]).value) and stratified_share([]).n == 0


def test_a_dense_network_that_did_not_learn_is_no_scale() -> None:
    assert has_scale([10.0, 12.0, 11.0])
    assert not has_scale([-1.0, 1.0, 0.5])
    assert not has_scale([])
    assert has_scale([3.0]) and not has_scale([-3.0])
