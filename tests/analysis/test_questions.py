"""The paper's questions, answered on simulated jobs whose truth is known."""

import re
from dataclasses import replace

import numpy as np
import pytest

from lth_core.analysis import statistics
from lth_core.analysis.questions import NOT_ASKED, Finding, findings, left_out, notes
from lth_core.analysis.suite_questions import kept_or_pruned, suite_findings
from lth_core.analysis.suite_summary import SuiteJob, summarise_suite
from lth_core.analysis.verdict import summarise
from lth_core.experiment.baseline import baseline_notes
from lth_core.experiment.experiment import Experiment
from lth_core.store.views import GoneLayer
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


def test_each_question_of_the_paper_is_answered_first_in_few_words_then_with_numbers() -> None:
    made = job("winning", "winning_init", "one_shot", "random", "reinit", "lr_rewind")
    found = answers(made, trials(made))
    assert {f.question: f.word for f in found.values() if f.word != NOT_ASKED} == {
        "Winning or random?": "better", "Iterative or one-shot?": "better", "Late rewinding or not?": "better",
        "The mask or the weights?": "better", "Rewind, or go on training?": "inconclusive",
        "Does pruning help, leave alone or crash?": "leaves alone", 
        "How far can one prune?": "half to below 50.0% [<50.0, <50.0]",
    }  # fmt: skip
    for finding in found.values():
        for line in finding.lines:
            assert len(line.short) < 120 and finding.text.count(line.short) == 1
            if finding.word != NOT_ASKED and not finding.question.startswith("How far"):
                assert re.search(r"[+-]\d+(\.\d+)? \[[+-]\d", line.short), line
                assert any("n=" in fact for fact in line.facts)
    winning = found["Winning or random?"].lines[0]
    assert winning.short.startswith("winning is better than random: +")
    assert [re.sub(r"[\d.]+", "#", fact) for fact in winning.facts] == [
        "# rounds, n=#, mean +#, p=#", "its chains beat those of random in #% of pairs",
        "winning and random both hold half of the dense network's gain down to #% kept",
        "by themselves differ #%, #%, #%, #%",
    ]  # fmt: skip
    assert [line.short.split(":")[0] for line in found["Iterative or one-shot?"].lines] == [
        "winning is better than one_shot", "one_shot is worse than random",
    ]  # fmt: skip
    assert "rewound to 128 steps of 512" in found["Late rewinding or not?"].lines[0].facts
    assert "at every round" in found["How far can one prune?"].text
    assert "reinit at no sparsity" in found["How far can one prune?"].text


def test_one_shot_may_stay_above_random_and_it_may_be_open() -> None:
    made = job("winning", "one_shot", "random")
    above = answers(made, trials(made, {**GAINS, "one_shot": -10.0}))["Iterative or one-shot?"].lines[1]
    assert above.word == "better" and above.short.startswith("one_shot is better than random")
    open_ = answers(made, trials(made, {**GAINS, "one_shot": -30.0}))["Iterative or one-shot?"].lines[1]
    assert open_.word == "inconclusive" and open_.short.startswith("one_shot or random: open, ")


def test_rounds_are_named_where_they_differ_by_themselves_and_what_that_takes_is_said_once() -> None:
    made = job("winning", "random", "reinit", seeds=8)
    assert all("by themselves differ" in line.text for line in answers(made, trials(made))["Winning or random?"].lines)
    made = job("winning", "random", "reinit", seeds=7, rewinding={"weights": 0})
    found = trials(made)
    assert not any("round differs" in f.text or "Holm" in f.text for f in findings(made, found))
    length, note = notes(made, summarise(made, found))
    assert length == "training behind each arm: 512 steps, the same for all"
    assert note == (
        "p: paired sign-flip, Holm over 2 comparisons; rounds by themselves: Holm over 4, which takes 8 seeds"
    )


def test_few_seeds_are_one_remark_and_not_one_per_answer() -> None:
    made = job("winning", "random", "reinit", "one_shot", seeds=2, rewinding={"weights": 0})
    found = findings(made, trials(made))
    said = [*notes(made, summarise(made, trials(made)))]
    assert said[1:] == ["2 seeds cannot decide among 4 comparisons (it takes 8): read sizes, not verdicts"]
    for finding in found:
        assert "Holm" not in finding.text and "fewer than" not in finding.text and "cannot decide" not in finding.text
        assert finding.word != "better"


def test_the_head_start_of_rewound_tickets_is_no_gain_of_pruning() -> None:
    gains = {"winning": 20.0, "random": 0.0, "dense_rewound": 20.0}
    alone, made = job("winning", "random"), job("winning", "random", "dense_rewound")
    assert answers(alone, trials(alone, gains))["Does pruning help, leave alone or crash?"].word == "helps"
    assert any("add the arm dense_rewound" in note for note in notes(alone, summarise(alone, trials(alone, gains))))
    whole = {"weights": 8, "schedule": "rewind", "optimizer": "rewind"}
    assert not list(baseline_notes(job("winning", rewinding=whole)))
    (note,) = baseline_notes(job("winning", rewinding={"weights": 8, "schedule": "rewind"}))
    assert note.startswith("tickets start with a fresh optimizer at 32 ")
    found = [t for t in trials(made, gains) if t.arm != "dense_rewound" or t.round == 1]
    finding = answers(made, found)["Does pruning help, leave alone or crash?"]
    assert finding.word == "leaves alone" and "winning minus dense_rewound, round" in finding.text
    assert re.search(r"over the dense run itself, without the head start: \+(19|20)", finding.text)
    far = answers(made, [t if t.arm != "winning" else replace(t, score=122.0) for t in found])
    assert "winning is not shown to match" in far["How far can one prune?"].text
    summary = summarise(made, found)
    assert {v.control for v in summary.verdicts} == {"random"}, "no ticket, so none of the family"
    rewound = summary.cell("dense_rewound", 1)
    assert rewound is not None and rewound.density == 1.0 and rewound.difference is None
    (note,) = [note for note in notes(made, summary) if "dense network" in note]
    assert note.startswith("the dense network that tickets are compared with is dense_rewound")


def test_a_layer_that_is_gone_is_named_where_its_arm_is_compared() -> None:
    made = job("winning", "snip", "random", seeds=8)
    found = trials(made, {"winning": 0.0, "snip": -80.0, "random": -30.0})
    gone = [GoneLayer("snip", round, seed, "policy_head.weight") for round in (2, 3, 4) for seed in made.seeds]
    gone += [GoneLayer("winning", 4, 3, "hidden.weight"), GoneLayer("snip", 4, 3, "hidden.weight")]
    summary = summarise(made, found, gone)
    before = next(f for f in findings(made, found, summary) if f.question == "Or prune before training?")
    assert [fact for fact in before.lines[0].facts if "gone" in fact] == [
        "in 1 of 8 seeds of winning hidden.weight is gone, in round 4",
        "in 8 of 8 seeds of snip policy_head.weight is gone, from round 2 on, and 1 more layer in some",
    ]
    assert all("snip" not in v.text for v in summary.verdicts if v.control == "random")
    suite = [SuiteJob(1, "one", "done", made, found, gone), SuiteJob(2, "two", "done", made, found)]
    said = [f.text for f in suite_findings(suite, summarise_suite(suite)) if f.question == "Or prune before training?"]
    assert said[0].count("policy_head.weight is gone") == 1


def test_baselines_have_questions_of_their_own() -> None:
    arms = ["gmp", "small_dense", "snip", "grasp", "synflow", "magnitude_init"]
    made = job("winning", *arms, seeds=10)
    found = answers(made, trials(made, {**dict.fromkeys(arms, -20.0), "winning": 0.0}))
    assert found["Or prune while training?"].lines[0].short.startswith("winning is better than gmp")
    assert found["Or a smaller dense network?"].lines[0].short.startswith("winning is better than small_dense")
    before = [line.short.split(":")[0] for line in found["Or prune before training?"].lines]
    assert before == [f"winning is better than {arm}" for arm in arms[2:]]
    assert found["Iterative or one-shot?"].word == NOT_ASKED


def test_what_the_job_cannot_answer_is_said_to_be_not_asked_in_one_line() -> None:
    made = job("winning", "random", rewinding={"weights": 0})
    found = answers(made, trials(made))
    assert found["Iterative or one-shot?"].text == "not asked: the job has no one-shot arm"
    assert found["Late rewinding or not?"].text == "not asked: all tickets start from initialisation"
    assert found["Winning or random?"].word == "better"
    assert not any("mbedding" in question for question in found)  # this network has none
    line = left_out(found.values())
    assert line.startswith("not asked: Iterative or one-shot (the job has no one-shot arm); Late rewinding or not (all")
    assert line.count("not asked") == 1 and left_out([found["Winning or random?"]]) == ""


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
    assert "random keeping first_layer or random keeping nothing: open" in finding.text


def test_jobs_that_differ_in_more_are_not() -> None:
    one, other = suite(10.0)
    made = other.experiment.model_copy(update={"seeds": tuple(range(9))})
    assert not list(kept_or_pruned([one, replace(other, experiment=made)]))


def test_a_suite_answers_by_counts_and_then_job_by_job() -> None:
    jobs = suite(0.0)
    found = {f.question: f for f in suite_findings(jobs, summarise_suite(jobs))}
    first, *rest = found["Winning or random?"].lines
    assert (first.word, first.short) == ("better", "of 2 jobs: better 2")
    assert [line.short.split(" is")[0] for line in rest] == ["job-0: winning", "job-1: winning"]
    assert "First_layer pruned or kept?" in found
    assert "of 2 jobs pruning" in found["Does pruning help, leave alone or crash?"].text
