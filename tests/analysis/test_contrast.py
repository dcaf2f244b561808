"""A weighted sum of arms, seed by seed: what it is called, and of which rounds and seeds it is."""

from dataclasses import replace

import numpy as np
import pytest

from lth_core.analysis import statistics
from lth_core.analysis.contrast import Sums, _apart, contrast, sums
from lth_core.analysis.scores import JobScores
from lth_core.experiment.experiment import Experiment
from tests.analysis.test_verdict import Trial
from tests.small import experiment

SCATTER = np.array([-1.0, 1.0, -0.5, 0.5, 0.3, -0.3, 0.8, -0.8])


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 500)


def settings(rounds: int = 3) -> Experiment:
    return experiment(seeds=list(range(8)), arms=["winning", "random"], pruning={"rounds": rounds})


def scores(levels: dict[str, float], *without: tuple[str, int, int], made: Experiment | None = None) -> JobScores:
    """A dense network 100 above a random policy, and arms at these levels in every round; `without` are lost."""
    made = made or settings()
    found = [Trial("dense", 0, seed, score=122.3 + SCATTER[seed]) for seed in made.seeds]
    for arm, level in levels.items():
        for round in range(1, made.pruning.rounds + 1):
            for seed in made.seeds:
                lost = (arm, round, seed) in without
                score = None if lost else level + round + SCATTER[-1 - seed if arm == "random" else seed]
                found.append(Trial(arm, round, seed, "failed" if lost else "done", score, 0.8**round))
    return JobScores(made, found)


WEIGHTS = {"winning": 1.0, "random": -1.0}


@pytest.mark.parametrize(
    ("random", "word"), [(80.0, "above"), (120.0, "below"), (100.0, "near zero"), (95.5, "above"), (100.2, "near zero")]
)
def test_the_word_says_on_which_side_of_zero_it_is_or_that_it_is_near(random: float, word: str) -> None:
    found = contrast(sums(scores({"winning": 100.0, "random": random}), WEIGHTS))
    assert found.word(found.p) == word
    assert found.rounds == 3
    assert found.value.value == pytest.approx(100.0 - random, abs=1.0)


def test_a_few_seeds_that_lose_everything_do_not_make_the_others_gain_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics, "FLIPS", 2_000)
    gains = dict(enumerate([1.0] * 52 + [-100.0] * 8))
    found = contrast(Sums(gains, [gains], 0.4, frozenset(), True, margin=None))
    assert found.value.low > 0 and found.p <= 0.05 and sum(gains.values()) < 0  # p says that the mean is below zero
    assert found.word(found.p) == "open"


@pytest.mark.parametrize(
    ("random", "no_loss", "near_zero"),
    [(80.0, True, False), (95.8, True, True), (104.2, True, True), (108.0, False, False), (120.0, False, False)],
)
def test_within_the_margin_is_near_zero_also_where_a_difference_is_seen(
    random: float, no_loss: bool, near_zero: bool
) -> None:
    found = contrast(sums(scores({"winning": 100.0, "random": random}), WEIGHTS))
    assert found.margin == pytest.approx(5.0, abs=0.1)
    assert found.word(found.p) == ("above" if random < 100 else "below")
    assert (found.no_loss, found.near_zero) == (no_loss, near_zero)


def test_p_as_corrected_over_a_family_decides() -> None:
    found = contrast(sums(scores({"winning": 100.0, "random": 80.0}), WEIGHTS))
    assert found.word(0.06) == "open"


def test_a_lost_seed_is_left_out_and_counts_against() -> None:
    whole = contrast(sums(scores({"winning": 100.0, "random": 80.0}), WEIGHTS))
    found = contrast(sums(scores({"winning": 100.0, "random": 80.0}, ("winning", 2, 5)), WEIGHTS))
    assert (found.lost, found.value.n) == (1, 7)
    assert found.p > whole.p


def test_at_a_density_it_is_of_the_nearest_round_and_the_dense_network_counts_there() -> None:
    own = scores({"winning": 100.0, "random": 80.0})
    found = sums(own, {"winning": 1.0, "dense": -0.99}, 0.6)
    assert found.density is not None and own.density("winning", 2) == found.density
    assert found.by_seed[3] == pytest.approx(102.0 + SCATTER[3] - 0.99 * (122.3 + SCATTER[3]))


def test_another_jobs_sum_is_subtracted_seed_by_seed() -> None:
    own, other = (sums(scores({"winning": 100.0, "random": level}), WEIGHTS) for level in (80.0, 90.0))
    found = contrast(own, other)
    assert found.value.value == pytest.approx(10.0)
    assert found.value.low == pytest.approx(10.0)


def test_a_mean_over_rounds_that_hides_opposite_ones_names_them() -> None:
    def crossing(*by_round: float) -> tuple[float, float] | None:
        own = scores({"winning": 100.0, "random": 100.0})
        found = [
            replace(t, score=t.score + by_round[t.round - 1]) if t.arm == "winning" and t.score is not None else t
            for t in own.trials
            if isinstance(t, Trial)
        ]
        return contrast(sums(JobScores(own.experiment, found), WEIGHTS)).apart

    assert crossing(-10.0, 0.0, 10.0) == pytest.approx((-10.0, 10.0), abs=0.5)
    assert crossing(1.5, 0.0, 10.0) is None
    assert crossing(-0.1, 0.0, 10.0) is None  # the one below is not shown


def test_a_round_counts_as_opposite_by_its_interval_and_by_p() -> None:
    above, below = dict.fromkeys(range(12), 2.0), dict.fromkeys(range(12), -1.0)
    assert _apart([above, below]) == (-1.0, 2.0)
    assert _apart([above, below | {0: 11.0}]) is None  # its interval is below zero, its mean is zero


def test_an_unfinished_arm_is_open() -> None:
    made = settings()
    own = scores({"winning": 100.0, "random": 80.0}, made=made)
    waiting = JobScores(made, [*own.trials, Trial("winning", 3, 0, "waiting", None)])
    found = contrast(sums(waiting, WEIGHTS))
    assert found.word(found.p) == "open"
