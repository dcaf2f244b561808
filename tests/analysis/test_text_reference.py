"""A text's unigram log-perplexity is the reference of language models, from which margins and densities follow."""

import math

from lth_core.analysis.questions import findings
from lth_core.analysis.scores import JobScores
from lth_core.analysis.trials import Trial
from lth_core.experiment.experiment import Experiment

LOGS = {"dense": (4.0,), "winning": (4.0, 4.1, 5.3), "random": (4.5, 5.5, 5.9)}
REFERENCE = (("log_perplexity-unigram/test", 6.0),)


def job(beside: tuple[tuple[str, float], ...]) -> tuple[Experiment, list[Trial]]:
    text = {
        "task": {"kind": "language_model"}, "model": {"kind": "lstm"}, "training": {"algorithm": "supervised"},
        "seeds": tuple(range(8)), "pruning": {"rounds": 3, "fraction": 0.5}, "arms": ("winning", "random"),
    }  # fmt: skip
    return Experiment.model_validate({"name": "text", **text}), [
        Trial(arm, at if arm == "dense" else at + 1, seed, "done", math.exp(log + seed / 100), beside=beside)
        for arm, logs in LOGS.items()
        for at, log in enumerate(logs)
        for seed in range(8)
    ]


def test_scores_are_counted_from_the_reference_on_the_scale_of_logarithms() -> None:
    scores = JobScores(*job(REFERENCE))
    assert scores.zero == 6.0
    assert scores.scale is not None and 1.9 < scores.scale < 2.0


def test_how_far_one_can_prune_is_answered() -> None:
    (far,) = [found for found in findings(*job(REFERENCE)) if found.question.startswith("How far")]
    assert far.lines[0].short.startswith("winning holds half of the dense network's gain down to")
    assert far.lines[1].short == "typical seeds of winning match the dense network down to 50.0% kept"


def test_a_job_that_measured_no_reference_has_none() -> None:
    assert JobScores(*job(())).zero is None
