"""Together or one per slot: decided from measured rates, said in an event, obeyed by what is dispatched."""

import time
from pathlib import Path
from typing import Any

import pytest

from lth_core.engine import stacking
from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.intake import Patience
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.slots import Slot
from lth_core.experiment.experiment import Experiment
from lth_core.settings.launcher import SlurmLauncher
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny

pytestmark = pytest.mark.processes

SLOT = Slot("cpu/0", "cpu", 1)


def _atari() -> Experiment:
    return Experiment.from_fields(
        {
            "name": "atari", "seeds": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            "task": {"kind": "atari", "game": "pong", "size": [36, 36]}, "model": {"architecture": "small"},
            "training": {"length": 400, "environments": 1, "n_steps": 4, "score": "training", "evaluation_episodes": 0},
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "largest", "said"),
    [
        ({"1": 100.0, "4": 103.0}, 1, "a stack of 4 trains at 1.03 times the rate of one per slot (measured): one per"),
        ({"1": 100.0, "4": 250.0}, 8, "2.50 times the rate of one per slot (measured): stacks of up to 8"),
    ],
)
def test_the_rate_decides(rates: dict[str, float], largest: int, said: str) -> None:
    decision = stacking.stack_size(_atari(), rates)
    assert decision.largest == largest
    assert said in decision.text


@pytest.mark.parametrize("out", [b"", b"[]", b'{"error": "no game"}', b'{"rates": {"1": 0, "4": 1}}', b'{"rates": 3}'])
def test_a_measurement_that_failed_means_one_per_slot(out: bytes) -> None:
    decision = stacking._read(_atari(), out)
    assert decision.largest == 1
    assert "could not be measured" in decision.text


def _queued(folder: Path, experiment: Experiment) -> tuple[Workspace, Database, int]:
    workspace = Workspace(folder)
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        job = add_job(connection, experiment, "test", {})
    return workspace, database, job


def _batches(database: Database) -> list[int]:
    rows = database.rows("SELECT COUNT(*) AS n FROM trials WHERE batch IS NOT NULL GROUP BY batch")
    return [row["n"] for row in rows]


def test_dispatch_waits_for_the_measurement_and_obeys_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacking, "SECONDS", 0.1)
    workspace, database, job = _queued(tmp_path, _atari())
    launcher = Launchers(workspace, [SLOT])
    monkeypatch.setattr(launcher, "submit", lambda *_: launcher.here._running.update({"cpu/0": None}))  # type: ignore[dict-item]
    dispatcher = Dispatcher(workspace, database, launcher, Patience())
    dispatcher.start_batches()
    assert _batches(database) == []
    end = time.monotonic() + 120
    while not _batches(database) and time.monotonic() < end:
        dispatcher.start_batches()
        time.sleep(0.1)
    said = [event.text for event in views.events(database, job=job) if event.kind == "stacking"]
    assert len(said) == 1
    assert _batches(database) == ([1] if "one per slot" in said[0].split(":")[1] else [8])
    dispatcher.close()


@pytest.mark.parametrize(
    ("device", "stepped_on", "size"),
    [("cpu", "host", 64), ("cuda:0", "host", 64), ("cpu", "device", 64), ("cuda:0", "device", 70)],
)
def test_a_stack_of_dense_networks_is_not_measured(
    device: str, stepped_on: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has 64 tickets at most, but more where a GPU steps the environments too."""

    def never(*_: Any) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(stacking, "start_measuring", never)
    experiment = tiny(seeds=70, launcher={"device": device[:4].strip(":")}, training={"environments_on": stepped_on})
    workspace, database, _ = _queued(tmp_path, experiment)
    launcher = Launchers(workspace, [Slot("only", device, 1)])
    monkeypatch.setattr(launcher, "submit", lambda *_: launcher.here._running.update({"only": None}))  # type: ignore[dict-item]
    Dispatcher(workspace, database, launcher, Patience()).start_batches()
    assert _batches(database) == [size]


@pytest.mark.parametrize(("gpus", "most"), [(0, 64), (1, 2048)])
def test_on_a_cluster_a_stack_is_as_large_as_the_gpus_asked_for_allow(gpus: int, most: int, tmp_path: Path) -> None:
    experiment = tiny(training={"environments_on": "device"})
    workspace, database, job = _queued(tmp_path, experiment)
    dispatcher = Dispatcher(workspace, database, Launchers(workspace, [SLOT]), Patience())
    assert dispatcher._ceiling(job, experiment, SlurmLauncher(gpus=gpus)) == most


def test_a_measurement_for_a_job_that_is_gone_does_not_hold_up_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacking, "PATIENCE", 0.0)
    _, database, job = _queued(tmp_path, _atari())
    own = stacking.Stacking(database)
    assert own.largest(job, _atari(), SLOT) == 1  # given up at once
    monkeypatch.setattr(stacking, "PATIENCE", 300.0)
    assert own.largest(job + 1, _atari(), SLOT) is None
    monkeypatch.setattr(stacking, "PATIENCE", 0.0)
    own.largest(job + 2, _atari(), SLOT)
    assert own._process is None
    assert own.largest(job + 2, _atari(), SLOT) == 1


def test_closing_ends_a_measurement(tmp_path: Path) -> None:
    _, database, job = _queued(tmp_path, _atari())
    own = stacking.Stacking(database)
    assert own.largest(job, _atari(), SLOT) is None
    process = own._process
    assert process is not None and process.poll() is None
    own.close()
    assert process.poll() is not None
