"""Language models are compared by log-perplexity, while what is stored stays the perplexity."""

import io
import math

import pytest
from rich.console import Console

from lth_core.analysis.verdict import summarise
from lth_core.experiment.experiment import Experiment
from lth_core.report.table import summary_table
from tests.analysis.test_matching import Trial

PERPLEXITIES = {"dense": (80.0, 90.0, 100.0), "winning": (88.0, 99.0, 150.0), "random": (120.0, 140.0, 400.0)}


def job() -> tuple[Experiment, list[Trial]]:
    text = {
        "task": {"kind": "language_model"}, "model": {"kind": "lstm"}, "training": {"algorithm": "supervised"},
        "seeds": (0, 1, 2), "pruning": {"rounds": 1}, "arms": ("winning", "random"),
    }  # fmt: skip
    experiment = Experiment.model_validate({"name": "text", **text})
    return experiment, [
        Trial(arm, int(arm != "dense"), seed, score=score)
        for arm, scores in PERPLEXITIES.items()
        for seed, score in zip(experiment.seeds, scores, strict=True)
    ]


def test_cells_and_differences_are_of_the_logarithm() -> None:
    experiment, trials = job()
    summary = summarise(experiment, trials)
    winning, random = summary.cell("winning", 1), summary.cell("random", 1)
    assert winning is not None and random is not None and random.difference is not None
    logs = sorted(math.log(value) for value in PERPLEXITIES["winning"])
    assert logs[0] < winning.score.value < logs[-1]
    ratios = [math.log(w / r) for w, r in zip(PERPLEXITIES["winning"], PERPLEXITIES["random"], strict=True)]
    assert min(ratios) <= random.difference.value <= max(ratios)


def test_the_table_shows_perplexity_beside_its_logarithm() -> None:
    experiment, trials = job()
    summary = summarise(experiment, trials)
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(summary_table(experiment, summary))
    text = console.export_text()
    winning = summary.cell("winning", 1)
    assert winning is not None
    assert "log_perplexity/test" in text and "perplexity " in text
    assert f"{math.exp(winning.score.value):.4g}" in text


@pytest.mark.parametrize(("perplexity", "judged"), [(math.e, 1.0), (1.0, 0.0), (2.0, math.log(2))])
def test_a_stored_perplexity_is_judged_by_its_logarithm(perplexity: float, judged: float) -> None:
    assert job()[0].task.judged(perplexity) == judged
