"""What a batch's folder says, brought into the store: also where it makes no sense."""

from pathlib import Path

import pytest

from lth_core.engine.batch import BatchFolder
from lth_core.engine.intake import Intake
from lth_core.engine.space import Space
from lth_core.store import queue
from lth_core.store.database import Database
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
        job = queue.add_job(connection, experiment(), "x.toml", {})
        batch = queue.add_batch(connection, job, [1])
        attempt = queue.begin_batch(connection, batch, "cpu/0")
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
