"""Answers by the other measure of the same, said where they differ."""

from dataclasses import replace

from lth_core.analysis.questions import findings
from lth_core.analysis.trials import Trial
from lth_core.analysis.verdict import summarise
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import plan
from lth_tui.content.verdict_words import verdict_rows
from tests.small import experiment

QUESTION = "Does return/train say the same?"


def _job(trained: dict[str, float], **changes: object) -> tuple[Experiment, list[Trial]]:
    """A job by whose evaluation winning tickets are better by 50; trained: scores of the training by arm."""
    one = experiment(arms=["winning", "random"], seeds=list(range(8)), pruning={"rounds": 2})
    trials = []
    for key in (planned.key for planned in plan(one)):
        score = 100.0 + key.seed + (50.0 if key.arm == "winning" else 0.0)
        beside = (("return/eval-sampled", score), ("return/train", trained[key.arm] + 1.5 * key.seed))
        made = Trial(key.arm, key.round, key.seed, "done", score, beside=beside)
        trials.append(replace(made, **changes))  # type: ignore[arg-type]
    return one, trials


def _said(trained: dict[str, float], **changes: object) -> list[str]:
    """What is said of the training's scores."""
    return [f.text for found in findings(*_job(trained, **changes)) if found.question == QUESTION for f in found.lines]


def test_where_training_episodes_give_another_answer_it_is_said_in_one_line() -> None:
    (said,) = _said({"dense": 100.0, "winning": 60.0, "random": 90.0})
    assert said.startswith("by return/train: ")
    assert "winning is worse than random: -30" in said
    assert "the last 10 training episodes, actions sampled, none from before the last 25% of the run" in said


def test_where_they_agree_or_the_job_runs_nothing_is_said() -> None:
    assert not _said({"dense": 100.0, "winning": 150.0, "random": 100.0})
    assert not _said({"dense": 100.0, "winning": 60.0, "random": 90.0}, state="running")


def test_the_workbench_says_it_behind_the_verdict() -> None:
    summary = summarise(*_job({"dense": 100.0, "winning": 60.0, "random": 90.0}))
    (words,) = ("".join(text for text, _ in row) for row in verdict_rows(summary, width=100))
    assert words.startswith(" winning is better than random: +50 [+50, +50]; by return/train worse: -30 [-30")
    (alike,) = summarise(*_job({"dense": 100.0, "winning": 150.0, "random": 100.0})).verdicts
    assert not alike.otherwise
