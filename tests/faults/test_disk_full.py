"""A disk that fills up, on a small filesystem of its own: the job waits, old files stay whole, then it goes on."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.experiment.experiment import Experiment
from lth_core.store import commands, views
from lth_core.store.database import Database
from tests.faults.runs import REPLAYING, Run, assert_whole, replaying, short

SIZE = 12 * 2**20
MODEL = {"hidden": [64, 64]}
EXPERIMENT = short(model=MODEL, training={"length": 100_000, "checkpoint_every": 4_000, "record_every": 1_000})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 12 MiB in memory; skips where mounting is not permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("mounting a small filesystem is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(disk: Path, leave: int) -> Path:
    """Take all room but `leave` bytes."""
    filler = disk / "filler"
    status = os.statvfs(disk)
    room = status.f_bavail * status.f_frsize - leave
    with filler.open("wb", buffering=0) as file:
        try:
            while room > 0:
                room -= file.write(b"x" * min(room, 65536))
        except OSError:
            assert leave == 0
    return filler


def _begun(make_run: Callable[..., Run], left_alone: Any, small_disk: Path, experiment: Experiment) -> Run:
    """A run on a small disk that has a checkpoint and records."""
    left_alone(experiment)  # not meanwhile
    run = make_run(experiment, workspace=small_disk / "w")
    run.start()
    _half_done(run)
    return run


@pytest.fixture
def half_done(make_run: Callable[..., Run], left_alone: Any, small_disk: Path) -> Run:
    """One of EXPERIMENT."""
    return _begun(make_run, left_alone, small_disk, EXPERIMENT)


def _half_done(run: Run) -> None:
    """Wait until there are a checkpoint and records."""
    run.until(lambda: bool(list(run.workspace.rglob("step-*.safetensors"))) or run.ended())
    assert not run.ended()


@pytest.mark.fault("disk full while the worker writes")
@pytest.mark.parametrize(("experiment", "leave"), [
    pytest.param(EXPERIMENT, 0, id="records or TensorBoard"),
    pytest.param(EXPERIMENT, 40_000, id="a checkpoint", marks=pytest.mark.slow),
    *(pytest.param(replaying(name, 24_000), 40_000, id=f"a replay buffer, {name}", marks=pytest.mark.slow)
      for name in REPLAYING),
])  # fmt: skip
def test_a_full_disk_pauses_the_job_until_there_is_room(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, small_disk: Path, experiment: Experiment, leave: int
) -> None:
    run, whole = _begun(make_run, left_alone, small_disk, experiment), left_alone(experiment)
    engine = run.process
    assert engine is not None
    kept = {path: path.read_bytes() for path in run.workspace.rglob("trial-*.safetensors")}
    engine.send_signal(signal.SIGSTOP)  # so that the workers are the ones to meet the full disk
    filler = _fill(small_disk, leave)

    def ended() -> bool:
        done = list(run.workspace.glob("batches/*/attempt-*/exit.json"))
        if len(run.workers()) == len(done):  # those were done before the disk was full, and wait for more to do
            for worker in run.workers():
                worker.kill()
        return not run.workers()

    run.until(ended)
    engine.send_signal(signal.SIGCONT)
    run.until(lambda: run.said("job paused: disk full"))
    assert not run.ended(), "it waits"
    run.until(lambda: not run.workers())
    assert not (run.workspace / "reserve").exists(), "the reserve was freed to write this down"
    assert not list(run.workspace.rglob("*.tmp")), "nothing half written is left"
    assert all(path.read_bytes() == content for path, content in kept.items())
    with run.database() as database:
        row = database.row("SELECT state, error FROM jobs")
        assert row["state"] == "paused" and row["error"].startswith("disk full: ")
    filler.unlink()
    run.finish()
    assert_whole(run, whole)
    assert any("there is room on the disk again" in text for text in run.events())
    assert (run.workspace / "reserve").exists()
    seen("paused: disk full; old files whole; went on by itself when there was room; same bits")


@pytest.mark.slow
@pytest.mark.fault("disk full while the engine writes its database")
def test_a_database_that_cannot_grow_pauses_the_job(
    half_done: Run, left_alone: Any, seen: Any, small_disk: Path
) -> None:
    run, whole = half_done, left_alone(EXPERIMENT)
    for worker in run.workers():
        worker.suspend()  # so that the engine is the one to meet the full disk
    database = Database(run.workspace / "workspace.sqlite", writer=False)
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    filler = _fill(small_disk, 0)
    run.until(lambda: run.said("job paused: disk full"))
    database.close()
    filler.unlink()
    run.finish()
    assert_whole(run, whole)
    seen("paused: disk full; nothing lost of the database; went on when there was room; same bits")


@pytest.mark.slow
@pytest.mark.fault("disk full before the engine starts")
def test_a_disk_that_was_full_before_lets_the_run_begin_and_wait(
    half_done: Run, left_alone: Any, seen: Any, small_disk: Path
) -> None:
    run, whole = half_done, left_alone(EXPERIMENT)
    run.kill()
    with run.database():  # the last one to close takes SQLite's own files away, whose room opening needs
        pass
    filler = _fill(small_disk, 0)
    run.start()
    run.until(lambda: run.said("job paused: disk full"))
    assert not run.ended(), "it waits"
    filler.unlink()
    run.finish()
    assert_whole(run, whole)
    seen("opened with the room of the reserve; paused: disk full; went on when there was room; same bits")


@pytest.mark.fault("too little disk for a job, before it starts")
def test_a_job_that_does_not_fit_on_the_disk_does_not_start(
    make_run: Callable[..., Run], seen: Any, small_disk: Path
) -> None:
    run = make_run(short(model={"hidden": [512, 512]}), workspace=small_disk / "w")
    run.start()
    run.until(lambda: run.said("job paused: disk full"))
    assert not run.recorded() or not list(run.workspace.rglob("step-*"))
    with run.database() as database:
        error = database.row("SELECT error FROM jobs")[0]
    assert "MB are needed and" in error
    run.until(lambda: not run.workers())
    assert not run.ended()
    seen(f"not started; paused: {error}")


@pytest.mark.fault("too little disk for one job of several")
def test_a_job_that_does_not_fit_keeps_no_other_from_running(
    make_run: Callable[..., Run], seen: Any, small_disk: Path
) -> None:
    run = make_run(short(seeds=1, training={"length": 50_000_000}), workspace=small_disk / "w", slots=3)
    run.start()
    _half_done(run)
    database = Database(run.workspace / "workspace.sqlite", writer=True)
    length = {"length": 19_000}
    wanted = (
        short("big", seeds=1, model={"hidden": [512, 512]}, training=length),
        short("third", seeds=1, training=length),
    )
    for experiment in wanted:
        commands.ask(database, commands.Submit(experiment=experiment.canonical(), source="x"))

    def state(job: int) -> str:
        view = views.job(database, job)
        return view.state if view else "not there"

    run.until(lambda: state(2) == "paused")
    run.until(lambda: state(3) == "done")
    assert state(1) == "running" and not run.said("job paused"), "the first one never stopped"
    view = views.job(database, 2)
    assert view is not None and view.error is not None and "MB are needed and" in view.error
    subprocess.run(["mount", "-o", "remount,size=200M", str(small_disk)], check=True)
    run.until(lambda: state(2) == "done")
    assert state(1) == "running" and not run.said("job paused")
    database.close()
    seen("it alone is paused; others go on; it goes on by itself when there is room for it")


@pytest.mark.fault("a workspace that cannot be written")
def test_a_read_only_workspace_is_refused_with_a_sentence(
    make_run: Callable[..., Run], seen: Any, small_disk: Path
) -> None:
    run = make_run(short(seeds=1, training={"length": 19_000}), workspace=small_disk / "w")
    run.finish()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    run.output.write_text("")
    run.start()
    run.finish(2)
    said = run.output.read_text()
    assert (
        "Traceback" not in said and said.endswith("is read-only, and a run writes there\n") and said.count("\n") == 1
    ), said
    with run.database() as database:  # reading goes on
        assert database.row("SELECT state FROM jobs")[0] == "done"
    seen("exit code 2: FOLDER is read-only, and a run writes there; results can still be read")
