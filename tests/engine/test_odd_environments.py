"""Environments that do wrong, through engine and workers: their trials fail with the cause, the queue goes on."""

from pathlib import Path

import pytest

from lth_core.store import views
from tests.engine.experiments import tiny
from tests.engine.test_engine import running

ROOT = Path(__file__).parents[2]
WRONG = ["RaisesInReset-v0", "RaisesInStep-v0", "RewardNaN-v0", "GrowsAnObservation-v0", "EndsAtOnce-v0"]


@pytest.fixture
def _registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that registers environments with gymnasium as packages do, on the workers' path."""
    about = tmp_path / "odd-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("[gymnasium.envs]\n__root__ = tests.tasks.odd_environments:register\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")


@pytest.mark.usefixtures("_registered")
def test_the_trials_of_environments_that_do_wrong_fail_with_the_cause_and_the_queue_goes_on(tmp_path: Path) -> None:
    common = {"arms": ["winning"], "seeds": 1, "pruning": {"rounds": 1}}
    with running(tmp_path / "ws") as r:
        for number, name in enumerate([*WRONG, "Walk-v0"], 1):
            assert r.submit(tiny(f"job{number}", task={"environment": name}, **common)) == {"job": number}
        r.until_state(len(WRONG) + 1, "done")
        for number, name in enumerate(WRONG, 1):
            assert r.state(number) == "failed"
            dense = views.trials(r.database, number)[0]
            assert dense.state == "failed"
            assert dense.error is not None
            assert dense.error.startswith(f"{name}, environment ")
            assert " (training step " in dense.error
            assert "Traceback" not in dense.error and "\n" not in dense.error and "\x1b" not in dense.error
