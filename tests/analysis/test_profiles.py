"""Probability of improvement and performance profiles against scipy and their published definitions."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lth_core.analysis import statistics
from lth_core.analysis.profiles import performance_profile, probability_of_improvement


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 500)


runs = st.integers(2, 9).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(-5, 5), min_size=n, max_size=n) for _ in range(2)))
)


@given(st.lists(runs, min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_it_is_the_mean_over_jobs_of_mann_whitneys_statistic(jobs: list[tuple[list[int], list[int]]]) -> None:
    expected = [scipy.stats.mannwhitneyu(x, y, method="asymptotic").statistic / (len(x) * len(y)) for x, y in jobs]
    found = probability_of_improvement([(np.array(x, float), np.array(y, float)) for x, y in jobs])
    assert found.value == pytest.approx(np.mean(expected))
    assert 0 <= found.low <= found.high <= 1
    assert found.n == sum(len(x) for x, _ in jobs)


def test_a_failed_run_is_worse_than_any_and_two_failed_are_a_tie() -> None:
    lost = -np.inf
    assert probability_of_improvement([(np.array([1.0, lost]), np.array([0.0, 0.0]))]).value == 0.5
    assert probability_of_improvement([(np.array([lost, lost]), np.array([lost, lost]))]).value == 0.5


def test_its_interval_is_that_of_a_plain_loop_over_resamples() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, 1, 9), rng.normal(0, 1, 9)
    found = probability_of_improvement([(x, y)])
    again = np.random.default_rng(20200426).integers(0, 9, (500, 9))
    slow = [np.mean([[(a > b) + 0.5 * (a == b) for b in y[draw]] for a in x[draw]]) for draw in again]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, (0.025, 0.975))))


def test_without_runs_there_is_nothing_and_with_one_no_interval() -> None:
    assert probability_of_improvement([]).n == 0
    one = probability_of_improvement([(np.ones(1), np.zeros(1))])
    assert one.value == 1.0 and np.isnan(one.low)


def test_the_profile_is_the_share_of_runs_above_each_threshold() -> None:
    jobs = [np.array([0.2, 0.8, -np.inf]), np.array([0.5, 1.0, 1.0])]
    taus = np.array([0.0, 0.5, 0.9])
    found = performance_profile(jobs, taus)
    assert found.share.tolist() == pytest.approx([5 / 6, 3 / 6, 2 / 6])  # the failed run stays in the denominator
    assert found.n == 6
    assert (found.low <= found.share).all() and (found.share <= found.high).all()
    assert (np.diff(found.share) <= 0).all()


def test_a_profile_of_no_run_is_not_a_number() -> None:
    assert np.isnan(performance_profile([], np.array([0.0])).share).all()
