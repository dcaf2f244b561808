"""What interfaces ask about the queue, acted on by the engine's `Commands`; no worker is started."""

import hashlib
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches import provenance
from lth_core.engine import commands as obeying
from lth_core.engine import engine as turns
from lth_core.engine import purge as purging
from lth_core.engine.commands import Commands
from lth_core.engine.engine import Engine
from lth_core.engine.launchers.local import LocalWorkers
from lth_core.engine.slots import Slot, find_slots
from lth_core.experiment.experiment import Experiment
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.launcher import LocalLauncher, SlurmLauncher
from lth_core.store import commands, views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import known_job, set_job, settle_job
from lth_core.store.trials import ready_trials
from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny, write_command


class Desk:
    """A database, what obeys, and what was stopped and resized."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder)
        self.workspace.create()
        self.database = Database(self.workspace.database, writer=True)
        self.stopped: list[tuple[int, str]] = []
        self.slots: list[Slot] = []
        self.commands = Commands(self.database, ["cpu"], lambda *what: self.stopped.append(what), self.resize)

    def resize(self, _connection: sqlite3.Connection, count: int) -> None:
        self.slots = find_slots("cpu", count)

    def ask(self, kind: str, **payload: Any) -> dict[str, Any]:
        number = write_command(self.database, kind, payload)
        self.commands.obey()
        answer = commands.answer(self.database, number)
        assert answer is not None
        return answer

    def submit(self, name: str, **more: Any) -> int:
        made = tiny(name)
        return int(self.ask("submit", experiment=made.canonical(), source="x", again=True, **more)["job"])

    def order(self) -> list[int]:
        return [job.id for job in views.jobs(self.database)]

    def sql(self, text: str, *values: object) -> None:
        self.database.connection.execute(text, values)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "ws")
    yield made
    made.database.close()


def test_priority_goes_before_place_and_moves_stay_within_it(desk: Desk) -> None:
    for name in "abcd":
        desk.submit(name)
    desk.ask("priority", job=3, by=1)
    assert desk.order() == [3, 1, 2, 4]
    desk.ask("move", job=4, by=-1)
    assert desk.order() == [3, 1, 4, 2]
    desk.ask("move", job=1, by=-5)
    assert desk.order() == [3, 1, 4, 2]
    desk.ask("priority", job=3, by=-1)
    desk.ask("priority", job=2, by=-30)
    assert desk.order()[-1] == 2 and views.jobs(desk.database)[-1].priority == -9


def test_a_deleted_job_is_gone_from_all_lists_and_comes_back_as_it_was(desk: Desk) -> None:
    one, two = desk.submit("a", suite="s"), desk.submit("b", suite="s")
    assert desk.ask("delete", job=one) == {"job": one}
    assert desk.order() == [two] and [job.id for job in views.suite_jobs(desk.database, "s")] == [two]
    assert "there is no job 1" in desk.ask("pause", job=one)["error"]
    assert "there is no deleted job 2" in desk.ask("restore", job=two)["error"]
    same = tiny("a")
    with desk.database.transaction() as connection:
        assert known_job(connection, same.identity) == two  # the same fields, another name
    desk.ask("restore", job=one)
    assert desk.order() == [one, two] and views.jobs(desk.database)[0].state == "queued"


def test_a_running_job_is_not_deleted(desk: Desk) -> None:
    job = desk.submit("a")
    desk.sql("UPDATE jobs SET state = 'running'")
    assert "delete is for jobs that are" in desk.ask("delete", job=job)["error"]


def test_a_day_later_rows_and_files_are_forgotten_and_nobody_elses(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, kept = desk.submit("a"), desk.submit("b")
    with desk.database.transaction() as connection:
        batches = [
            add_batch(connection, job, [row["id"] for row in ready_trials(connection, job)]) for job in (gone, kept)
        ]
    folders = [desk.workspace.batch(batch) for batch in batches]
    logs = [desk.workspace.tensorboard(gone, "a"), desk.workspace.tensorboard(kept, "b")]
    for folder in (*folders, *logs):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    desk.ask("delete", job=gone)
    purging.purge(desk.workspace, desk.database)
    assert folders[0].exists()  # not yet: it can still be brought back
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + purging.KEPT + 1)
    purging.purge(desk.workspace, desk.database)
    assert not folders[0].exists() and not logs[0].exists() and folders[1].exists() and logs[1].exists()
    jobs = {row[0] for row in desk.database.rows("SELECT DISTINCT job FROM trials")}
    assert jobs == {kept} and views.job(desk.database, gone) is None
    assert not desk.database.rows("PRAGMA foreign_key_check")


def test_cancelling_at_the_end_of_the_round_lets_what_has_begun_go_on(desk: Desk) -> None:
    job = desk.submit("a")
    desk.sql("UPDATE jobs SET state = 'running'")
    desk.sql("UPDATE trials SET state = 'done' WHERE round = 0")
    desk.sql("UPDATE trials SET state = 'running' WHERE round = 1 AND arm = 'winning'")
    desk.ask("cancel", job=job, after_round=True)
    states = {(t.round, t.arm): t.state for t in views.trials(desk.database, job)}
    assert states[1, "winning"] == "running" and states[1, "random"] == "waiting"
    assert {state for (round, _), state in states.items() if round == 2} == {"cancelled"}
    assert desk.stopped == [] and views.jobs(desk.database)[0].state == "running"
    desk.sql("UPDATE trials SET state = 'done' WHERE round = 1")
    with desk.database.transaction() as connection:
        settle_job(connection, job)
    assert views.jobs(desk.database)[0].state == "cancelled"
    desk.ask("retry", job=job)
    assert {t.state for t in views.trials(desk.database, job) if t.round == 2} == {"waiting"}


def test_cancelling_at_the_end_of_the_round_before_any_has_begun_cancels_all(desk: Desk) -> None:
    job = desk.submit("a")
    desk.ask("cancel", job=job, after_round=True)
    assert views.jobs(desk.database)[0].state == "cancelled"


def test_an_edited_job_takes_the_place_of_the_one_that_has_not_begun(desk: Desk) -> None:
    for name in "abc":
        desk.submit(name)
    desk.ask("priority", job=2, by=2)
    new = desk.submit("better", replaces=2)
    assert desk.order() == [new, 1, 3] and views.jobs(desk.database)[0].priority == 2
    desk.sql("UPDATE jobs SET started = 1 WHERE id = 3")
    made = tiny("late")
    answer = desk.ask("submit", experiment=made.canonical(), source="x", again=True, replaces=3)
    assert answer["error"] == "job 3 has started or ended: it can be cloned, not replaced"
    assert desk.order() == [new, 1, 3]  # all or nothing


def test_a_cancelled_batch_is_dropped_and_a_moved_one_checkpoints_first(desk: Desk) -> None:
    job, other = desk.submit("a"), desk.submit("b")
    for number in (job, other):
        with desk.database.transaction() as connection:
            batch = add_batch(connection, number, [ready_trials(connection, number)[0]["id"]])
            begin_batch(connection, batch, "cpu/0")
            set_job(connection, number, "running")
    assert desk.ask("launch", job=job, launcher={"kind": "slurm", "cpus": 2}) == {"job": job}
    assert desk.ask("launch", job=job, launcher={"kind": "slurm", "cpus": 2}) == {"job": job}  # nothing to do
    desk.ask("cancel", job=other)
    assert desk.stopped == [(1, "checkpoint"), (2, "kill")]
    launcher = views.jobs(desk.database)[0].experiment.launcher
    assert launcher.kind == "slurm" and launcher.cpus == 2


def test_the_number_of_slots_can_be_changed(desk: Desk) -> None:
    assert desk.ask("slots", count=3) == {"slots": 3}
    assert [slot.name for slot in desk.slots] == ["cpu/0", "cpu/1", "cpu/2"]
    assert "expected 1 to 1024" in desk.ask("slots", count=0)["error"]


def test_a_launcher_with_fewer_slots_offers_only_those(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    workspace.create()
    launcher = LocalWorkers(workspace, find_slots("cpu", 3))
    launcher.resize(find_slots("cpu", 1))
    assert launcher.free() == ["cpu/0"]
    launcher.resize(find_slots("cpu", 2))
    assert launcher.free() == ["cpu/0", "cpu/1"]


def test_a_teacher_is_looked_up_among_the_trials_when_its_imitation_is_queued(desk: Desk) -> None:
    job = desk.submit("a")
    (own,) = (trial for trial in views.trials(desk.database, job) if trial.round == 0 and trial.seed == 0)
    path = desk.workspace.folder / "trial-1.safetensors"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()

    def asked(number: int = job, environment: str = "CartPole-v1", **teacher: Any) -> dict[str, Any]:
        task = {"kind": "imitation", "environment": environment, "teacher": {"job": number, **teacher}}
        made = Experiment.from_fields({"name": "clone", "seeds": [0], "task": task})
        return desk.ask("submit", experiment=made.canonical(), source="x", again=True)

    assert "there is no such job" in asked(number=99)["error"]
    assert 'trained with task.environment = "CartPole-v1"' in asked(environment="Acrobot-v1")["error"]
    assert "has no trial x round 0 seed 0: expected arms dense" in asked(arm="x")["error"]
    assert "dense round 0 seed 0 has not finished" in asked()["error"]
    for file, sha256 in (("none", digest), (path.name, "0" * 64), (path.name, digest)):
        desk.sql("UPDATE trials SET tensors = ?, sha256 = ? WHERE id = ?", file, sha256, own.id)
        answer = asked()
        assert ("No such file" in answer.get("error", "")) == (file == "none")
        assert ("does not match its checksum" in answer.get("error", "")) == (sha256 != digest)
    clone = views.job(desk.database, answer["job"])
    assert clone is not None and isinstance(clone.experiment.task, ImitationTask)
    teacher = clone.experiment.task.teacher
    assert (teacher.job, teacher.path, teacher.digest, teacher.model) == (None, str(path), digest, tiny("a").model)


@pytest.mark.processes
def test_slots_taken_away_give_their_batch_to_the_others_at_a_checkpoint(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    workspace.create()
    Database(workspace.database, writer=True).close()
    engine = Engine(workspace, "cpu", 2)
    engine.start()
    made = tiny("a", arms=["winning"], pruning={"rounds": 1}, training={"length": 20_000, "checkpoint_every": 1000})
    database = Database(workspace.database, writer=False)
    try:
        commands.ask(database, commands.Submit(experiment=made.canonical(), source="x"))
        until(lambda: sum(slot.trials > 0 for slot in views.slots(database)) == 2)
        commands.ask(database, commands.Slots(count=1))
        until(lambda: [slot.name for slot in views.slots(database)] == ["cpu/0"])
        commands.ask(database, commands.Slots(count=3))
        until(lambda: len(views.slots(database)) == 3)
        until(lambda: views.jobs(database)[0].state == "done")
        assert {trial.state for trial in views.trials(database, 1)} == {"done"}
    finally:
        database.close()
        engine.stop(20)
    assert engine.error is None


def until(true: Callable[[], object], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_command_is_answered_when_it_is_made_and_not_at_the_next_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TICK", 1000.0)
    engine = Engine(Workspace(tmp_path), "cpu", 1)
    database = Database(Workspace(tmp_path).database, writer=True)
    engine.start()
    try:
        for _ in range(3):
            number = commands.ask(database, commands.Slots(count=1))
            deadline = time.monotonic() + 120
            while commands.answer(database, number) is None:
                assert time.monotonic() < deadline and engine.error is None
                time.sleep(0.01)
    finally:
        engine.stop()


@pytest.mark.parametrize("command", [
    commands.Submit(experiment="{}", source="x.toml", again=True, suite="s", replaces=3), commands.Slots(count=2),
    *(kind(job=1) for kind in (commands.Pause, commands.Resume, commands.Retry, commands.Delete, commands.Restore)),
    commands.Cancel(job=1, after_round=True), commands.Move(job=1, by=-2), commands.Priority(job=1, by=1),
    commands.Launch(job=1, launcher=SlurmLauncher(cpus=2)), commands.Launch(job=1, launcher=LocalLauncher()),
], ids=lambda command: command.kind)  # fmt: skip
def test_a_command_is_read_as_it_was_asked(desk: Desk, command: commands.Command) -> None:
    commands.ask(desk.database, command)
    (asked,) = commands.unanswered(desk.database)
    assert asked.command() == command and type(command) is commands.KINDS[asked.kind]


def test_a_command_whose_fields_do_not_fit_is_refused_by_the_name_of_the_field(desk: Desk) -> None:
    job = desk.submit("a")
    assert "launch: launcher: " in desk.ask("launch", job=job, launcher={"kind": "elsewhere"})["error"]
    assert desk.ask("move", job=job)["error"] == "move: by: Field required"
    assert desk.ask("dance", job=job)["error"] == "unknown command dance"
    assert desk.ask("pause", job=job, of_a_later_version=True) == {"job": job}


def test_hundreds_of_commands_hold_nothing_up_and_each_is_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obeying, "LONGEST", 0.0)
    asked = [commands.ask(desk.database, commands.Slots(count=1)) for _ in range(3)]
    for left in (2, 1, 0):
        desk.commands.obey()
        assert len(commands.unanswered(desk.database)) == left
    assert all(commands.answer(desk.database, one) == {"slots": 1} for one in asked)


def test_the_git_revision_is_looked_up_again_when_something_has_changed_and_after_a_moment(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    look = provenance._git_revision
    monkeypatch.setattr(provenance, "_git_revision", lambda folder: looked.append(folder) or look(folder))
    monkeypatch.setattr(provenance, "MOMENT", 3600)
    source, other = tmp_path / "mine" / "x.toml", tmp_path / "mine" / "y.toml"
    source.parent.mkdir()

    def git(*words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x")
        return subprocess.check_output(["git", "-C", source.parent, *who, *words], text=True).strip()

    def queued() -> list[Any]:
        made = [tiny(seeds=[len(looked), seed]).canonical() for seed in (7, 8)]
        asked = commands.ask_all(desk.database, [commands.Submit(experiment=one, source=str(source)) for one in made])
        desk.commands.obey()
        jobs = [(commands.answer(desk.database, one) or {})["job"] for one in asked]
        return [views.provenance(desk.database, job)["git"] for job in jobs]

    assert queued() == [None, None]
    git("init", "-q")
    assert queued() == [None, None]
    source.write_text("x")
    other.write_text("x")
    git("add", ".")
    git("commit", "-qm", "x")
    assert queued() == [{"commit": git("rev-parse", "HEAD"), "changed": False}] * 2
    source.write_text("y")
    assert queued() == [{"commit": git("rev-parse", "HEAD"), "changed": True}] * 2
    git("commit", "-qam", "y")
    assert queued() == [{"commit": git("rev-parse", "HEAD"), "changed": False}] * 2
    assert looked == [source.parent] * 5
    other.write_text("z")
    monkeypatch.setattr(provenance, "MOMENT", 0)
    assert queued() == [{"commit": git("rev-parse", "HEAD"), "changed": True}] * 2
