"""Processes that run out when a worker is to start, and a workspace that is moved while it runs."""

from pathlib import Path
from typing import Any

import pytest

from lth_core.engine import scarcity
from lth_core.engine.launchers.local import LocalWorkers
from lth_core.errors import InputError
from lth_core.store import views
from tests.engine.experiments import tiny
from tests.engine.test_engine import running

pytestmark = pytest.mark.processes

SMALL = {"arms": ["winning"], "seeds": 1, "pruning": {"rounds": 1}}


def test_a_worker_that_cannot_be_started_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, spawn = [1, 2], LocalWorkers._spawn

    def scarce(self: LocalWorkers, *arguments: Any) -> object:
        if left:
            left.pop()
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return spawn(self, *arguments)

    monkeypatch.setattr(scarcity, "RETRY", 0.1)
    monkeypatch.setattr(LocalWorkers, "_spawn", scarce)
    with running(tmp_path) as r:
        r.submit(tiny(**SMALL))
        r.until_state(1, "done")
        told = [event.text for event in views.events(r.database) if event.kind == "warning"]
        assert told == ["no worker can be started: Resource temporarily unavailable; trying again every 0 s"]
        assert r.database.rows("SELECT attempt FROM batches")[0]["attempt"] == 1


def test_a_workspace_that_is_moved_while_it_runs_is_whole_where_it_is_then(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    with running(old) as r:
        r.submit(tiny(**SMALL, training={"length": 200_000}))
        r.until(lambda: r.database.row("SELECT 1 FROM metrics") is not None)
        old.rename(new)
        r.engine.join(60)
        assert isinstance(r.engine.error, InputError) and "was moved or removed" in str(r.engine.error)
        r.database.close()
    assert not old.exists()
    with running(new) as r:
        r.until(lambda: r.database.row("SELECT 1 FROM batches WHERE attempt > 1") is not None)
        assert r.state(1) == "running"
        assert {trial.state for trial in views.trials(r.database, 1)} <= {"waiting", "ready", "running"}
        assert not [
            event.text for event in views.events(r.database) if event.kind in ("damaged", "trial failed", "retry")
        ]
