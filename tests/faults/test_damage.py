"""Files that are cut, flipped, swapped or hostile: checkpoints, masks, tensors, specifications, the database."""

import os
import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_core.store import views
from tests.faults.runs import Run, assert_whole, short


class Explosive:
    """Leaves a trace if anybody unpickles it."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self._trace),))


def _damaged(content: bytes, other: bytes, how: str, trace: Path) -> bytes:
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 8
    return {
        "cut": content[: len(content) // 3], "flipped": bytes(flipped), "swapped": other, "empty": b"",
        "a pickle": pickle.dumps(Explosive(trace)),
    }[how]  # fmt: skip


HOW = ["cut", "flipped", "swapped", "a pickle", "empty"]


@pytest.mark.fault("newest checkpoint")
@pytest.mark.parametrize("how", ["flipped", *(pytest.param(h, marks=pytest.mark.slow) for h in HOW if h != "flipped")])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_used(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, how: str
) -> None:
    whole = left_alone()
    run = make_run(slots=1)
    run.start()
    run.until(lambda: len(list(run.workspace.rglob("step-*.safetensors"))) >= 2 or run.ended())
    run.kill()
    older, newest = sorted(run.workspace.rglob("step-*.safetensors"), key=lambda path: path.name)[-2:]
    trace = run.folder / "unpickled"
    newest.write_bytes(_damaged(newest.read_bytes(), older.read_bytes(), how, trace))
    run.finish()
    assert_whole(run, whole)
    assert not trace.exists(), "a pickle was loaded"
    assert f"resumed at step {int(older.name[5:17])}" in run.logs()
    seen("noticed by its checksum, set aside; the one before used; same bits; nothing unpickled")


@pytest.mark.fault("a finished trial's tensors and mask")
@pytest.mark.parametrize(
    ("how", "building"),
    [pytest.param(h, b, marks=pytest.mark.slow) for h, b in [*((h, False) for h in HOW), ("flipped", True)]],
)
def test_a_damaged_parent_fails_its_seed_only_and_a_retry_trains_it_again(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, how: str, building: bool
) -> None:
    """building: what builds on it has checkpointed before the damage is done."""
    experiment = short(pruning={"rounds": 2}, training={"length": 30_000})
    whole = left_alone(experiment)
    run = make_run(experiment, slots=1)
    run.start()
    run.until(lambda: run.said("round 0 finished"))
    if building:
        run.until(lambda: bool(list(run.workspace.glob("batches/000002/*/step-*.safetensors"))))
    run.kill()
    with run.database() as database:
        rows = database.rows("SELECT tensors FROM trials WHERE round = 0 ORDER BY seed")
    first, second = (run.workspace / row[0] for row in rows)
    trace = run.folder / "unpickled"
    second.write_bytes(_damaged(second.read_bytes(), first.read_bytes(), how, trace))
    run.finish(1)
    assert any("a trial it builds on is damaged" in error for error in run.errors())
    assert any("its file is damaged" in error for error in run.errors())
    with run.database() as database:
        states = {(t.seed, t.round): t.state for t in views.trials(database, 1) if t.arm != "dense"}
    assert states[0, 2] == "done" and states[1, 2] == "blocked"
    run.finish()  # the same command tries again what failed
    assert_whole(run, whole)
    assert not trace.exists()
    seen("its seed fails with the file named, the other seed goes on; run again, all is trained; same bits")


@pytest.mark.fault("the database")
@pytest.mark.parametrize("how", ["cut", "flipped", "a pickle", "another program's", "with a trigger", "of schema 999"])
def test_a_damaged_or_foreign_database_is_refused_with_a_sentence(
    make_run: Callable[..., Run], seen: Any, tmp_path: Path, how: str
) -> None:
    run = make_run(short(seeds=1, training={"length": 19_000}))
    run.workspace.mkdir(parents=True)
    path, trace = run.workspace / "workspace.sqlite", run.folder / "unpickled"
    if how != "another program's":
        from lth_core.store.database import Database

        Database(path, writer=True).close()
    if how in ("cut", "flipped", "a pickle"):
        content = bytearray(path.read_bytes())
        content[0:200] = bytes(byte ^ 1 for byte in content[0:200])
        whole = {
            "cut": path.read_bytes()[:9_000],
            "flipped": bytes(content),
            "a pickle": pickle.dumps(Explosive(trace)),
        }
        path.write_bytes(whole[how])
    else:
        connection = sqlite3.connect(path)
        connection.execute({
            "another program's": "CREATE TABLE bookmarks (x)",
            "with a trigger": "CREATE TRIGGER evil AFTER INSERT ON commands BEGIN DELETE FROM jobs; END",
            "of schema 999": "PRAGMA user_version = 999",
        }[how])  # fmt: skip
        connection.commit()
        connection.close()
    run.start()
    run.finish(2)
    said = run.output.read_text().strip()
    assert "Traceback" not in said and "\n" not in said and str(path) in said, said
    assert not trace.exists()
    seen(f"exit code 2: {said.partition('workspace.sqlite: ')[2]}")


@pytest.mark.slow
@pytest.mark.fault("a database page flipped in the middle of a run")
def test_a_page_that_is_damaged_later_ends_the_run_with_a_sentence(make_run: Callable[..., Run], seen: Any) -> None:
    run = make_run(short(training={"length": 19_000}))
    run.finish()
    path = run.workspace / "workspace.sqlite"
    connection = sqlite3.connect(path)
    root, size = connection.execute("SELECT rootpage, 4096 FROM sqlite_master WHERE name = 'trials'").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(content)
    run.output.write_text("")
    run.start()
    run.finish(2)
    said = run.output.read_text().strip().splitlines()[-1]
    assert "malformed" in said and "Traceback" not in run.output.read_text(), said
    seen("exit code 2: database disk image is malformed; `lth doctor` says what can be done")


@pytest.mark.fault("a stored job that leads out of the workspace")
@pytest.mark.parametrize("how", [
    pytest.param("a name", marks=pytest.mark.slow), "a link", pytest.param("tensors", marks=pytest.mark.slow),
])  # fmt: skip
def test_what_leads_out_of_the_workspace_fails_its_job_and_the_queue_goes_on(
    make_run: Callable[..., Run], seen: Any, tmp_path: Path, how: str
) -> None:
    from lth_core.store.database import Database

    hostile = make_run(short(training={"length": 19_000}), name="hostile", slots=1)
    hostile.start()
    hostile.until(lambda: hostile.said("round 0 finished"))
    hostile.kill()
    outside = tmp_path / "outside"
    outside.mkdir()
    database = Database(hostile.workspace / "workspace.sqlite", writer=True)
    with database.transaction() as connection:
        connection.execute("UPDATE batches SET state = 'cancelled' WHERE state != 'done'")
        connection.execute("UPDATE trials SET state = 'waiting', batch = NULL WHERE state != 'done'")
        number = connection.execute("SELECT MAX(id) FROM batches").fetchone()[0] + 1
        if how == "a name":
            connection.execute("UPDATE jobs SET name = '../../outside/x'")
        elif how == "tensors":
            connection.execute("UPDATE trials SET tensors = '../../outside/x' WHERE tensors IS NOT NULL")
    database.close()
    if how == "a link":
        (hostile.workspace / "batches" / f"{number:06d}").symlink_to(outside)
    other = make_run(short("other", seeds=1, training={"length": 18_500}), name="other", workspace=hostile.workspace)
    other.finish()
    assert not list(outside.iterdir()), "something was written outside"
    with other.database() as reading:
        states = {row["id"]: (row["state"], row["error"]) for row in reading.rows("SELECT id, state, error FROM jobs")}
    assert states[1][0] == "failed" and states[2][0] == "done", states
    seen("its job failed with a sentence; the next job done; nothing written outside")
