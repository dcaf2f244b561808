"""A worker that outlives its engine for a moment: what it publishes late counts once, or is not published."""

import json
from pathlib import Path

import pytest

from lth_core.batches.batch import BatchFolder, BatchSpec, Superseded, TrialSpec
from lth_core.batches.exit_codes import CHECKPOINTED, DONE
from lth_core.engine.disk import Space
from lth_core.engine.intake import Intake
from lth_core.engine.launchers.base import Ended
from lth_core.experiment.plan import TrialKey
from lth_core.store import views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.records import read_all
from lth_core.store.workspace import Workspace
from lth_core.worker import attempt as module
from lth_core.worker.attempt import Attempt
from tests.small import experiment


def _late(trial: int, score: float) -> str:
    records = [
        {"kind": "metrics", "trial": trial, "step": 512, "values": {"return": score}},
        {"kind": "audit", "trial": trial, "moment": "after", "checks": [["mask kept", True, ""]]},
        {"kind": "done", "trial": trial, "step": 512, "score": score, "tensors": "x", "sha256": "y"},
        {"kind": "done", "trial": [trial]},
    ]
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("code", [DONE, CHECKPOINTED])
def test_a_result_that_an_earlier_attempt_published_late_counts_once(tmp_path: Path, code: int) -> None:
    workspace = Workspace(tmp_path)
    workspace.create()
    database = Database(workspace.database, writer=True)
    intake = Intake(workspace, database, Space(tmp_path))
    with database.transaction() as connection:
        job = add_job(connection, experiment(), "x.toml", {})
        batch = add_batch(connection, job, [1, 2])
    folder = BatchFolder(workspace.batch(batch))
    folder.folder.mkdir()
    for number in (1, 2):
        with database.transaction() as connection:
            assert begin_batch(connection, batch, "cpu/0") == number
        folder.begin(number)
        if number == 1:
            intake.end(Ended(batch, CHECKPOINTED, ""))
            (folder.attempt(1) / "records.jsonl").write_text(_late(1, 7.0))  # its worker was still at it
    (folder.attempt(2) / "records.jsonl").write_text(_late(2, 8.0))
    intake.end(Ended(batch, code, ""))
    trials = {trial.id: trial for trial in views.trials(database, job)}
    assert [(trials[n].state, trials[n].score, trials[n].error) for n in (1, 2)] == [
        ("done", 7.0, None), ("done", 8.0, None),
    ]  # fmt: skip
    assert database.rows("SELECT COUNT(*) FROM metrics")[0][0] == 2
    assert database.rows("SELECT COUNT(*) FROM audits")[0][0] == 2
    row = database.row("SELECT state FROM batches")
    assert row is not None and row["state"] == "done"
    database.close()


def test_a_worker_that_was_superseded_while_it_wrote_its_tensors_does_not_say_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    workspace.create()
    folder = BatchFolder(workspace.batch(1))
    spec = BatchSpec(1, 1, experiment(), (TrialSpec(1, TrialKey(0, "dense", 0)),), (), "tensorboard/0001-x")
    folder.complete(spec)
    folder.begin(1)
    save = module.save_tensors

    def slow(*written: object) -> str:
        sha256 = save(*written)  # type: ignore[arg-type]
        folder.fence()  # the next engine is there
        return sha256

    monkeypatch.setattr(module, "save_tensors", slow)
    running = Attempt(workspace, spec, 1, "cpu", lambda: False)
    with pytest.raises(Superseded):
        running.run()
    running.close()
    assert "done" not in {record["kind"] for record in read_all(folder.attempt(1) / "records.jsonl")}
