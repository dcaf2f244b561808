"""Following jobs to their end, without an engine."""

from pathlib import Path

import pytest

from lth_core.batches.provenance import attempt_facts, version_of
from lth_core.cli import follower
from lth_core.cli.follower import Follower
from lth_core.store.batches import add_batch
from lth_core.store.database import Database
from lth_core.store.ingest import take_over
from lth_core.store.jobs import add_job, set_job
from lth_core.store.views import EventView, JobView
from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny


class Heard:
    """What was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def update(self, jobs: list[JobView], events: list[EventView]) -> None:
        """See Progress."""

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def close(self) -> None:
        """See Progress."""


def test_jobs_that_are_gone_have_ended_and_results_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_seconds: float) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(follower.time, "sleep", wait)
    monkeypatch.setattr(Follower, "_own_engine", lambda self: None)
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        done, paused = (add_job(connection, tiny(name), "x.toml", {}) for name in ("done", "paused"))
        set_job(connection, done, "done")
        set_job(connection, paused, "paused")
        connection.execute("UPDATE jobs SET deleted = 1.0")
    forgotten = 7
    heard = Heard()
    assert Follower(workspace, database, "cpu", 1, heard).wait([done, paused, forgotten]) == {paused, forgotten}
    assert [said.split(" before ")[0] for said in heard.said] == ["job 2 was deleted", "job 7 was deleted"]
    database.close()


def test_a_finished_job_that_ran_with_other_versions_is_said_to_have(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    experiment = tiny("known")
    facts = attempt_facts("a processor", 1)
    old = {**facts, "packages": {**facts["packages"], "gymnasium": "0.0.1", "owner/net": "c0ffee"}}
    with database.transaction() as connection:
        job = add_job(connection, experiment, "x.toml", {})
        batch = add_batch(connection, job, [1])
        take_over(connection, job, {"kind": "ran", "batch": batch, "attempt": 1, "facts": old})
    heard = Heard()
    Follower(workspace, database, "cpu", 1, heard)._go_on_with(job, "x.toml")
    assert heard.said[1:] == [f"job 1 ran with gymnasium 0.0.1, here is {version_of('gymnasium')}"]
    database.close()
