"""`lth doctor` and `lth gc`: what is found wrong, what is made again, and what is never removed."""

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lth_core.batches.batch import BatchFolder
from lth_core.cli import app
from lth_core.cli.doctor import _examine
from lth_core.engine.engine import Engine
from lth_core.engine.lease import Lease
from lth_core.errors import InputError
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.refusal import Refused
from lth_core.store.workspace import Workspace
from lth_core.upkeep import garbage, health
from lth_core.upkeep.health import Finding
from tests.alarm import within
from tests.engine.experiments import change_records, digest, forget, tiny
from tests.engine.test_engine import running

EXPERIMENT = tiny(arms=["winning", "random"])


def test_a_deleted_database_is_rebuilt_from_the_batches_folders(done: Path, workspace: Workspace) -> None:
    forget(workspace)
    found = health.remake_database(workspace)
    assert (found.jobs, found.trials, found.done, found.from_tensorboard) == (1, 10, 10, 0)
    assert found.unreadable == []
    assert digest(workspace.folder) == digest(done)
    database = Database(workspace.database, writer=False)
    view = views.job(database, 1)
    assert view is not None and view.state == "done" and view.experiment == EXPERIMENT
    database.close()


def test_without_records_the_curves_and_scores_come_from_tensorboard(done: Path, workspace: Workspace) -> None:
    whole = digest(done)
    forget(workspace)
    for path in workspace.batches.rglob("records.jsonl"):
        path.unlink()
    found = health.remake_database(workspace)
    assert found.done == 10 and found.from_tensorboard == found.points > 0
    rebuilt = digest(workspace.folder)
    assert rebuilt.keys() == whole.keys()
    for key, trial in rebuilt.items():
        assert trial["tensors"] == whole[key]["tensors"]
        assert trial["score"] == pytest.approx(whole[key]["score"], rel=1e-6)
        assert [m[:2] for m in trial["metrics"]] == [m[:2] for m in whole[key]["metrics"]]
        for mine, theirs in zip(trial["metrics"], whole[key]["metrics"], strict=True):
            assert mine[2] == pytest.approx(theirs[2], rel=1e-6, nan_ok=True) or mine[2] is theirs[2]


@pytest.mark.parametrize("kind", ["metrics", "done"])
def test_a_damaged_record_is_named_and_what_it_said_comes_from_tensorboard(
    done: Path, workspace: Workspace, kind: str
) -> None:
    whole = digest(done)
    path = workspace.batch(1) / "attempt-1" / "records.jsonl"
    lines = path.read_bytes().split(b"\n")
    place = next(place for place, line in enumerate(lines) if f'"{kind}"'.encode() in line)
    digits = lines[place].index(b'"step":') + 7
    lines[place] = lines[place][:digits] + b"9" + lines[place][digits + 1 :]
    path.write_bytes(b"\n".join(lines))
    forget(workspace)
    found = health.remake_database(workspace)
    assert found.done == 10 and found.from_tensorboard == (5 if kind == "metrics" else 0)
    assert found.unreadable == ["000001: lines of its records are damaged, in 1 places"]
    for key, trial in digest(workspace.folder).items():
        assert [m[:2] for m in trial["metrics"]] == [m[:2] for m in whole[key]["metrics"]]
        assert trial["score"] == pytest.approx(whole[key]["score"], rel=1e-6)


def test_a_damaged_event_file_is_read_up_to_its_damage(done: Path, workspace: Workspace) -> None:
    from lth_core.store.events_file import read_scalars

    folder = next((workspace.folder / "tensorboard").glob("*/winning/round-01/seed-0"))
    whole = read_scalars(folder)
    path = next(folder.iterdir())
    content = bytearray(path.read_bytes())
    content[-30] ^= 1
    path.write_bytes(content)
    less = read_scalars(folder)
    assert 0 < len(less) < len(whole)
    assert all(whole[key] == value or value != value for key, value in less.items())


@pytest.mark.processes
def test_a_rebuilt_job_that_was_not_over_goes_on_to_the_same_result(done: Path, workspace: Workspace) -> None:
    database = Database(workspace.database, writer=True)
    last = database.rows("SELECT MAX(id) FROM batches")[0][0]
    database.close()
    shutil.rmtree(workspace.batch(last))
    forget(workspace)
    found = health.remake_database(workspace)
    assert found.done < 10
    with running(workspace.folder) as r:
        assert r.state(1) == "paused"
        r.ask("resume", job=1)
        r.until_state(1, "done")
    assert digest(workspace.folder) == digest(done)


def _given_up(workspace: Workspace, batch: int) -> BatchFolder:
    """The batch as it was before its worker died, and its retry as the last batch, which has the results."""
    last = max(int(path.name) for path in workspace.batches.iterdir())
    again = BatchFolder(workspace.batch(last + 1))
    workspace.batch(batch).rename(again.folder)
    spec = json.loads((again.folder / "spec.json").read_text())
    del spec["checksum"]
    (again.folder / "spec.json").write_text(json.dumps({**spec, "batch": last + 1}))
    for path in again.folder.glob("attempt-*/records.jsonl"):
        new = last + 1
        change_records(path, {f"batches/{batch:06d}/": f"batches/{new:06d}/", f'"batch":{batch},': f'"batch":{new},'})
    first = BatchFolder(workspace.batch(batch))
    (first.folder / "attempt-1").mkdir(parents=True)
    (first.folder / "spec.json").write_text(json.dumps(spec))
    return first


def test_a_batch_whose_trials_a_later_one_has_trained_is_over(done: Path, workspace: Workspace) -> None:
    _given_up(workspace, 1)
    forget(workspace)
    found = health.remake_database(workspace)
    assert found.done == 10
    database = Database(workspace.database, writer=False)
    assert {row[0] for row in database.rows("SELECT state FROM batches")} == {"done"}
    database.close()
    assert digest(workspace.folder) == digest(done)


def test_folders_that_make_no_sense_are_named_and_left_out(workspace: Workspace) -> None:
    forget(workspace)
    (workspace.batch(1) / "spec.json").write_text('{"batch": 1, "job": "../x"}')
    (workspace.batches / "000009.aside-1").mkdir()
    (workspace.batches / "000077").mkdir()
    found = health.remake_database(workspace)
    assert [sentence.split("/")[0] for sentence in found.unreadable] == ["000001", "000077"]


@pytest.mark.parametrize("how", ["deleted", "empty", "between two renames of a repair"])
def test_a_database_that_is_gone_is_no_empty_workspace(done: Path, workspace: Workspace, how: str) -> None:
    before = {path.name for path in workspace.batches.iterdir()}
    if how == "between two renames of a repair":
        workspace.database.rename(workspace.folder / "workspace.sqlite.damaged-1")
    else:
        forget(workspace)
    if how == "empty":
        workspace.database.touch()
    for writer in (False, True):
        with pytest.raises(Refused, match="lth doctor --repair") as refused:
            Database(workspace.database, writer=writer)
        assert refused.value.kind == "gone"
    engine = Engine(workspace, "cpu", 1)
    engine.start()
    engine.join(60)
    assert isinstance(engine.error, Refused) and {path.name for path in workspace.batches.iterdir()} == before
    assert CliRunner().invoke(app, ["doctor", "--repair", "-w", str(workspace.folder)]).exit_code == 0
    assert digest(workspace.folder) == digest(done)


def test_doctor_tells_a_finding_before_it_looks_for_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[Finding] = []

    def slow(_: Workspace) -> Iterator[Finding]:
        for number in range(2):
            assert len(told) == 1 + number
            yield Finding("database", "good", str(number))

    monkeypatch.setattr(health, "machine", lambda: iter(()))
    monkeypatch.setattr(health, "database", slow)
    assert _examine(Workspace(tmp_path), told.append, False, 0) == told and len(told) == 3


@pytest.mark.processes
def test_doctor_finds_a_changed_file_and_repair_has_it_trained_again(done: Path, workspace: Workspace) -> None:
    tool = CliRunner()
    assert tool.invoke(app, ["doctor", "-w", str(workspace.folder)]).exit_code == 0
    database = Database(workspace.database, writer=False)
    path = workspace.folder / database.rows("SELECT tensors FROM trials WHERE arm = 'random' AND round = 2")[0][0]
    database.close()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    said = tool.invoke(app, ["doctor", "-w", str(workspace.folder)])
    assert said.exit_code == 1 and "its file has changed since it was written" in said.output
    said = tool.invoke(app, ["doctor", "--repair", "-w", str(workspace.folder)])
    assert said.exit_code == 0 and "1 trial with damaged files" in said.output, said.output
    with running(workspace.folder) as r:
        assert r.state(1) == "failed"
        r.ask("retry", job=1)
        r.until_state(1, "done")
    assert digest(workspace.folder) == digest(done)


def test_doctor_rebuilds_a_damaged_database_and_keeps_the_old_one_aside(done: Path, workspace: Workspace) -> None:
    tool = CliRunner()
    connection = sqlite3.connect(workspace.database)
    root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trials'").fetchone()[0]
    connection.close()
    content = bytearray(workspace.database.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    workspace.database.write_bytes(content)
    said = tool.invoke(app, ["doctor", "-w", str(workspace.folder)])
    assert said.exit_code == 1 and "--repair" in said.output
    said = tool.invoke(app, ["doctor", "--repair", "-w", str(workspace.folder)])
    assert said.exit_code == 0 and "1 job, 10 trials (10 done)" in said.output, said.output
    assert digest(workspace.folder) == digest(done)
    assert next(iter(workspace.folder.glob("workspace.sqlite.damaged-*"))).read_bytes() == content


def test_nobody_repairs_or_removes_under_a_working_engine(workspace: Workspace) -> None:
    lease = Lease(workspace.lease)
    tool = CliRunner()
    for command in (["doctor", "--repair"], ["gc", "--yes"]):
        said = tool.invoke(app, [*command, "-w", str(workspace.folder)])
        assert isinstance(said.exception, InputError) and "is owned by the engine of process" in str(said.exception)
    lease.release()


def _litter(workspace: Workspace) -> list[Path]:
    """Things that nothing needs, in all places where they come up."""
    attempt = workspace.batch(1) / "attempt-1"
    aside = workspace.batches / "000044.aside-123" / "attempt-1"
    aside.mkdir(parents=True)
    made = [
        attempt / f"step-{5:012d}.{'a' * 64}.safetensors",
        attempt / f"step-{6:012d}.{'a' * 64}.safetensors.damaged",
        attempt / "trial-999.safetensors",
        aside / "trial-1.safetensors",
        workspace.folder / "workspace.sqlite.damaged-1",
    ]
    for path in made:
        path.write_bytes(b"x" * 1000)
    return made


def _files(workspace: Workspace) -> set[Path]:
    """All files but those that SQLite makes for its locks."""
    beside = ("-wal", "-shm")
    return {path for path in workspace.folder.rglob("*") if path.is_file() and not path.name.endswith(beside)}


def test_gc_shows_first_and_removes_only_what_nothing_names(done: Path, workspace: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "trial-5.safetensors").write_text("somebody's")
    (workspace.batch(1) / "attempt-9").symlink_to(outside)
    (workspace.batches / "000055.aside-1").symlink_to(outside)
    litter = _litter(workspace)
    before = _files(workspace)
    tool = CliRunner()
    said = tool.invoke(app, ["gc", "-w", str(workspace.folder)])
    assert said.exit_code == 0 and "--yes removes these files" in said.output
    assert _files(workspace) == before, "only shown"
    assert tool.invoke(app, ["gc", "--yes", "-w", str(workspace.folder)]).exit_code == 0
    assert not any(path.exists() for path in litter)
    assert (outside / "trial-5.safetensors").read_text() == "somebody's"
    assert digest(workspace.folder) == digest(done), "everything that a ticket or report needs is there"
    assert tool.invoke(app, ["doctor", "-w", str(workspace.folder)]).exit_code == 0


def test_gc_leaves_the_checkpoints_that_a_batch_goes_on_from(workspace: Workspace) -> None:
    litter = _litter(workspace)
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        connection.execute("UPDATE batches SET state = 'pending' WHERE id = 1")
    found = [one.path for one in garbage.find(workspace, database, cancelled=False)]
    assert litter[0] not in found and litter[2] not in found and litter[1] in found
    database.close()


@pytest.mark.processes
def test_gc_takes_the_tensors_of_cancelled_jobs_only_where_asked_and_a_retry_trains_them_again(
    done: Path, workspace: Workspace
) -> None:
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET state = 'cancelled'")
    assert garbage.find(workspace, database, cancelled=False) == []
    found = garbage.find(workspace, database, cancelled=True)
    assert len(found) == 10
    garbage.remove(workspace, database, found)
    database.close()
    with running(workspace.folder) as r:
        r.ask("retry", job=1)
        r.until_state(1, "done")
    assert digest(workspace.folder) == digest(done)


def test_an_engine_can_own_what_was_rebuilt(workspace: Workspace) -> None:
    forget(workspace)
    health.remake_database(workspace)
    engine = Engine(workspace, "cpu", 1)
    engine.start()
    engine.stop()
    assert engine.error is None


def test_gc_looks_at_a_workspace_whose_batches_are_gone(workspace: Workspace) -> None:
    shutil.rmtree(workspace.batches)
    done = CliRunner().invoke(app, ["gc", "-w", str(workspace.folder)])
    assert done.exit_code == 0, done.output
    assert "nothing to free: all files are needed" in done.output


def test_doctor_says_that_the_built_in_text_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data", None)
    found = {finding.what: finding for finding in health.machine()}
    assert found["datasets"].state == "note"
    assert found["datasets"].sentence == "built-in text: missing"


def test_a_pipe_in_the_place_of_tensors_is_found_and_holds_nothing_up(workspace: Workspace) -> None:
    path = next(iter(sorted(workspace.batches.rglob("trial-*.safetensors"))))
    path.unlink()
    os.mkfifo(path)
    with within(60):
        found = [finding for finding in health.database(workspace) if finding.state == "bad"]
        assert len(found) == 1 and "not a regular file" in found[0].sentence
        inspected = CliRunner().invoke(app, ["inspect", "1", "--workspace", str(workspace.folder)])
    assert isinstance(inspected.exception, InputError) and "not a regular file" in str(inspected.exception)
