"""What a batch's folder says, brought into the store: also where it makes no sense."""

import errno
from pathlib import Path

import pytest

from lth_core.batches.batch import BatchFolder
from lth_core.engine.disk import Space
from lth_core.engine.failures import fail_job
from lth_core.engine.intake import Intake
from lth_core.store import views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.ingest import take_over
from lth_core.store.jobs import add_job
from lth_core.store.record_lines import Chain, record_of
from lth_core.store.records import body
from lth_core.store.workspace import Workspace
from tests.small import experiment


@pytest.mark.parametrize(
    "beat", ['{"fraction": "half", "rate": 1}', '{"fraction": NaN}', '{"fraction": 1, "rate": [2]}', "[]", "{"]
)
def test_a_beat_that_makes_no_sense_stops_nothing(tmp_path: Path, beat: str) -> None:
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        job = add_job(connection, experiment(), "x.toml", {})
        batch = add_batch(connection, job, [1])
        attempt = begin_batch(connection, batch, "cpu/0")
    folder = BatchFolder(workspace.batch(batch))
    folder.folder.mkdir()
    (folder.begin(attempt) / "beat.json").write_text(beat)
    intake = Intake(workspace, database, Space(tmp_path))
    intake.ingest(batch)
    (folder.attempt(attempt) / "beat.json").write_text('{"fraction": 0.5, "rate": 10.0}')
    intake.ingest(batch)
    row = database.row("SELECT fraction, rate FROM batches")
    assert row is not None and tuple(row) == (0.5, 10.0)
    database.close()


def test_a_damaged_record_is_left_out_with_an_event(tmp_path: Path) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    with database.transaction() as connection:
        job = add_job(connection, experiment(), "x.toml", {})
        line = Chain().line(body({"kind": "metrics", "trial": 1, "step": 512, "values": {"games": 4.0}}))
        take_over(connection, job, record_of(line.rstrip().replace(b"4.0", b"5.0")))
        take_over(connection, job, record_of(line.rstrip()))
    assert [tuple(row) for row in database.rows("SELECT step, value FROM metrics")] == [(512, 4.0)]
    assert [event.text for event in views.events(database) if event.kind == "bad record"] == [
        "a record was left out: it is not what a worker wrote"
    ]
    database.close()


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_away_or_full_fails_no_job(tmp_path: Path, number: int) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    with database.transaction() as connection:
        job = add_job(connection, experiment(), "x.toml", {})
    with pytest.raises(OSError):
        fail_job(database, job, OSError(number, "for the moment"))
    assert database.row("SELECT state FROM jobs WHERE id = ?", job)["state"] == "queued"  # type: ignore[index]
    fail_job(database, job, OSError(errno.ENOTDIR, "Not a directory"))
    assert database.row("SELECT state FROM jobs WHERE id = ?", job)["state"] == "failed"  # type: ignore[index]
