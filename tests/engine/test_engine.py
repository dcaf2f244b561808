"""The engine as a thread: jobs run to their end, several share slots, commands are obeyed, faults stay contained."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from lth_core.analysis.verdict import summarise
from lth_core.batches import patience
from lth_core.batches.batch import BatchFolder
from lth_core.engine import failures as retry
from lth_core.engine.engine import Engine, LeaseHeld
from lth_core.engine.launchers import local
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.store import commands, digests, views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from tests.engine.experiments import digest, tiny, write_command
from tests.faults.runs import injected
from tests.small import ARMS

pytestmark = pytest.mark.processes


class Running:
    """An engine, and what an interface would do with its store."""

    def __init__(self, folder: Path, slots: int) -> None:
        self.workspace = Workspace(folder)
        self.engine = Engine(self.workspace, "cpu", slots)
        self.database = Database(self.workspace.database, writer=True)
        self.engine.start()

    def ask(self, kind: str, **payload: Any) -> dict[str, Any]:
        number = write_command(self.database, kind, payload)
        self.until(lambda: commands.answer(self.database, number) is not None)
        return commands.answer(self.database, number) or {}

    def submit(self, experiment: Experiment, **options: Any) -> dict[str, Any]:
        return self.ask("submit", experiment=experiment.canonical(), source="a/file.toml", **options)

    def until(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.engine.error is None, self.engine.error
            assert time.monotonic() < deadline, "timed out"
            time.sleep(0.02)

    def state(self, job: int) -> str:
        view = views.job(self.database, job)
        assert view is not None
        return view.state

    def until_state(self, job: int, state: str) -> None:
        self.until(lambda: self.state(job) == state)


@contextmanager
def running(folder: Path, slots: int = 1) -> Iterator[Running]:
    found = Running(folder, slots)
    try:
        yield found
    finally:
        found.engine.stop()
        assert not found.engine.is_alive()


def test_a_job_runs_to_its_verdict_with_every_built_in_arm(tmp_path: Path) -> None:
    experiment = tiny(
        arms=ARMS, seeds=1, rewinding={"weights": 250},
        training={"length": 1_000, "learning_rate_schedule": "linear"},
    )  # fmt: skip
    with running(tmp_path) as r:
        assert r.submit(experiment) == {"job": 1}
        r.until(lambda: r.state(1) in ("done", "failed"))
        trials = views.trials(r.database, 1)
        assert [t.state for t in trials] == ["done"] * (1 + 2 * len(ARMS)), [t.error for t in trials]
        passed, failed = views.audit_counts(r.database, 1)
        assert failed == 0
        assert passed > 6 * len(trials)
        summary = summarise(experiment, trials)
        assert {c.arm for c in summary.cells} == {"dense", *ARMS}
        last = [t for t in trials if t.round == 2]
        assert all(t.density == pytest.approx(0.49, abs=0.01) for t in last if t.arm != "small_dense")
        assert all(t.density == pytest.approx(0.49, abs=0.05) for t in last)  # whole units of a smaller network
        names = {event.kind for event in views.events(r.database)}
        assert {"queued", "running", "round", "done"} <= names
    one_shot, winning = digest(tmp_path)["one_shot/1/0"], digest(tmp_path)["winning/1/0"]
    assert one_shot["tensors"] == winning["tensors"], "round 1 is the same ticket in both arms"


def test_the_result_does_not_depend_on_slots_or_batches(done: Path, tmp_path: Path) -> None:
    with running(tmp_path, 2) as r:
        r.submit(tiny())
        r.until_state(1, "done")
    assert digest(done) == digest(tmp_path)


def test_several_jobs_share_the_slots_and_order_can_be_changed(tmp_path: Path) -> None:
    with running(tmp_path, 2) as r:
        for name, hidden in (("a", [8]), ("b", [9]), ("c", [10])):
            r.submit(tiny(name, model={"hidden": hidden}))
        assert r.ask("move", job=3, by=-1) == {"job": 3}
        assert [job.id for job in views.jobs(r.database)] == [1, 3, 2]
        for job in (1, 2, 3):
            r.until_state(job, "done")


def test_the_same_experiment_is_recognised_and_can_be_run_again(tmp_path: Path) -> None:
    with running(tmp_path) as r:
        assert r.submit(tiny()) == {"job": 1}
        assert r.submit(tiny("another-name")) == {"job": 1, "known": True}
        assert r.submit(tiny(), again=True) == {"job": 2}
        assert r.submit(tiny(training={"gamma": 0.98})) == {"job": 3}


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Workers that are started stand still after 39 of 63 updates until this file is there; `.held` says that they do.

    That is after two checkpoints.
    """
    file = tmp_path / "go"
    for name, value in injected({"hold": {"asked": 40, "file": str(file)}}).items():
        monkeypatch.setenv(name, value)
    return file


def test_pause_checkpoints_and_resume_gives_the_uninterrupted_result(done: Path, hold: Path, tmp_path: Path) -> None:
    with running(tmp_path / "paused") as r:
        r.submit(tiny())
        r.until(hold.with_suffix(".held").exists)
        assert r.ask("pause", job=1) == {"job": 1}
        r.until(lambda: not r.database.rows("SELECT 1 FROM batches WHERE state = 'running'"))
        assert r.state(1) == "paused"
        attempts = r.database.rows("SELECT attempt FROM batches WHERE state = 'pending'")
        assert attempts, "a batch waits to go on from its checkpoint"
        assert list((tmp_path / "paused").glob("batches/000001/attempt-1/step-000000001248.*")), "of where it stood"
        hold.touch()
        r.ask("resume", job=1)
        r.until_state(1, "done")
    assert _resumed(tmp_path / "paused") == 1248
    assert digest(done) == digest(tmp_path / "paused")


def test_cancel_frees_the_slot_for_the_next_job(tmp_path: Path) -> None:
    with running(tmp_path) as r:
        r.submit(tiny("long", training={"length": 10_000_000}))
        r.submit(tiny("next", seeds=1))
        r.until_state(1, "running")
        r.ask("cancel", job=1)
        r.until_state(2, "done")
        assert r.state(1) == "cancelled"
        assert {t.state for t in views.trials(r.database, 1)} == {"cancelled"}


def test_commands_that_make_no_sense_are_answered_with_a_sentence_and_the_queue_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as r:
        with r.database.transaction() as connection:
            connection.execute("INSERT INTO commands (at, kind, payload) VALUES (0, 'pause', 'no json')")
        assert r.submit(tiny(seeds=1, arms=["winning"])) == {"job": 1}
        assert "no job 7" in r.ask("pause", job=7)["error"]
        assert "job 1 is" in r.ask("resume", job=1)["error"]
        assert "cancel: job: Input should be a valid integer" in r.ask("cancel", job="x")["error"]
        assert "submit" in r.ask("submit", experiment="{}", source="x")["error"]
        assert "unknown command" in r.ask("dance", job=1)["error"]
        r.until_state(1, "done")


def test_a_diverging_trial_fails_visibly_and_the_queue_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as r:
        # RMSprop with an enormous rate overflows float32 within a few updates.
        r.submit(tiny("diverges", training={"learning_rate": 1e37, "optimizer": "rmsprop"}))
        r.submit(tiny("healthy"))
        r.until_state(2, "done")
        r.until_state(1, "failed")
        states = {(t.round, t.state) for t in views.trials(r.database, 1)}
        assert states == {(0, "failed"), (1, "blocked"), (2, "blocked")}
        error = next(t.error for t in views.trials(r.database, 1) if t.state == "failed")
        assert error is not None and "diverged" in error


def test_a_killed_worker_is_replaced_and_its_batch_goes_on(done: Path, hold: Path, tmp_path: Path) -> None:
    with running(tmp_path / "killed") as r:
        r.submit(tiny())
        r.until(hold.with_suffix(".held").exists)
        _worker(r.workspace).kill()
        hold.touch()
        r.until_state(1, "done")
        assert any("SIGKILL" in e.text for e in views.events(r.database))
    assert _resumed(tmp_path / "killed") == 1024
    assert digest(done) == digest(tmp_path / "killed")
    log = (done / "batches" / "000001" / "attempt-1" / "log.txt").read_text()
    assert 0.05 < float(log.partition(" CPU seconds spent on this attempt")[0].split()[-1]) < 60


def _resumed(folder: Path) -> int:
    """The step from which the second attempt at the first batch went on."""
    log = (folder / "batches" / "000001" / "attempt-2" / "log.txt").read_text()
    return int(log.partition("resumed at step ")[2].split()[0])


def _worker(workspace: Workspace) -> psutil.Process:
    """The one that works on it."""
    words = ("lth_core.worker.worker", str(workspace.folder))
    running = [(p, " ".join(p.info["cmdline"] or [])) for p in psutil.process_iter(["cmdline"])]
    (found,) = [p for p, line in running if all(word in line for word in words)]
    return found


def test_a_batch_whose_worker_always_dies_fails_with_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("import os\nos._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(retry, "DELAYS", (0.1, 0.2))
    with running(tmp_path / "workspace") as r:
        r.submit(tiny())
        r.until_state(1, "failed")
        errors = [t.error for t in views.trials(r.database, 1) if t.state == "failed"]
        assert errors and all(e is not None and "ended with code 7" in e for e in errors)
        assert r.database.rows("SELECT attempt FROM batches")[0]["attempt"] == 3


def _break_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers that are started from now on fail as they begin to train."""
    (folder / "torch.py").write_text("raise RuntimeError('the simulator is broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_an_exception_in_a_batch_fails_its_trials_with_a_traceback_in_the_log_and_they_can_be_retried(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "workspace") as r:
        with monkeypatch.context() as patch:
            _break_torch(tmp_path, patch)
            r.submit(tiny())
            r.until_state(1, "failed")
        error = next(t.error for t in views.trials(r.database, 1) if t.state == "failed")
        assert error is not None and "the simulator is broken" in error
        log = (tmp_path / "workspace" / "batches" / "000001" / "attempt-1" / "log.txt").read_text()
        assert "Traceback" in log
        assert r.database.rows("SELECT attempt FROM batches")[0]["attempt"] == 1, "not retried: it is no accident"
    with running(tmp_path / "workspace") as r:
        assert r.ask("retry", job=1) == {"job": 1}
        r.until_state(1, "done")
    assert digest(tmp_path / "workspace") == digest(done)


def test_a_damaged_file_costs_its_seed_only_and_retry_trains_it_again(workspace: Workspace) -> None:
    tmp_path = workspace.folder
    whole = digest(tmp_path)
    database = Database(tmp_path / "workspace.sqlite", writer=True)
    with database.transaction() as connection:
        connection.execute("UPDATE trials SET state = 'failed' WHERE round > 0")
        connection.execute("UPDATE jobs SET state = 'failed'")
        digests.seal(connection, 1)
    path = tmp_path / database.rows("SELECT tensors FROM trials WHERE round = 0 AND seed = 1")[0]["tensors"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    database.close()
    with running(tmp_path) as r:
        assert r.ask("retry", job=1) == {"job": 1}
        r.until_state(1, "failed")
        states = {(t.arm, t.round, t.seed): t.state for t in views.trials(r.database, 1)}
        assert states["dense", 0, 1] == "failed" and states["winning", 2, 0] == "done"
        assert any("checksum" in (t.error or "") for t in views.trials(r.database, 1))
        assert r.ask("retry", job=1) == {"job": 1}
        r.until_state(1, "done")
    assert digest(tmp_path) == whole


def test_batches_that_the_database_does_not_know_of_are_left_as_they_are(workspace: Workspace) -> None:
    tmp_path = workspace.folder
    before = {path: path.read_bytes() for path in (tmp_path / "batches").rglob("*") if path.is_file()}
    last = max(int(path.name) for path in (tmp_path / "batches").iterdir())
    for file in tmp_path.glob("workspace.sqlite*"):
        file.unlink()
    Database(tmp_path / "workspace.sqlite", writer=True, remaking=True).close()  # as from a copy of long ago
    with running(tmp_path) as r:
        r.submit(tiny(training={"learning_rate": 0.05}))
        r.until_state(1, "done")
        assert min(row["id"] for row in r.database.rows("SELECT id FROM batches")) > last
        said = [event.text for event in views.events(r.database) if event.kind == "unknown"]
        assert "batches/000001 holds a batch that the database does not know" in said[0]
    assert {path: path.read_bytes() for path in before} == before


def test_resuming_a_job_that_has_nothing_left_ends_it(workspace: Workspace) -> None:
    tmp_path = workspace.folder
    database = Database(tmp_path / "workspace.sqlite", writer=True)
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET state = 'paused'")
    database.close()
    with running(tmp_path) as r:
        assert r.ask("resume", job=1) == {"job": 1}
        r.until_state(1, "done")


def test_pausing_again_and_again_harms_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as r:
        r.submit(tiny())
        for _ in range(3):
            if r.state(1) in ("queued", "running"):
                r.ask("pause", job=1)
            r.until(lambda: not r.database.rows("SELECT 1 FROM batches WHERE state = 'running'"))
            if r.state(1) == "paused":
                r.ask("resume", job=1)
        r.until_state(1, "done")
        assert not r.database.rows("SELECT 1 FROM batches WHERE failures > 0")


def test_a_fenced_batch_lets_no_attempt_publish(workspace: Workspace) -> None:
    batch = BatchFolder(workspace.batch(1))
    assert batch.is_current(1)
    batch.fence()
    assert not batch.is_current(1)


class Clock:
    """A clock that a test sets ahead; counts how often it was looked at."""

    ahead, looks, sleep = 0.0, 0, staticmethod(time.sleep)

    def monotonic(self) -> float:
        self.looks += 1
        return time.monotonic() + self.ahead


def test_a_worker_that_shows_no_life_is_replaced(hold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(patience, "time", clock)
    with running(tmp_path / "w") as r:
        r.submit(tiny())
        r.until(hold.with_suffix(".held").exists)
        _worker(r.workspace).suspend()
        seen = clock.looks
        r.until(lambda: clock.looks > seen + 10)  # what it showed last has been seen
        clock.ahead = 0.5 * local.SILENCE
        r.until(lambda: any("cpu/0 has shown no sign of life for" in e.text for e in views.events(r.database)))
        assert not any("trying again" in e.text for e in views.events(r.database)), "a warning comes first"
        clock.ahead = 1.1 * local.SILENCE
        r.until(lambda: any("no sign of life for 300 s; trying again" in e.text for e in views.events(r.database)))
        log = (tmp_path / "w" / "batches" / "000001" / "attempt-1" / "log.txt").read_text()
        assert "engine: the worker showed no sign of life for 300 s" in log
        r.ask("cancel", job=1)


def test_finished_batches_keep_no_checkpoints(done: Path) -> None:
    assert views.trials(Database(Workspace(done).database, writer=False), 1)[0].state == "done"
    assert not list(done.rglob("step-*"))


def test_only_one_engine_owns_a_workspace(tmp_path: Path) -> None:
    with running(tmp_path) as r:
        with pytest.raises(LeaseHeld) as held:
            Engine(r.workspace, "cpu", 1)
        assert held.value.pid == psutil.Process().pid
    Engine(r.workspace, "cpu", 1)._lease.release()


def test_an_engine_whose_lock_was_removed_leaves_the_workspace_to_another(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    first = Engine(workspace, "cpu", 1)
    first.start()
    workspace.lease.unlink()
    second = Engine(workspace, "cpu", 1)
    first.join(60)
    assert isinstance(first.error, InputError) and "engine.lock was removed while it ran" in str(first.error)
    assert second._lease.held()
    second._lease.release()


def test_a_device_that_is_not_there_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cuda:99"):
        Engine(Workspace(tmp_path / "w"), "cuda:99")
    assert not (tmp_path / "w").exists()


def test_everything_about_a_run_is_stored_before_its_first_step(tmp_path: Path) -> None:
    with running(tmp_path) as r:
        experiment = tiny(training={"length": 10_000_000})
        r.submit(experiment)
        facts = views.provenance(r.database, 1)
        assert facts["packages"]["torch"] and facts["packages"]["gymnasium"]
        assert facts["devices"] == ["cpu"] and facts["host"] and "git" in facts
        view = views.job(r.database, 1)
        assert view is not None and view.experiment == experiment and view.identity == experiment.identity
        assert all(t.step == 0 for t in views.trials(r.database, 1))
