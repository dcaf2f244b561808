"""A GPU's memory that runs out: the stack is split and the job ends well; a single ticket is tried alone and fails."""

from pathlib import Path

from lth_core.experiment.experiment import Experiment
from lth_core.store import views
from tests.faults.runs import Run, short


def large(seeds: int) -> Experiment:
    """Four million weights a ticket: with gradient and moments 50 megabytes, whatever else it takes."""
    return short(
        arms=["winning"], seeds=seeds, model={"hidden": [2048, 2048]}, rewinding={"weights": 0, "optimizer": "fresh"},
        training={"length": 600, "environments": 4, "checkpoint_every": 1_000_000, "score": "training",
                  "evaluation_episodes": 0},
    )  # fmt: skip


def limited(folder: Path, experiment: Experiment, megabytes: int) -> Run:
    return Run(folder, experiment, slots=1, fault={"on_device": megabytes}, device="cuda")


def test_a_stack_that_does_not_fit_is_split(tmp_path: Path) -> None:
    run = limited(tmp_path / "run", large(seeds=16), 600)
    try:
        run.finish()
    finally:
        run.stop()
    assert any("out of memory" in text and "trying again with stacks of" in text for text in run.events())
    with run.database() as database:
        assert {trial.state for trial in views.trials(database, 1)} == {"done"}
        sizes = [row[0] for row in database.rows("SELECT COUNT(*) FROM trials GROUP BY batch")]
    assert max(sizes) <= 8


def test_a_ticket_that_does_not_fit_is_tried_alone_and_fails(tmp_path: Path) -> None:
    run = limited(tmp_path / "run", large(seeds=1), 40)
    try:
        run.finish(1)
    finally:
        run.stop()
    assert any("trying again once with no other worker beside it" in text for text in run.events())
    assert run.errors() and all("one ticket does not fit, even alone" in error for error in run.errors())
