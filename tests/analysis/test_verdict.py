"""Lottery curves and verdicts on simulated jobs."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.stats

from lth_core.analysis import statistics
from lth_core.analysis.comparison import comparisons, with_lost
from lth_core.analysis.questions import notes
from lth_core.analysis.verdict import Summary, summarise
from lth_core.experiment.experiment import Experiment
from tests.small import experiment


@dataclass(frozen=True)
class Trial:
    arm: str
    round: int
    seed: int
    state: str = "done"
    score: float | None = 0.0
    density: float | None = 0.5


def job(seeds: int, arms: tuple[str, ...] = ("winning", "random"), rounds: int = 3, late: int = 0) -> Experiment:
    return experiment(
        seeds=list(range(seeds)), arms=list(arms), pruning={"rounds": rounds}, rewinding={"weights": late}
    )


def simulated(settings: Experiment, gain: dict[str, float], spread: float = 1.0, salt: int = 0) -> list[Trial]:
    """Scores with a seed's own level, an arm's gain and noise."""
    rng = np.random.default_rng(salt)
    level = {seed: rng.normal(0, 5) for seed in settings.seeds}
    trials = [Trial("dense", 0, seed, score=100 + level[seed]) for seed in settings.seeds]
    for round in range(1, settings.pruning.rounds + 1):
        trials += [
            Trial(arm, round, seed, score=100 + level[seed] + gain.get(arm, 0.0) + rng.normal(0, spread))
            for arm in settings.arms
            for seed in settings.seeds
        ]
    return trials


def word(settings: Experiment, trials: list[Trial]) -> str:
    (verdict,) = summarise(settings, trials).verdicts
    return verdict.word


def test_a_job_that_was_cancelled_at_its_best_gives_no_verdict() -> None:
    settings = job(8)
    whole = simulated(settings, {"winning": 5.0})
    trials = [t if t.round < 2 else replace(t, state="cancelled", score=None) for t in whole]
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.word == "inconclusive" and verdict.short.startswith("winning minus random so far: ")
    assert "no verdict before the end" in verdict.facts


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 60)


@pytest.mark.parametrize(("gain", "expected"), [(5.0, "better"), (-5.0, "worse"), (0.0, "inconclusive")])
def test_a_plain_difference_is_decided_and_none_is_not(gain: float, expected: str) -> None:
    settings = job(8)
    trials = simulated(settings, {"winning": gain}, salt=1)
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.word == expected
    assert (verdict.reference, verdict.control, verdict.rounds, verdict.effect.n) == ("winning", "random", 3, 8)
    said = "open" if expected == "inconclusive" else f"winning is {expected} than random"
    assert said in verdict.short and "n=8" in verdict.text
    assert verdict.text.startswith(verdict.short)
    assert (verdict.p <= 0.05) == (expected != "inconclusive")


@pytest.mark.parametrize("seeds", [1, 2, 3, 4, 5])
def test_fewer_than_six_seeds_never_decide_however_large_the_difference(seeds: int) -> None:
    settings = job(seeds)
    trials = simulated(settings, {"winning": 1000.0}, spread=0.01)
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.word == "inconclusive"
    *_, note = notes(settings, summarise(settings, trials))
    assert note == f"{seeds} seed{'s' * (seeds > 1)} cannot decide (it takes 6): read sizes, not verdicts"
    assert "Holm" not in verdict.text


def test_six_seeds_can_decide() -> None:
    settings = job(6)
    assert word(settings, simulated(settings, {"winning": 1000.0}, spread=0.01)) == "better"


@pytest.mark.parametrize("seeds", [6, 8])
def test_without_a_difference_at_most_one_job_in_twenty_is_decided(seeds: int, quick: None) -> None:
    settings = job(seeds, rounds=2)
    decided = sum(word(settings, simulated(settings, {}, salt=salt)) != "inconclusive" for salt in range(400))
    # 20 are expected at the level itself; more than 33 of 400 would come once in a thousand such tests.
    assert decided <= scipy.stats.binom.ppf(0.999, 400, 0.05)


def test_differences_are_paired_by_seed() -> None:
    # The seeds' own levels spread ten times wider than the gain: only pairing can see it.
    settings = job(8)
    rng = np.random.default_rng(0)
    trials = []
    for seed in settings.seeds:
        level = rng.normal(0, 50)
        for round in (1, 2, 3):
            trials.append(Trial("winning", round, seed, score=level + 3 + rng.normal(0, 0.3)))
            trials.append(Trial("random", round, seed, score=level + rng.normal(0, 0.3)))
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.word == "better"
    assert verdict.effect.value == pytest.approx(3, abs=0.5)


def test_the_order_of_trials_does_not_matter() -> None:
    settings = job(7)
    trials = simulated(settings, {"winning": 1.0})
    assert summarise(settings, trials) == summarise(settings, trials[::-1])


def test_failed_and_blocked_trials_are_counted_and_never_scored() -> None:
    settings = job(8)
    trials = simulated(settings, {"winning": 5.0})
    broken = [
        Trial(t.arm, t.round, t.seed, state, score) if (t.arm, t.round, t.seed) == key else t
        for t in trials
        for key, state, score in [(("random", 2, 3), "failed", 1e9)]
    ]
    broken = [
        Trial(t.arm, t.round, t.seed, "blocked", None) if (t.arm, t.round, t.seed) == ("random", 3, 3) else t
        for t in broken
    ]
    found = summarise(settings, broken)
    assert found.failed == 2
    cell = found.cell("random", 2)
    assert cell is not None
    assert (cell.failed, cell.score.n) == (1, 7)
    assert cell.difference is not None
    assert cell.difference.n == 7
    (verdict,) = found.verdicts
    # The seed that lost trials is left out whole: it must not take the later rounds from the others.
    assert (verdict.rounds, verdict.effect.n, verdict.lost) == (3, 7, 1)
    assert "1 more lost a trial" in verdict.text


def test_scores_that_are_missing_or_no_numbers_take_no_part() -> None:
    settings = job(8, rounds=1)
    trials = simulated(settings, {"winning": 5.0})
    trials[10] = Trial(trials[10].arm, 1, trials[10].seed, score=float("nan"))
    trials[11] = Trial(trials[11].arm, 1, trials[11].seed, score=None)
    (verdict,) = summarise(settings, trials).verdicts
    assert verdict.effect.n == 6


def test_an_unfinished_job_has_a_summary_at_every_moment() -> None:
    settings = job(8)
    trials = simulated(settings, {"winning": 5.0})
    for finished in range(len(trials) + 1):
        states = [t if i < finished else Trial(t.arm, t.round, t.seed, "running", None) for i, t in enumerate(trials)]
        found: Summary = summarise(settings, states)
        (verdict,) = found.verdicts
        assert verdict.rounds <= 3
        assert all(cell.score.n > 0 for cell in found.cells)
    assert "no round is finished" in summarise(settings, []).verdicts[0].text
    assert summarise(settings, []).cells == ()


def test_rounds_that_some_seeds_have_not_finished_wait() -> None:
    settings = job(6)
    trials = [t for t in simulated(settings, {"winning": 5.0}) if not (t.round == 2 and t.seed > 2) and t.round < 3]
    (verdict,) = summarise(settings, trials).verdicts
    assert (verdict.rounds, verdict.effect.n) == (1, 6)


def test_cells_hold_score_difference_and_density() -> None:
    settings = job(2, rounds=1)
    trials = [
        Trial("dense", 0, 0, score=50.0, density=1.0),
        Trial("winning", 1, 0, score=40.0, density=0.79),
        Trial("winning", 1, 1, score=42.0, density=0.79),
        Trial("random", 1, 0, score=30.0, density=0.79),
        Trial("random", 1, 1, score=31.0, density=0.79),
    ]
    found = summarise(settings, trials)
    assert [(c.arm, c.round, c.density) for c in found.cells] == [
        ("dense", 0, 1.0), ("winning", 1, 0.79), ("random", 1, 0.79),
    ]  # fmt: skip
    winning, random = found.cell("winning", 1), found.cell("random", 1)
    assert winning is not None and random is not None
    assert winning.difference is None
    assert random.difference is not None
    assert random.difference.value == 10.5


def test_without_a_winning_arm_the_first_arm_is_the_reference() -> None:
    settings = job(6, arms=("one_shot", "one_shot_init"), late=100)
    (verdict,) = summarise(settings, simulated(settings, {"one_shot": 50.0})).verdicts
    assert (verdict.reference, verdict.control, verdict.word) == ("one_shot", "one_shot_init", "better")


def test_every_control_gets_its_own_verdict() -> None:
    settings = job(7, arms=("winning", "random", "reinit"))  # 6 seeds cannot decide two at once
    found = summarise(settings, simulated(settings, {"winning": 50.0, "reinit": 100.0}))
    assert {v.control: v.word for v in found.verdicts} == {"random": "better", "reinit": "worse"}


def test_p_is_corrected_over_the_controls_and_over_the_rounds_of_each(quick: None) -> None:
    settings = job(8, arms=("winning", "random", "reinit", "one_shot"))
    found = summarise(settings, simulated(settings, {"winning": 3.0}, spread=2.0, salt=2))
    family = [*found.verdicts, *found.further]
    assert [(v.reference, v.control) for v in family] == [
        ("winning", "random"), ("winning", "reinit"), ("winning", "one_shot"), ("one_shot", "random"),
    ]  # fmt: skip
    assert {v.comparisons for v in family} == {4}
    alone = summarise(job(8), simulated(job(8), {"winning": 3.0}, spread=2.0, salt=2))
    *_, note = notes(settings, found)
    assert note == "p: paired sign-flip, Holm over 4 comparisons; rounds by themselves: Holm over 3"
    assert min(v.p for v in found.verdicts) >= 4 * 2 / 2**8 > min(v.p for v in alone.verdicts)
    assert all((c.p is not None and c.p >= 3 * 2 / 2**8 - 1e-12) or c.p == 1.0 for c in found.cells if c.difference)
    assert found.cell("winning", 1).p is None  # type: ignore[union-attr]


def test_of_many_controls_that_differ_in_nothing_one_job_in_twenty_says_one_does(quick: None) -> None:
    arms = ("winning", "random", "reinit", "shuffled_mask", "shuffled_weights")
    settings = job(8, arms=arms, rounds=1)
    wrong = 0
    for salt in range(300):
        found = summarise(settings, simulated(settings, {}, salt=salt))
        wrong += any(v.word != "inconclusive" for v in found.verdicts)
    assert wrong <= scipy.stats.binom.ppf(0.999, 300, 0.05)


def test_a_lost_chain_is_the_worst_of_all_in_the_chance_of_improvement() -> None:
    settings = job(8)
    trials = simulated(settings, {"winning": 100.0})
    (whole,) = summarise(settings, trials).verdicts
    assert whole.improvement.value == 1.0 and whole.improvement.n == 8
    broken = [
        Trial(t.arm, t.round, t.seed, "failed", None) if t.arm == "winning" and t.seed == 0 else t for t in trials
    ]
    (verdict,) = summarise(settings, broken).verdicts
    assert verdict.improvement.value == pytest.approx(7 / 8) and verdict.improvement.n == 8


def test_an_undecided_verdict_says_how_many_seeds_would_decide() -> None:
    settings = job(6)
    (verdict,) = summarise(settings, simulated(settings, {"winning": 0.5}, spread=4.0)).verdicts
    assert verdict.word == "inconclusive" and "a new job with about" in verdict.text


def test_what_is_pruned_before_training_is_no_one_shot_arm() -> None:
    own = experiment(arms=["winning", "snip", "one_shot", "random"])
    assert comparisons(own)[3:] == [("one_shot", "random")]
    assert comparisons(experiment(arms=["winning", "magnitude_init", "random"]))[2:] == []


def test_many_lost_seeds_are_no_evidence_for_the_opposite() -> None:
    assert with_lost([1.0, 1.1], 1) == [1.0, 1.1, -1.1]
    assert statistics.sign_flip_p([1.0, 1.1, *[-1.1] * 10]) < 0.05  # what counting each in full would say
    assert statistics.sign_flip_p(with_lost([1.0, 1.1], 10)) == 1.0
    assert statistics.sign_flip_p(with_lost([-1.0, -1.1], 10)) == 1.0
    assert with_lost([], 2) == [0.0, 0.0]
