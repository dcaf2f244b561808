"""Records of a killed attempt that are cut or changed before the engine has read them: no curve gets a hole unsaid."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.batch import BatchFolder, BatchSpec, TrialSpec
from lth_core.batches.exit_codes import DONE, ENGINE_GONE
from lth_core.engine.disk import Space
from lth_core.engine.intake import Intake
from lth_core.engine.launchers.base import Ended
from lth_core.experiment.plan import TrialKey
from lth_core.store import views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.workspace import Workspace
from lth_core.upkeep.witnesses import compare
from lth_core.worker import attempt as module
from lth_core.worker.attempt import Attempt
from tests.engine.experiments import digest
from tests.small import experiment

EXPERIMENT = experiment(training={"length": 1024})


class Killed(Exception):
    """Stands for a SIGKILL: nothing is written any more."""


class Job:
    """A batch of two dense runs whose attempts run in this process, and the engine's side of it."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder)
        self.workspace.create()
        self.database = Database(self.workspace.database, writer=True)
        self.intake = Intake(self.workspace, self.database, Space(folder))
        with self.database.transaction() as connection:
            job = add_job(connection, EXPERIMENT, "x.toml", {})
            rows = connection.execute("SELECT * FROM trials WHERE arm = 'dense' ORDER BY id").fetchall()
            self.batch = add_batch(connection, job, [row["id"] for row in rows])
        trials = tuple(TrialSpec(row["id"], TrialKey(0, "dense", row["seed"])) for row in rows)
        into = str(self.workspace.tensorboard(job, EXPERIMENT.name).relative_to(folder))
        self.spec = BatchSpec(self.batch, job, EXPERIMENT, trials, (), into)
        self.folder = BatchFolder(self.workspace.batch(self.batch))
        self.folder.complete(self.spec)

    def attempt(self, updates: int | None = None) -> Path:
        """Run the next attempt, to its end or until it is killed after so many updates; returns its records."""
        with self.database.transaction() as connection:
            number = begin_batch(connection, self.batch, "cpu/0")
        self.folder.begin(number)
        left = iter(range(10**6 if updates is None else updates))

        def stop() -> bool:
            if next(left, None) is None:
                raise Killed
            return False

        running = Attempt(self.workspace, self.spec, number, "cpu", stop)
        if updates is None:
            assert running.run() == DONE
        else:
            with pytest.raises(Killed):
                running.run()
        running.close()
        return self.folder.attempt(number) / "records.jsonl"

    def over(self, code: int) -> None:
        """The engine takes over what an attempt has left."""
        self.intake.end(Ended(self.batch, code, ""))

    @property
    def notes(self) -> list[str]:
        return [event.text for event in views.events(self.database) if event.kind == "records"]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    made = Job(tmp_path / "w")
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    whole = Job(tmp_path_factory.mktemp("undisturbed"))
    whole.attempt()
    whole.over(DONE)
    whole.database.close()
    return digest(whole.workspace.folder)


def lines_left(count: int) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(content.splitlines(keepends=True)[:count])


def without_line(number: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        return b"".join(lines[:number] + lines[number + 1 :])

    return change


# Four lines on layers and audits, two at each 128 steps; checkpoints are at 512 and 768, and the kill is at 864.
DAMAGE: dict[str, tuple[Callable[[bytes], bytes], list[int]]] = {
    "what the newest checkpoint does not need": (lines_left(16), []),
    "cut behind the checkpoint before": (lines_left(13), [768]),
    "cut within a line": (lambda content: lines_left(14)(content)[:-9], [768]),
    "cut before both checkpoints": (lines_left(7), [768, 512]),
    "nothing left": (lines_left(0), [768, 512]),
    "a line gone": (without_line(13), [768]),
    "one bit": (lambda content: content.replace(b'"step":640', b'"step":641', 1), [768]),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_batch_goes_on_only_from_a_checkpoint_whose_records_are_there(
    job: Job, undisturbed: dict[str, Any], what: str
) -> None:
    change, passed_over = DAMAGE[what]
    path = job.attempt(updates=27)
    assert {int(one.name[5:17]) for one in path.parent.glob("step-*")} == {512, 768}
    path.write_bytes(change(path.read_bytes()))
    job.over(ENGINE_GONE)
    job.attempt(updates=9)
    job.over(ENGINE_GONE)
    job.attempt()
    job.over(DONE)
    assert [int(text.partition("checkpoint at step ")[2].partition(":")[0]) for text in job.notes] == passed_over
    assert digest(job.workspace.folder) == undisturbed
    said = [one.sentence for one in compare(job.workspace, job.database)]
    assert all("lines are not what was written" in sentence for sentence in said), said


@pytest.mark.parametrize("left", [-1, -3, 13, 0])
def test_a_result_that_is_cut_before_the_engine_has_read_it_is_trained_again(
    job: Job, undisturbed: dict[str, Any], left: int
) -> None:
    path = job.attempt()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))
    job.over(DONE)
    lost = "1 trial" if left == -1 else "2 trials"
    said = f"its worker was done, but the results of {lost} are not in its records"
    again = [event.text for event in views.events(job.database) if event.kind == "retry"]
    assert again == [f"{said}; trying again from its checkpoint in 1 s"]
    job.attempt()
    job.over(DONE)
    assert digest(job.workspace.folder) == undisturbed
    found = [one.sentence for one in compare(job.workspace, job.database)]
    assert all("lines are not what was written" in sentence for sentence in found), found


def test_records_that_are_cut_behind_a_result_leave_nothing_undecided(job: Job) -> None:
    path = job.attempt()
    job.over(DONE)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:13]))
    found = list(compare(job.workspace, job.database))
    assert found and {one.wrong for one in found} == {"records"}, [one.sentence for one in found]


def test_what_a_worker_writes_after_its_attempt_was_last_read_leaves_nothing_undecided(job: Job) -> None:
    path = job.attempt(0)
    written = path.read_bytes()
    path.write_bytes(b"".join(written.splitlines(keepends=True)[:1]))  # this far the engine has read
    job.over(ENGINE_GONE)
    path.write_bytes(written)  # its worker had outlived the engine before
    job.attempt()
    job.over(DONE)
    assert [one.sentence for one in compare(job.workspace, job.database)] == []


def test_a_checkpoint_of_an_earlier_version_is_gone_on_from(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    save = module.save_checkpoint

    def as_before(folder: Path, step: int, arrays: Any, values: dict[str, Any]) -> Path:
        return save(folder, step, arrays, {name: value for name, value in values.items() if name != "records"})

    monkeypatch.setattr(module, "save_checkpoint", as_before)
    path = job.attempt(updates=27)
    path.write_bytes(lines_left(7)(path.read_bytes()))
    job.over(ENGINE_GONE)
    went_on = job.attempt().read_bytes()
    job.over(DONE)
    assert b'"step":896' in went_on and b'"step":768' not in went_on and not job.notes
