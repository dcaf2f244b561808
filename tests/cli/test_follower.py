"""Following jobs to their end, without an engine."""

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lth_core.batches.provenance import attempt_facts, version_of
from lth_core.cli import follower
from lth_core.cli.follower import Follower
from lth_core.cli.progress import PlainProgress
from lth_core.store import views
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


@pytest.mark.parametrize("suite", [None, "twice"])
def test_what_is_done_needs_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: str | None) -> None:
    def start(*_given: object) -> None:
        raise AssertionError("an engine, which would begin other jobs")

    monkeypatch.setattr(follower, "Engine", start)
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        done = add_job(connection, tiny("done"), "x.toml", {}, suite)
        set_job(connection, done, "done")
    heard = Heard()
    following = Follower(workspace, database, "cpu", 1, heard)
    assert following.submit(tiny("done"), Path("x.toml"), False, suite) == done
    assert following.wait([done]) == set()
    assert not following.close()
    assert heard.said[0].partition(";")[0].endswith("job 1 already has this experiment (done)")
    with pytest.raises(AssertionError, match="an engine"):  # which adds it to the suite
        following.submit(tiny("done"), Path("x.toml"), False, "other" if suite is None else "another")
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


def test_it_says_once_why_no_job_will_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "TAKE_OVER_EVERY", 0.0)
    monkeypatch.setattr(follower, "POLL", 0.0)
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        done, paused, other, full, queued = (add_job(connection, tiny(name), "x.toml", {}) for name in "abcde")
        set_job(connection, done, "done")
        set_job(connection, paused, "paused")
        set_job(connection, other, "paused")
        set_job(connection, full, "paused", "disk full; it continues by itself when there is space")
    nobody = "nothing works on this workspace: `lth wait --run` or `lth-tui` trains its jobs"
    one, two = (
        "this job is paused: `lth resume 2` continues it",
        "these jobs are paused: `lth resume 2 3` continues them",
    )
    told: list[tuple[list[int], list[str]]] = [
        ([done], []), ([done, paused], [one]), ([paused, other], [two]),
        ([paused, full], [nobody]), ([queued], [nobody]),
    ]  # fmt: skip
    for jobs, said in told:
        heard = Heard()
        waiting = Follower(workspace, database, "cpu", 1, heard, runs=False)
        waiting.wait(jobs, until=follower.time.monotonic() + 0.02)
        assert heard.said == said, jobs
    database.close()


def test_lines_of_progress_leave_out_what_is_not_known() -> None:
    out = io.StringIO()
    progress = PlainProgress(Console(file=out, width=200, color_system=None))
    unknown = JobView(
        1, "x", "", "running", "", 0.0, 0.0, None, None, 4, 1, 0, 1, 0, 1, 0.25, 0.0, None, tiny("x"), None
    )  # fmt: skip
    progress._said_at = -math.inf
    progress.update([unknown], [])
    progress._said_at = -math.inf
    progress.update([replace(unknown, seconds_left=61.0, rate=1500.0)], [])
    assert out.getvalue().splitlines() == ["x: 25%, 1/4 trials", "x: 25%, 1/4 trials, 1.5k/s, 1:01 left"]


def test_a_line_of_progress_names_its_job_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        add_job(connection, tiny("x", seeds=1, arms=["winning"], pruning={"rounds": 1}), "x.toml", {})
    out = io.StringIO()
    progress = PlainProgress(Console(file=out, width=200, color_system=None))
    progress.update(views.jobs(database), views.events(database))
    assert out.getvalue() == "x: queued with 2 trials\n"
    database.close()
