"""A workspace from somebody else, or one that was meddled with: an odd batch folder fails its job at most."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.batch import BatchFolder
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job, set_job
from lth_core.store.workspace import Workspace
from tests.alarm import within
from tests.engine.experiments import tiny
from tests.engine.test_engine import running

pytestmark = pytest.mark.processes

SMALL: dict[str, Any] = {
    "seeds": 1, "arms": ["winning"], "pruning": {"rounds": 1},
    "training": {"length": 320, "record_every": 160, "checkpoint_every": 160},
}  # fmt: skip


@dataclass
class Foreign:
    """A workspace whose database holds a running batch, and a folder outside of it with files that must stay."""

    workspace: Workspace
    outside: Path

    @property
    def batch(self) -> Path:
        return self.workspace.batch(1)

    @property
    def attempt(self) -> Path:
        return self.batch / "attempt-1"

    def seen_outside(self) -> dict[str, str]:
        return {str(p.relative_to(self.outside)): p.read_text() for p in self.outside.rglob("*") if p.is_file()}


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    workspace = Workspace(tmp_path / "w")
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        job = add_job(connection, tiny("hostile", **SMALL), "source", {})
        batch = add_batch(connection, job, [1])
        begin_batch(connection, batch, "cpu/0")
        set_job(connection, job, "running")
    database.close()
    outside = tmp_path / "outside"
    (outside / "attempt-1").mkdir(parents=True)
    for name in ("bashrc", "current", ".keep.tmp", "attempt-1/step-important.safetensors"):
        (outside / name).write_text("mine\n")
    (outside / "attempt-1" / "exit.json").write_text(json.dumps({"code": 1, "error": "x"}))
    made = Foreign(workspace, outside)
    made.attempt.mkdir(parents=True)
    return made


def _log_link(f: Foreign) -> None:
    (f.attempt / "log.txt").symlink_to(f.outside / "bashrc")
    (f.attempt / "exit.json").write_text(json.dumps({"code": 1, "error": "x\ntouch /tmp/y\n#"}))


def _batch_link(f: Foreign) -> None:
    shutil.rmtree(f.batch)
    f.batch.symlink_to(f.outside)


def _attempt_link(f: Foreign) -> None:
    f.attempt.rmdir()
    f.attempt.symlink_to(f.outside / "attempt-1")


def _batch_link_to_another(f: Foreign) -> None:
    f.batch.rename(f.batch.with_name("000009"))
    f.batch.symlink_to("000009")


def _temporary_link(f: Foreign) -> None:
    (f.batch / f".current.{os.getpid()}.tmp").symlink_to(f.outside / "bashrc")


STORED = "cannot be run as it is stored: "
REFUSED = f"{STORED}batches/000001"
LINKS: dict[str, tuple[Callable[[Foreign], None], str]] = {
    "log": (_log_link, "trials failed"), "batch": (_batch_link, REFUSED), "attempt": (_attempt_link, REFUSED),
    "another batch": (_batch_link_to_another, REFUSED), "temporary file": (_temporary_link, ""),
}  # fmt: skip
"""How each is made, and what its job then fails with, if it does."""


def _later_attempt(f: Foreign) -> None:
    (f.batch / "attempt-2").mkdir()
    (f.batch / "attempt-2" / "records.jsonl").write_text('{"kind":"failed","trial":99,"error":"another\'s"}\n')


ODD: dict[str, tuple[Callable[[Foreign], None], str]] = {
    "no folder": (lambda f: shutil.rmtree(f.batch), ""),
    "a file": (lambda f: (shutil.rmtree(f.batch), f.batch.write_text("x")), STORED),
    "an attempt too many": (_later_attempt, ""),
    "records a folder": (lambda f: (f.attempt / "records.jsonl").mkdir(), ""),
    "records a pipe": (lambda f: os.mkfifo(f.attempt / "records.jsonl"), ""),
    "last word a pipe": (lambda f: os.mkfifo(f.attempt / "exit.json"), ""),
    "beat a pipe": (lambda f: os.mkfifo(f.attempt / "beat.json"), ""),
    "specification a pipe": (lambda f: os.mkfifo(f.batch / "spec.json"), ""),
    "specification a folder": (lambda f: (f.batch / "spec.json").mkdir(), STORED),
    "current a folder": (lambda f: (f.batch / "current").mkdir(), STORED),
}  # fmt: skip


def work(foreign: Foreign) -> tuple[str, str]:
    """Have an engine work on it until its job and one more are over; that job's state and error."""
    with within(120), running(foreign.workspace.folder) as r:
        r.submit(tiny("other", **SMALL), again=True)
        r.until(lambda: all(r.state(job) in ("done", "failed") for job in (1, 2)))
        assert r.state(2) == "done", "the queue goes on"
        row = r.database.row("SELECT state, error FROM jobs WHERE id = 1")
        assert row is not None and not r.database.rows("SELECT 1 FROM batches WHERE state IN ('running', 'pending')")
        return row["state"], row["error"] or ""


@pytest.mark.fault("a link in the place of a batch's folder or file")
@pytest.mark.parametrize("how", LINKS)
def test_a_link_in_a_batch_leads_nowhere(foreign: Foreign, seen: Any, how: str) -> None:
    link, sentence = LINKS[how]
    link(foreign)
    before = foreign.seen_outside()
    state, error = work(foreign)
    assert foreign.seen_outside() == before, "something outside was written or deleted"
    assert (state == "failed") == bool(sentence) and sentence in error
    seen("its job failed with a sentence; the next job done; nothing outside written or deleted")


@pytest.mark.fault("a batch's folder that is not as it must be")
@pytest.mark.parametrize("how", ODD)
def test_an_odd_batch_goes_on_or_fails_its_job_and_the_queue_goes_on(foreign: Foreign, seen: Any, how: str) -> None:
    make, sentence = ODD[how]
    make(foreign)
    state, error = work(foreign)
    assert (state == "failed") == bool(sentence) and error.startswith(sentence), error
    assert "Errno" not in error
    seen("its job failed with a sentence; the next job done" if sentence else "made again or set aside; both jobs done")


def test_a_folder_that_is_taken_away_while_its_batch_runs_is_made_again(tmp_path: Path) -> None:
    with within(120), running(tmp_path) as r:
        r.submit(tiny(seeds=1, arms=["winning"], pruning={"rounds": 1}, training={"length": 12_000}))
        r.until(lambda: bool(list(r.workspace.batch(1).glob("attempt-1/step-*"))))
        shutil.rmtree(r.workspace.batch(1))
        r.until_state(1, "done")


def test_the_engine_adds_one_line_to_a_log_whatever_the_cause_says(tmp_path: Path) -> None:
    folder = BatchFolder(tmp_path)
    folder.attempt(1).mkdir()
    folder.note(1, "x\ntouch y\n\x1b[2J#")
    assert (folder.attempt(1) / "log.txt").read_text() == "engine: x touch y #\n"
