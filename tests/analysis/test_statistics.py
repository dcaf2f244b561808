"""Interquartile mean, bootstrap and sign-flip test against scipy."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_core.analysis import statistics
from lth_core.analysis.statistics import bootstrap, holm, interquartile_mean, sign_flip_p, sign_flips

floats = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(floats, min_size=1, max_size=40))
def test_the_interquartile_mean_is_scipys_trimmed_mean(values: list[float]) -> None:
    expected = scipy.stats.trim_mean(values, 0.25)
    assert float(interquartile_mean(values)) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_the_interquartile_mean_works_along_the_last_axis_and_ignores_outliers() -> None:
    rows = np.array([[1.0, 2.0, 3.0, 1e9], [5.0, -1e9, 6.0, 7.0]])
    assert interquartile_mean(rows).tolist() == [2.5, 5.5]


@pytest.mark.parametrize("n", [5, 8, 20])
def test_bootstrap_bounds_are_near_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(100, 15, n)
    mine = bootstrap(list(values))
    theirs = scipy.stats.bootstrap(
        (values,), lambda x, axis: scipy.stats.trim_mean(x, 0.25, axis=axis), method="percentile",
        n_resamples=10_000, rng=np.random.default_rng(0), vectorized=True,
    ).confidence_interval  # fmt: skip
    assert mine.low == pytest.approx(theirs.low, rel=0.02)
    assert mine.high == pytest.approx(theirs.high, rel=0.02)
    assert mine.low < mine.value < mine.high
    assert mine.n == n


@given(st.lists(floats, min_size=2, max_size=12))
def test_the_same_values_always_give_the_same_interval_that_lies_among_them(values: list[float]) -> None:
    first = bootstrap(values)
    np.random.seed(1)
    assert bootstrap(values) == first
    rounding = 1e-9 * max(1.0, *map(abs, values))
    assert min(values) - rounding <= first.low <= first.high <= max(values) + rounding


def test_without_seeds_or_with_one_there_is_no_interval() -> None:
    none, one = bootstrap([]), bootstrap([3.0])
    assert repr((none.value, none.low, none.n)) == "(nan, nan, 0)"
    assert repr((one.value, one.low, one.high, one.n)) == "(3.0, nan, nan, 1)"


def _scipys(values: list[float]) -> float:
    return float(
        scipy.stats.permutation_test(
            (values,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=np.inf,
            alternative="two-sided", vectorized=True,
        ).pvalue
    )  # fmt: skip


@given(st.lists(st.floats(-100, 100).filter(lambda x: abs(x) > 1e-3), min_size=2, max_size=9))
def test_the_exact_sign_flip_p_is_scipys(values: list[float]) -> None:
    assert sign_flip_p(values) == pytest.approx(_scipys(values), abs=1e-9)


def test_beyond_sixteen_pairs_p_is_near_the_exact_one() -> None:
    values = list(np.random.default_rng(3).normal(0.45, 1, 18))
    signs = np.array(np.meshgrid(*[[1.0, -1.0]] * 18, copy=False)).reshape(18, -1)
    exact = np.mean(np.abs(np.array(values) @ signs) >= abs(sum(values)) * (1 - 1e-12))
    assert 0.001 < exact < 0.5
    assert sign_flip_p(values) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("n", range(1, 9))
def test_the_smallest_p_is_two_in_two_to_the_n(n: int) -> None:
    assert sign_flip_p([1.0] * n) == pytest.approx(2 / 2**n)


def test_p_of_nothing_and_of_no_difference_is_one() -> None:
    assert sign_flip_p([]) == 1.0
    assert sign_flip_p([0.0] * 8) == 1.0


@given(st.lists(floats, min_size=1, max_size=10), st.floats(0.001, 1000))
def test_p_depends_neither_on_scale_nor_on_direction(values: list[float], scale: float) -> None:
    assert sign_flip_p([-v for v in values]) == pytest.approx(sign_flip_p(values))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_steps_reject(p_values: list[float]) -> None:
    """Holm's procedure as it was published: compare the i-th smallest with level / (m - i), stop at the first above."""
    adjusted, m = holm(p_values), len(p_values)
    for level in (0.01, 0.05, 0.2):
        ordered, rejected = sorted(range(m), key=lambda k: p_values[k]), set()
        for i, place in enumerate(ordered):
            if p_values[place] > level / (m - i):
                break
            rejected.add(place)
        near = any(abs(p * (m - i) - level) < 1e-12 for p in p_values for i in range(m))
        assert near or {k for k in range(m) if adjusted[k] <= level} == rejected
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))


def test_holm_on_a_case_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(-100, 100).filter(lambda x: abs(x) > 1e-3), min_size=2, max_size=9))
def test_the_one_sided_p_is_scipys(values: list[float]) -> None:
    expected = scipy.stats.permutation_test(
        (values,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=np.inf,
        alternative="greater", vectorized=True,
    ).pvalue  # fmt: skip
    assert sign_flip_p(values, greater=True) == pytest.approx(float(expected), abs=1e-9)


def test_a_cached_interval_is_of_as_many_resamples_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a test that takes few leaves its intervals to the next, whose numbers then depend on the order of tests."""
    values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    many, flips = bootstrap(values), sign_flips(17)
    with monkeypatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 20)
        patch.setattr(statistics, "FLIPS", 100)
        few = bootstrap(values)
        assert few != many and len(sign_flips(17)) == 100
    assert bootstrap(values) == many and len(sign_flips(17)) == len(flips)
