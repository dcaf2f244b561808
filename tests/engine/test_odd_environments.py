"""Environments that do wrong, through engine and workers: their trials fail with the cause, the queue goes on."""

from pathlib import Path

import gymnasium
import pytest

from lth_core.engine import failures
from lth_core.store import views
from tests.engine.compiler import loaded, watch
from tests.engine.experiments import tiny
from tests.engine.test_engine import running
from tests.tasks import odd_environments

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
WRONG = ["RaisesInReset-v0", "RewardNaN-v0"]


@pytest.fixture
def _registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Environments in the registry of this process, and of every Python that it starts; see `compiler.watch`."""
    (tmp_path / "sitecustomize.py").write_text(
        "from tests.tasks import odd_environments\nodd_environments.register()\n"
    )
    for name, spec in odd_environments.ODD.items():
        monkeypatch.setitem(gymnasium.registry, name, spec)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    return watch(tmp_path)


def test_the_trials_of_environments_that_do_wrong_fail_with_the_cause_and_the_queue_goes_on(
    tmp_path: Path, _registered: Path
) -> None:
    common = {"arms": ["winning"], "seeds": 1, "pruning": {"rounds": 1}}
    with running(tmp_path / "ws") as r:
        for number, name in enumerate([*WRONG, "Walk-v0"], 1):
            assert r.submit(tiny(f"job{number}", task={"environment": name}, **common)) == {"job": number}
        r.until(lambda: r.state(len(WRONG) + 1) == "done", 300)
        for number, name in enumerate(WRONG, 1):
            assert r.state(number) == "failed"
            dense = views.trials(r.database, number)[0]
            assert dense.state == "failed"
            assert dense.error is not None
            assert dense.error.startswith(f"{name}, environment ")
            assert " (training step " in dense.error
            assert "Traceback" not in dense.error and "\n" not in dense.error and "\x1b" not in dense.error
            later = views.trials(r.database, number)[1:]
            assert {trial.state for trial in later} == {"blocked"}
            assert all("waits for dense round 0 seed" in (trial.error or "") for trial in later)
            assert r.database.row("SELECT COUNT(*), MAX(attempt) FROM batches WHERE job = ?", number)[:] == (1, 1)
    logs = "".join(path.read_text() for path in (tmp_path / "ws").glob("batches/*/attempt-*/log.txt"))
    assert "Traceback" in logs and "a reward was not a finite number" in logs
    assert not loaded(_registered)


@pytest.mark.usefixtures("_registered")
def test_the_exit_code_of_an_environment_says_nothing_of_its_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "DELAYS", (0.0, 0.0))
    with running(tmp_path / "ws") as r:
        r.submit(tiny("job1", task={"environment": "EndsTheProcess-v0"}, arms=["winning"], seeds=1))
        r.until(lambda: r.state(1) == "failed", 120)
        said = views.trials(r.database, 1)[0].error or ""
        assert said.startswith("the worker ended with code 85") and said.endswith("given up after 3 attempts")
