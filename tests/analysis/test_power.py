"""How many seeds are needed, against simulation."""

import numpy as np
import pytest

from lth_core.analysis.power import MOST_SEEDS, fewest_seeds, more_seeds, more_seeds_within, seeds_needed
from lth_core.analysis.statistics import sign_flip_p


@pytest.mark.parametrize(("tests", "fewest"), [(1, 6), (2, 7), (3, 7), (4, 8), (10, 9)])
def test_the_fewest_seeds_are_those_whose_smallest_p_passes_holms_first_step(tests: int, fewest: int) -> None:
    assert fewest_seeds(tests) == fewest
    assert sign_flip_p([1.0] * fewest) <= 0.05 / tests < sign_flip_p([1.0] * (fewest - 1))


def test_one_sided_claims_can_be_made_with_five() -> None:
    assert fewest_seeds(greater=True) == 5


@pytest.mark.parametrize("d", [0.8, 1.2])
def test_with_the_seeds_that_are_said_to_be_needed_four_of_five_are_decided(d: float) -> None:
    rng = np.random.default_rng(int(10 * d))
    shape = rng.normal(0, 1, 12)
    shape = (shape - shape.mean()) / shape.std(ddof=1) + d  # effects of exactly this standardised size
    needed = seeds_needed(shape.tolist())
    assert needed is not None
    decided = np.mean([sign_flip_p(rng.normal(d, 1, needed).tolist()) <= 0.05 for _ in range(400)])
    assert 0.72 <= decided <= 0.9


def test_more_comparisons_and_smaller_effects_need_more() -> None:
    effects = np.random.default_rng(0).normal(1, 1, 8)
    one, three = seeds_needed(effects.tolist()), seeds_needed(effects.tolist(), 3)
    assert one is not None and three is not None and one < three
    smaller = seeds_needed((effects - 0.8).tolist())
    assert smaller is not None and smaller > one


def test_where_no_number_helps_none_is_said() -> None:
    nothing = [1.0, -1.0, 1.001, -1.001, 0.00001]
    assert seeds_needed(nothing) is None
    assert str(MOST_SEEDS) in more_seeds(nothing)
    assert seeds_needed([1.0]) is None and more_seeds([1.0]) == ""
    assert seeds_needed([-1.0, -2.0, -1.5], greater=True) is None


def test_the_sentence_counts_what_is_missing() -> None:
    effects = np.random.default_rng(3).normal(0.7, 1, 6).tolist()
    needed = seeds_needed(effects)
    assert needed is not None
    assert more_seeds(effects) == f"a new job with about {max(needed, 7)} seeds would decide it"


def test_a_question_may_also_be_decided_by_showing_that_there_is_no_difference_that_matters() -> None:
    nothing = [1.0, -1.0, 0.6, -0.6, 0.3, -0.3]
    assert "no number" in more_seeds_within(nothing, None)
    both = seeds_needed([0.6 + e for e in nothing], greater=True)
    assert both is not None and both > 6
    assert more_seeds_within(nothing, 0.6) == f"a new job with about {both} seeds would decide it"
