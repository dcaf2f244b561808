"""Which batches start where, with jobs for this machine and for a cluster in one queue; nothing is run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.engine import dispatch, stacking
from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.intake import Patience
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.slots import find_slots
from lth_core.store import views
from lth_core.store.batches import add_batch, return_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.trials import ready_trials
from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny

SLURM = {"kind": "slurm", "most_jobs": 2}


class Started:
    """A queue, its dispatcher, and which batches it started on which slots."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        workspace = Workspace(folder)
        workspace.create()
        self.database = Database(workspace.database, writer=True)
        self.patience = Patience()
        self.taken: list[tuple[int, str]] = []
        launchers = Launchers(workspace, find_slots("cpu", 2))
        monkeypatch.setattr(launchers, "free", self.free)
        monkeypatch.setattr(launchers.here, "free", lambda: self.free(None))
        monkeypatch.setattr(launchers.here, "running", lambda: [b for b, slot in self.taken if slot != "slurm"])
        monkeypatch.setattr(launchers, "submit", lambda slot, request, _need: self.taken.append((request.batch, slot)))
        self.dispatcher = Dispatcher(workspace, self.database, launchers, self.patience)

    def free(self, need: Any) -> list[str]:
        slots = ["slurm", "slurm"] if getattr(need, "kind", "local") == "slurm" else ["cpu/0", "cpu/1"]
        for _, slot in self.taken:
            if slot in slots:
                slots.remove(slot)
        return slots

    def add(self, name: str, **fields: Any) -> int:
        with self.database.transaction() as connection:
            return add_job(connection, tiny(name, seeds=4, **fields), "test", {})

    def start(self) -> list[tuple[int, str]]:
        """What is started now: job and slot."""
        before = len(self.taken)
        self.dispatcher.start_batches()
        jobs = {row["id"]: row["job"] for row in self.database.rows("SELECT id, job FROM batches")}
        return [(jobs[batch], slot) for batch, slot in self.taken[before:]]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    made = Started(tmp_path / "ws", monkeypatch)
    yield made
    made.database.close()


@pytest.mark.processes
def test_each_job_has_its_own_kind_of_slots(started: Started) -> None:
    here, there = started.add("here"), started.add("there", launcher=SLURM)
    assert started.start() == [(here, "cpu/0"), (here, "cpu/1"), (there, "slurm"), (there, "slurm")]
    assert started.start() == []


@pytest.mark.processes
def test_a_batch_that_is_to_be_alone_holds_up_this_machine_and_no_cluster(started: Started) -> None:
    here, there = started.add("here"), started.add("there", launcher=SLURM)
    for job in (here, there):
        with started.database.transaction() as connection:
            batch = add_batch(connection, job, [ready_trials(connection, job)[0]["id"]])
            return_batch(connection, batch, alone=True)
    assert started.start() == [(here, "cpu/0"), (there, "slurm"), (there, "slurm")]
    assert started.start() == []


def test_batches_that_are_to_wait_wait_on_a_cluster_too(started: Started) -> None:
    there = started.add("there", launcher=SLURM)
    with started.database.transaction() as connection:
        first = add_batch(connection, there, [row["id"] for row in ready_trials(connection, there)])
    started.patience.wait(first, 60)
    assert started.start() == []
    started.patience.wait(first, 0)
    assert started.start() == [(there, "slurm")]


@pytest.mark.processes
def test_a_free_slot_leaves_their_share_to_those_that_are_about_to_be_free(started: Started) -> None:
    job = started.add("one", arms=["winning", "random"])
    started.start()
    done = "UPDATE trials SET state = 'done' WHERE job = ? AND round = 0"
    started.database.connection.execute(f"{done} AND seed != 3", (job,))  # the other stack has all but ended
    batch, slot = started.taken.pop(0)
    started.database.connection.execute("UPDATE batches SET state = 'done' WHERE id = ?", (batch,))
    assert started.start() == [(job, slot)]
    sizes = started.database.rows("SELECT COUNT(*) AS n FROM trials WHERE round = 1 AND batch NOT NULL GROUP BY batch")
    assert [row["n"] for row in sizes] == [4]


def test_higher_priority_first_and_nothing_of_deleted_jobs(started: Started) -> None:
    started.add("gone", launcher=SLURM)
    started.add("low", launcher=SLURM)
    high = started.add("high", launcher=SLURM)
    started.database.connection.execute("UPDATE jobs SET deleted = 1 WHERE name = 'gone'")
    started.database.connection.execute("UPDATE jobs SET priority = 1 WHERE name = 'high'")
    assert started.start() == [(high, "slurm"), (high, "slurm")]


def test_starting_is_cut_off_after_a_while_and_goes_on_in_the_next_turn(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "LONGEST", 0.0)
    there = started.add("there", launcher=SLURM)
    assert [started.start() for _ in range(3)] == [[(there, "slurm")], [(there, "slurm")], []]


def test_nothing_is_measured_here_for_a_cluster(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr(stacking, "start_measuring", never)
    monkeypatch.setattr(type(tiny("x").model), "stack_is_measured", True)
    started.add("there", launcher=SLURM)
    started.start()
    sizes = started.database.rows("SELECT COUNT(*) AS n FROM trials WHERE batch NOT NULL GROUP BY batch")
    assert [row["n"] for row in sizes] == [1, 1]


@pytest.mark.processes
@pytest.mark.parametrize("launcher", ['"nowhere"', "7", '{"kind": "slurm", "cpus": "many"}', "[]"])
def test_a_stored_launcher_that_makes_no_sense_fails_its_job_alone(started: Started, launcher: str) -> None:
    broken, fine = started.add("broken"), started.add("fine")
    started.database.connection.execute(
        "UPDATE jobs SET experiment = json_set(experiment, '$.launcher', json(?)) WHERE id = ?", (launcher, broken)
    )
    assert started.start() == [(fine, "cpu/0"), (fine, "cpu/1")]
    row = started.database.row("SELECT state, error FROM jobs WHERE id = ?", broken)
    assert row is not None and row["state"] == "failed" and "cannot be run as it is stored" in row["error"]
    assert views.trials(started.database, broken)[0].state == "cancelled"
