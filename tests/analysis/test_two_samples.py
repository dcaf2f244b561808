"""Two independent samples, known or bounded: estimate, interval and test, against scipy's; what bounds leave open."""

import math

import numpy as np
import pytest
import scipy.stats

from lth_core.analysis.statistics import Floats
from lth_core.analysis.two_samples import _tail, apart, between, split_p

UNKNOWN = (-math.inf, math.inf)


def known(values: Floats) -> Floats:
    return np.stack([values, values], axis=1)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (4, 4), (6, 6), (8, 6), (8, 30)])
def test_the_interval_excludes_zero_where_the_mann_whitney_test_rejects(n: int, m: int) -> None:
    assert (_tail(n, m) is None) == (n == m == 3)
    decided = set()
    for run in range(0 if n == m == 3 else 20):
        rng = np.random.default_rng([n, m, run])
        one, other = rng.normal(run / 10, 1, n), rng.normal(0, 1, m)
        k = _tail(n, m) or 0
        apart_by = np.sort((one[:, None] - other).ravel())
        p = float(scipy.stats.mannwhitneyu(one, other, method="exact").pvalue)
        assert (apart_by[k] > 0 or apart_by[-1 - k] < 0) == (p <= 0.05)
        decided.add(p <= 0.05)
    assert n == 3 or decided == {True, False}


def test_a_difference_is_decided_and_none_is_not() -> None:
    rng = np.random.default_rng(0)
    one, other = known(rng.normal(2, 0.5, 6)), known(rng.normal(0, 0.5, 6))
    found = apart(one, other)
    assert found.bound == "" and found.low > 1 and found.high < 3
    assert found.p == pytest.approx(2 / math.comb(12, 6))
    assert apart(other, one).p == found.p and apart(other, one).value == -found.value
    assert split_p(one, one) == 1


def test_p_is_near_that_of_brunner_and_munzel() -> None:
    for run in range(5):
        rng = np.random.default_rng(run)
        one, other = rng.normal(0.3, 1, 8), rng.normal(0, 2, 8)
        theirs = float(scipy.stats.brunnermunzel(one, other).pvalue)
        assert split_p(known(one), known(other)) == pytest.approx(theirs, abs=0.06)


def test_bounds_leave_open_what_they_do_not_say() -> None:
    high, low = np.array([[2.0, math.inf]] * 6), np.linspace(0.0, 1.0, 6)
    found = apart(high, known(low))
    assert (found.bound, found.high) == ("at least", math.inf)
    assert found.value == pytest.approx(1.5) and found.low > 0.9 and found.p == pytest.approx(2 / math.comb(12, 6))
    # Known to be above 2, against values above that: it may be either way.
    found = apart(high, known(low + 3))
    assert (found.bound, found.p, found.high) == ("at least", 1.0, math.inf)
    assert apart(np.array([UNKNOWN] * 6), known(low)).bound == "unknown"
    # Seeds that are lost count as open: two of eight take the certainty of p, one of the interval's bounds stays.
    clear = known(np.concatenate([low + 2]))
    worse = np.concatenate([clear, [UNKNOWN] * 2])
    assert split_p(clear, known(low)) < split_p(worse, known(low))
    assert [between(*one) for one in ((1, 1), (1, 2), (-2, -1), (-1, 1))] == [
        (1, ""), (1, "at least"), (-1, "at most"), (0, "between")
    ]  # fmt: skip
