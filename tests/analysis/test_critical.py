"""Critical densities: isotonic fits, crossings, what is censored, and which arm survives more pruning."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_core.analysis.critical import HALF, Critical, chains, critical, crossing, isotonic, said, why_not
from lth_core.analysis.questions import findings
from lth_core.analysis.ranks import joint_flip_p, median, shift, signed_ranks
from lth_core.analysis.scores import JobScores
from lth_core.analysis.statistics import Interval, holm, holm_grouped, sign_flip_p
from lth_core.analysis.verdict import summarise
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.suite import load
from tests.analysis.test_verdict import Trial, job

numbers = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12)


@given(numbers)
def test_the_fit_is_scipys(scores: list[float]) -> None:
    assert isotonic(scores) == pytest.approx(scipy.optimize.isotonic_regression(scores, increasing=False).x)


def test_crossings_are_read_between_rounds_on_a_logarithmic_axis() -> None:
    densities = [1.0, 0.4, 0.1]
    assert crossing(densities, [100, 100, 0], 50) == (pytest.approx(0.2), "crosses")
    assert crossing(densities, [100, 90, 60], 50) == (0.1, "stays above")
    assert crossing(densities, [40, 30, 20], 50) == (1.0, "starts below")
    # One bad round among good ones is pooled with them: 20 and 100 are 60, above half.
    assert crossing([1.0, 0.8, 0.6, 0.4], [100, 20, 100, 0], 50)[0] == pytest.approx(0.6 * (0.4 / 0.6) ** (1 / 6))


def test_small_densities_keep_two_digits() -> None:
    assert [said(one, 0.0009) for one in (0.034, 0.0146, 0.00147, 0.0009, 1.0)] == [
        "3.4%", "1.5%", "0.15%", "below 0.09%", "more than 100%"
    ]  # fmt: skip


def curve(settings: Experiment, half: Callable[[str, int], float], top: float = 100.0) -> list[Trial]:
    """Scores that are all there above a density of each chain, and nothing below."""
    trials = [Trial("dense", 0, seed, score=top, density=1.0) for seed in settings.seeds]
    for round in range(1, settings.pruning.rounds + 1):
        density = settings.pruning.density(round)
        trials += [
            Trial(arm, round, seed, score=top if density > half(arm, seed) else 1.0, density=density)
            for arm in settings.arms
            for seed in settings.seeds
        ]
    return trials


def test_the_arm_that_survives_more_is_said_first_with_the_ratio_of_densities() -> None:
    settings = job(8, rounds=16)
    trials = curve(settings, lambda arm, seed: (0.06 if arm == "winning" else 0.18) * 1.05**seed)
    first, second = findings(settings, trials)[0].lines
    assert first.word == second.word == "better"
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.survival is not None and verdict.survival.ratio.value == pytest.approx(3.0, rel=0.1)
    assert first.short.startswith("winning survives 3.1 times as much pruning as random [")
    assert second.short.startswith("winning is better than random: ")
    assert verdict.survival.p == verdict.p == pytest.approx(2 / 256)


def test_one_unlucky_seed_at_round_1_does_not_end_the_answer() -> None:
    settings = job(8, rounds=16)
    trials = [
        Trial(t.arm, 1, 3, score=1.0, density=t.density) if (t.arm, t.round, t.seed) == ("winning", 1, 3) else t
        for t in curve(settings, lambda arm, seed: (0.06 if arm == "winning" else 0.18) * 1.05**seed)
    ]
    answers = findings(settings, trials)
    assert answers[0].lines[0].word == "better"
    assert answers[-1].lines[0].short.startswith("winning holds half of the dense network's gain down to 7.")
    assert "not shown to match" in answers[-1].lines[1].short


def test_chains_that_never_cross_count_as_far_as_they_were_tried_and_it_is_said() -> None:
    settings = job(8, rounds=10)
    last = settings.pruning.density(10)
    trials = curve(settings, lambda arm, seed: 0.0 if arm == "winning" else 0.3)
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.survival is not None and verdict.survival.above == (8, 0)
    assert verdict.survival.short.startswith("winning survives at least 2.8 times as much pruning as random")
    assert f"counted down to {last:.1%} only: 8 of 8 chains of winning" in "; ".join(verdict.survival.facts)
    found = critical(JobScores(settings, trials), "winning", HALF)
    assert found is not None and found.above == 8 and found.text.startswith(f"below {last:.1%}")
    both = summarise(settings, curve(settings, lambda arm, seed: 0.0)).verdicts[0].survival
    assert both is not None and both.word == "inconclusive" and "both hold half" in both.short


def test_a_median_at_the_lowest_density_is_no_crossing() -> None:
    floor = 1069 / 4675
    median_of_logs = math.exp(math.log(floor))
    assert median_of_logs > floor, "in the last bit"
    for density, crossed in ((median_of_logs, False), (0.3, True), (1.0, False)):
        found = Critical("winning", HALF, 50.0, Interval(density, math.nan, math.nan, 1), floor, 1, 0, 0)
        assert (found.crossed, found.text.startswith("below ")) == (crossed, density == median_of_logs)


def test_lost_seeds_are_left_out_and_count_against() -> None:
    settings = job(8, rounds=16)
    trials = [
        Trial(t.arm, t.round, t.seed, "failed", None, t.density) if (t.arm, t.round, t.seed) == ("random", 9, 0) else t
        for t in curve(settings, lambda arm, seed: (0.06 if arm == "winning" else 0.18) * 1.05**seed)
    ]
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.survival is not None
    assert verdict.survival.ratio.n == 7 and verdict.survival.word == "inconclusive"
    assert "1 more lost a trial" in "; ".join(verdict.survival.facts)


def test_a_seed_that_lost_only_the_rewound_dense_network_counts_against_critical_densities_alone() -> None:
    settings = job(12, ("winning", "random", "dense_rewound"), rounds=8, late=100)
    trials = [
        replace(t, state="failed", score=None) if t.arm == "dense_rewound" and t.seed == 5 else t
        for t in curve(settings, lambda arm, seed: 0.2 if arm == "winning" else 0.6 + 0.01 * seed)
        if t.arm != "dense_rewound" or t.round == 1
    ]
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.word == "better" and verdict.lost == 0
    assert verdict.survival is not None and verdict.survival.lost == 1
    # Of twelve ranks one counts the other way, the largest: 0.029 by hand of all flips.
    assert verdict.survival.word == "better" and verdict.p < verdict.survival.p < 0.05


def test_perplexity_is_halved_on_its_logarithm_and_no_scale_is_said() -> None:
    text = load(Path("configs/quick/lm-quick.toml"))
    assert isinstance(text, Experiment) and text.pruning.rounds == 4
    trials = [Trial("dense", 0, seed, score=10.0, density=1.0) for seed in text.seeds]
    for k, score in ((1, 10.0), (2, 10.0), (3, 1000.0), (4, 1000.0)):
        density = text.pruning.density(k)
        trials += [Trial(arm, k, seed, score=score, density=density) for arm in text.arms for seed in text.seeds]
    scores = JobScores(text, trials, {text.task.subject: math.log(1000.0)})
    (own,), _, _ = chains(scores, HALF, "winning")
    middle = math.sqrt(text.pruning.density(2) * text.pruning.density(3))  # half of log 10 to log 1000 is log 100
    assert {round(chain.density, 9) for chain in own} == {round(middle, 9)}
    nothing = JobScores(text, trials, {})
    assert why_not(nothing) and critical(nothing, "winning", HALF) is None
    said = [line.text for finding in findings(text, trials) for line in finding.lines]
    assert any("which survives more pruning cannot be said: no reference score" in one for one in said)


def test_intervals_and_p_of_ranks_are_scipys() -> None:
    rng = np.random.default_rng(5)
    for n in (6, 8, 11):
        data = rng.normal(0.4, 1, n)
        assert sign_flip_p(signed_ranks(data)) == pytest.approx(scipy.stats.wilcoxon(data, method="exact").pvalue)
        found = shift(data)
        # At the bounds the test just does not reject, beyond them it does.
        for bound, way in ((found.low, -1), (found.high, 1)):
            assert scipy.stats.wilcoxon(data - bound - way * 1e-6, method="exact").pvalue <= 0.05
            assert scipy.stats.wilcoxon(data - bound + way * 1e-6, method="exact").pvalue > 0.05
    assert median(range(1, 9)).low == pytest.approx(1.9, abs=0.1)  # between the first and the second of eight
    assert all(math.isnan(one([1.0, 2.0, 3.0, 4.0, 5.0]).low) for one in (median, shift))


def test_equal_sums_in_another_order_are_ties() -> None:
    assert sign_flip_p([0.3, -0.2, -0.1], greater=True) == 0.625
    assert joint_flip_p([[0.3, -0.2, -0.1]]) == [1.0]


def test_two_numbers_of_a_seed_share_their_flips_and_cost_nothing_where_they_agree() -> None:
    one = [1.0, 2.0, 1.5, 2.5, 1.2, 3.0]
    assert joint_flip_p([one, [10 * x for x in one]]) == [2 / 64, 2 / 64]
    assert joint_flip_p([one, [1.0, -2.0, 1.5, -2.5, 1.2, 3.0]])[0] > 2 / 64
    groups = [[0.01, 0.2], [0.02], [0.03, 0.04]]
    assert holm_grouped(groups) == [[pytest.approx(0.03), pytest.approx(0.2)], [pytest.approx(0.06)],
                                    [pytest.approx(0.06), pytest.approx(0.08)]]  # fmt: skip
    assert [p for (p,) in holm_grouped([[0.01], [0.04], [0.03]])] == holm([0.01, 0.04, 0.03])


def test_a_ratio_of_one_is_said_as_much() -> None:
    settings = job(8, rounds=16)
    (verdict,) = summarise(settings, curve(settings, lambda arm, seed: 0.06 * 1.05**seed)).verdicts
    assert verdict.survival is not None
    assert verdict.survival.short.startswith("open: winning survives as much pruning as random [1, 1]")
