"""Intervals and tests on simulated jobs whose truth is known; see `python -m benchmarks.coverage` for the table."""

import numpy as np
import pytest
import scipy.stats

from benchmarks import coverage
from lth_core.analysis import statistics


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 300)
    monkeypatch.setattr(statistics, "FLIPS", 4096)
    monkeypatch.setattr(coverage, "SEEDS", (8, 20))


def at_most(share: float | None, level: float, runs: int) -> bool:
    """Whether a share is no more than chance allows, once in a thousand, where the truth is `level`."""
    return share is not None and round(share * runs) <= scipy.stats.binom.ppf(0.999, runs, level)


def test_intervals_of_the_mean_cover_the_truth() -> None:
    for row in coverage.coverage_of_the_mean(150):
        assert row.shares[0] is not None and row.shares[0] > 0.78, row  # too narrow with few seeds, as docs say
        assert row.shares[1] is not None and row.shares[1] > 0.84, row


def test_intervals_over_jobs_and_of_the_chance_of_improvement_cover_the_truth() -> None:
    for row in (coverage.coverage_across_jobs(120), coverage.coverage_of_improvement(120)):
        for found in row.shares:
            assert found is not None and 0.86 < found <= 1, row


@pytest.mark.parametrize("rounds", [8, 20])
def test_no_round_is_called_different_more_often_than_in_one_job_of_twenty(rounds: int) -> None:
    row = coverage.false_rounds(60, rounds)
    assert all(at_most(found, 0.05, row.runs) for found in row.shares), row


def test_false_answers_are_rare() -> None:
    for row in coverage.false_answers(80):
        assert all(at_most(found, 0.05, row.runs) for found in row.shares), row


def test_one_is_hardly_ever_told_that_one_can_prune_further_than_is_true() -> None:
    row = coverage.overshoot(50)
    assert all(at_most(found, 0.05, row.runs) for found in row.shares), row


def test_the_simulation_sees_a_correction_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "holm", list)
    assert not at_most(coverage.false_rounds(60).shares[0], 0.05, 60)


def test_the_simulation_sees_an_interval_that_is_too_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = statistics.np.quantile
    monkeypatch.setattr(np, "quantile", lambda values, _at, **more: honest(values, (0.25, 0.75), **more))
    statistics._bootstrap.cache_clear()  # honest ones of the same values
    found = coverage.coverage_of_the_mean(60)
    statistics._bootstrap.cache_clear()
    assert all(share is not None and share < 0.75 for row in found for share in row.shares)
