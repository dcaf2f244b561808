"""The paper's questions, answered on simulated jobs whose truth is known."""

import re
from dataclasses import replace

import numpy as np
import pytest

from lth_core.analysis import statistics
from lth_core.analysis.questions import Finding, findings
from lth_core.analysis.suite_questions import kept_or_pruned, suite_findings
from lth_core.analysis.suite_summary import SuiteJob, summarise_suite
from lth_core.experiment import Experiment
from tests.analysis.test_verdict import Trial
from tests.small import experiment

GAINS = {"winning": 0.0, "winning_init": -20.0, "one_shot": -40.0, "random": -30.0, "reinit": -10.0, "lr_rewind": 0.0}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 300)


def job(*arms: str, seeds: int = 10, **more: object) -> Experiment:
    fields = {"pruning": {"rounds": 4}, "rewinding": {"weights": 100}, **more}
    return experiment(seeds=list(range(seeds)), arms=list(arms), **fields)


def trials(made: Experiment, gains: dict[str, float] = GAINS, noise: float = 1.0, salt: int = 0) -> list[Trial]:
    """The dense network scores 122; arms differ by their gain from it at every round."""
    rng = np.random.default_rng(salt)
    found = [Trial("dense", 0, seed, score=122 + rng.normal(0, noise)) for seed in made.seeds]
    return found + [
        Trial(arm, round, seed, score=122 + gains[arm] + rng.normal(0, noise))
        for round in range(1, made.pruning.rounds + 1)
        for arm in made.arms
        for seed in made.seeds
    ]


def answers(made: Experiment, found: list[Trial]) -> dict[str, Finding]:
    return {finding.question: finding for finding in findings(made, found)}


def test_each_question_of_the_paper_is_answered_with_numbers() -> None:
    made = job("winning", "winning_init", "one_shot", "random", "reinit", "lr_rewind")
    found = answers(made, trials(made))
    assert [f.word for f in found.values()] == [
        "better", "better", "better", "better", "inconclusive", "leaves alone", "to 50.0%",
    ]  # fmt: skip
    for finding in found.values():
        assert re.search(r"[+-]\d+(\.\d+)? \[[+-]\d", finding.text), finding
    assert "and one-shot falls below random: one_shot is worse than random" in found["Iterative or one-shot?"].text
    assert found["Late rewinding or not?"].text.startswith("rewound to 100 steps of 512: winning is better than")
    assert "at every round" in found["How far can one prune?"].text
    assert "reinit at no sparsity" in found["How far can one prune?"].text


def test_one_shot_may_stay_above_random_and_it_may_be_open() -> None:
    made = job("winning", "one_shot", "random")
    above = answers(made, trials(made, {**GAINS, "one_shot": -10.0}))["Iterative or one-shot?"].text
    assert "and one-shot stays above random" in above
    open_ = answers(made, trials(made, {**GAINS, "one_shot": -30.0}))["Iterative or one-shot?"].text
    assert "whether one-shot falls below random is open" in open_


def test_rounds_are_named_where_they_differ_by_themselves_and_else_the_seeds_that_takes() -> None:
    made = job("winning", "random")
    text = answers(made, trials(made))["Winning or random?"].text
    assert "by themselves the rounds at 50.0%, 50.0%, 50.0%, 50.0% remaining differ (Holm over 4 rounds)" in text
    made = job("winning", "random", seeds=7)
    text = answers(made, trials(made))["Winning or random?"].text
    assert "no round differs by itself (Holm over 4 rounds, which takes at least 8 seeds)" in text


def test_what_the_job_cannot_answer_is_said_to_be_not_asked() -> None:
    made = job("winning", "random", rewinding={"weights": 0})
    found = answers(made, trials(made))
    assert found["Iterative or one-shot?"].text == "not asked: the job has no one-shot arm"
    assert found["Late rewinding or not?"].text == "not asked: all tickets start from initialisation"
    assert found["Winning or random?"].word == "better"
    assert not any("mbedding" in question for question in found)  # this network has none


def test_a_control_of_another_kind_has_a_question_of_its_own() -> None:
    arm = {"mine": {"mask": "iterative", "weights": "shuffled"}}
    made = job("winning", "mine", arm=arm)
    found = answers(made, trials(made, {"winning": 0.0, "mine": -20.0}))
    assert found["winning or mine?"].word == "better"


def test_a_job_that_runs_has_answers_and_none_of_them_decides() -> None:
    made = job("winning", "one_shot", "random")
    whole = trials(made)
    part = [t if i < 60 else replace(t, state="waiting", score=None) for i, t in enumerate(whole)]
    words = {f.question: f.word for f in findings(made, part)}
    assert words["Winning or random?"] == words["Iterative or one-shot?"] == "inconclusive"
    assert findings(made, [])


def suite(gain: float) -> list[SuiteJob]:
    jobs = []
    for number, keep in enumerate(([], ["first_layer"])):
        made = job("winning", "random", pruning={"rounds": 4, "keep": keep}, name=f"job-{number}")
        gains = {"winning": gain * number, "random": -30.0}
        jobs.append(SuiteJob(number, made.name, "done", made, trials(made, gains, salt=number + 7)))
    return jobs


@pytest.mark.parametrize(("gain", "word"), [(10.0, "better"), (-10.0, "worse"), (0.0, "inconclusive")])
def test_jobs_that_differ_in_what_is_kept_alone_are_compared(gain: float, word: str) -> None:
    (finding,) = kept_or_pruned(suite(gain))
    assert finding.question == "First_layer pruned or kept?"
    assert finding.word == word
    assert "winning keeping first_layer" in finding.text and "keeping nothing" in finding.text
    assert "random keeping first_layer against random keeping nothing: inconclusive" in finding.text


def test_jobs_that_differ_in_more_are_not() -> None:
    one, other = suite(10.0)
    made = other.experiment.model_copy(update={"seeds": tuple(range(9))})
    assert not list(kept_or_pruned([one, replace(other, experiment=made)]))


def test_a_suite_answers_by_counts_and_then_job_by_job() -> None:
    jobs = suite(0.0)
    found = {f.question: f for f in suite_findings(jobs, summarise_suite(jobs))}
    assert found["Winning or random?"].text.startswith("of 2 jobs: better 2. job-0: winning is better than random")
    assert "job-1: " in found["Winning or random?"].text
    assert "First_layer pruned or kept?" in found
    assert "of 2 jobs pruning" in found["Does pruning help, leave alone or crash?"].text
