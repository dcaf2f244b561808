"""What the launcher for Slurm does with a scheduler's answers, said by a scheduler of the test's own.

The real one is in tests/cluster; here are the answers that it gives only rarely.
"""

import errno
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches import exit_codes
from lth_core.batches.batch import BatchFolder
from lth_core.batches.exit_codes import DISK_FULL, OUT_OF_MEMORY
from lth_core.batches.request import Request
from lth_core.engine import supervisor
from lth_core.engine.launchers import slurm
from lth_core.engine.launchers.base import Ended
from lth_core.engine.launchers.slurm_commands import JobLine, SlurmError, Task, check, flags, look, parameters, submit
from lth_core.errors import InputError
from lth_core.settings.launcher import SlurmLauncher
from lth_core.store.workspace import Workspace

NEED = SlurmLauncher(most_jobs=3, poll_every=1)


class Scheduler:
    """Answers as it is told to; `jobs` are what it holds, by name and index."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobs: dict[tuple[str, int], str] = {}
        self.submitted: list[list[int]] = []
        self.cancelled: list[str] = []
        self.looks: list[float] = []
        self.refuses: str | None = None
        self.silent = False
        monkeypatch.setattr(slurm.slurm, "submit", self.submit)
        monkeypatch.setattr(slurm.slurm, "look", self.look)
        monkeypatch.setattr(slurm.slurm, "cancel", self.cancel)
        monkeypatch.setattr(slurm, "GATHER", 0.05)
        monkeypatch.setattr(slurm, "LOOK_EVERY", 0.0)
        monkeypatch.setattr(slurm, "BACK_OFF", (0.3, 0.6))

    def submit(self, _folder: Path, name: str, _need: SlurmLauncher, tasks: list[Task]) -> str:
        if self.refuses:
            raise SlurmError(self.refuses)
        self.submitted.append([task.request.batch for task in tasks])
        for index in range(len(tasks)):
            self.jobs[name, index] = "RUNNING"
        return str(len(self.submitted))

    def look(self, _prefix: str) -> list[JobLine]:
        self.looks.append(time.monotonic())
        if self.silent:
            raise SlurmError("Unable to contact slurm controller (connect failure)")
        return [JobLine(f"{name}_{i}", i, name, state, "None", "n1") for (name, i), state in self.jobs.items()]

    def cancel(self, ids: list[str], *, waiting_only: bool = False) -> None:
        self.cancelled += ids

    def all_are(self, state: str) -> None:
        self.jobs = dict.fromkeys(self.jobs, state)


class Held:
    """A launcher, and the folders that the engine would have made."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder)
        self.workspace.create()
        self.launcher = slurm.SlurmJobs(self.workspace)
        self.ended: list[Ended] = []

    def attempt(self, batch: int, number: int = 1) -> Path:
        return BatchFolder(self.workspace.batch(batch)).attempt(number)

    def begin(self, *batches: int) -> None:
        for batch in batches:
            self.attempt(batch).mkdir(parents=True)
            self.launcher.submit("slurm", Request(batch, 1, "abc", 1), NEED)

    def until(self, condition: Any) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            self.ended += self.launcher.poll()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def says(self, batch: int, code: int) -> None:
        (self.attempt(batch) / "exit.json").write_text(json.dumps({"code": code, "error": ""}))


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    return Scheduler(monkeypatch)


@pytest.fixture
def held(tmp_path: Path, scheduler: Scheduler) -> Held:
    return Held(tmp_path)


def test_batches_become_one_array_and_never_more_than_the_limit(held: Held, scheduler: Scheduler) -> None:
    assert held.launcher.free(NEED) == ["slurm"] * 3
    held.begin(1, 2, 3)
    assert held.launcher.free(NEED) == []
    held.until(lambda: scheduler.submitted)
    assert scheduler.submitted == [[1, 2, 3]]
    held.says(2, 0)
    held.until(lambda: held.ended)
    assert held.ended == [Ended(2, 0, "")] and held.launcher.free(NEED) == ["slurm"]


def test_the_queue_is_looked_at_once_for_all_and_no_more_often_than_told(held: Held, scheduler: Scheduler) -> None:
    held.begin(1, 2, 3)
    held.until(lambda: len(scheduler.looks) == 3)
    assert min(b - a for a, b in zip(scheduler.looks, scheduler.looks[1:], strict=False)) > 0.95


def test_a_full_queue_is_waited_for_and_said_once(held: Held, scheduler: Scheduler) -> None:
    scheduler.refuses = "Batch job submission failed: Job violates accounting/QOS policy (job submit limit)"
    held.begin(1, 2)
    held.until(lambda: held.launcher.shown()[0][1].startswith("not submitted"))
    assert held.launcher.free(NEED) == [], "nothing new meanwhile"
    deadline = time.monotonic() + 1.2
    held.until(lambda: time.monotonic() > deadline)
    assert len(held.launcher.notices()) == 1 and not held.ended
    scheduler.refuses = None
    held.until(lambda: scheduler.submitted == [[1, 2]])


def test_a_job_that_can_never_be_taken_is_paused(held: Held, scheduler: Scheduler) -> None:
    scheduler.refuses = "Batch job submission failed: Invalid account or account/partition combination specified"
    held.begin(1)
    held.until(lambda: held.ended)
    assert held.ended == [Ended(1, 85, "")]
    (notice,) = held.launcher.notices()
    assert notice.pause and "Invalid account" in notice.text


def test_a_silent_controller_ends_nothing_and_folders_still_count(held: Held, scheduler: Scheduler) -> None:
    held.begin(1, 2)
    held.until(lambda: scheduler.looks)
    scheduler.silent = True
    held.until(lambda: len(scheduler.looks) >= 4)
    assert not held.ended and [n.pause for n in held.launcher.notices()] == [False]
    held.says(1, 0)
    held.until(lambda: held.ended)
    scheduler.silent = False
    held.until(lambda: any("answers again" in n.text for n in held.launcher.notices()))


@pytest.mark.parametrize(
    ("state", "code", "words", "pauses"),
    [
        ("CANCELLED", 85, "was cancelled from outside", True),
        ("PREEMPTED", 85, "was preempted", False),
        ("NODE_FAIL", None, "its node n1 failed", False),
        ("TIMEOUT", None, "did not leave in time", False),
        ("OUT_OF_MEMORY", OUT_OF_MEMORY, "memory limit", False),
        ("FAILED", None, "failed without a word", False),
    ],
)
def test_each_end_without_a_word_has_its_outcome(
    held: Held, scheduler: Scheduler, state: str, code: int | None, words: str, pauses: bool
) -> None:
    held.begin(1)
    held.until(lambda: scheduler.submitted)
    (held.attempt(1) / "log.txt").touch()
    scheduler.all_are(state)
    held.until(lambda: held.ended)
    notices = held.launcher.notices()
    assert held.ended[0].code == code and [n.pause for n in notices] == ([pauses] if code == 85 else [])
    assert words in held.ended[0].error + "".join(n.text for n in notices)


@pytest.mark.parametrize(("died", "code"), [(OUT_OF_MEMORY, OUT_OF_MEMORY), (DISK_FULL, DISK_FULL), (-9, None)])
def test_what_a_supervisor_says_of_a_death_decides_what_follows(
    held: Held, scheduler: Scheduler, died: int, code: int | None
) -> None:
    held.begin(1)
    held.until(lambda: scheduler.submitted)
    (held.attempt(1) / "death.json").write_text(json.dumps({"code": died, "error": "the worker died"}))
    held.until(lambda: held.ended)
    assert held.ended[0].code == code and held.ended[0].error.endswith("the worker died")


def test_what_a_batch_asks_of_the_disk_is_told(held: Held, scheduler: Scheduler) -> None:
    held.begin(1)
    held.until(lambda: scheduler.submitted)
    BatchFolder(held.workspace.batch(1)).publish_exit(1, DISK_FULL, "disk full: nothing left", 7)
    held.until(lambda: held.ended)
    assert held.ended == [Ended(1, DISK_FULL, "disk full: nothing left", 7)]


def test_a_full_disk_when_submitting_loses_nothing(
    held: Held, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(slurm, "GATHER", 0.0)  # the next turn submits them
    held.begin(1, 2)
    held.says(1, 0)
    with monkeypatch.context() as patch:
        patch.setattr(slurm, "write_atomically", full)
        with pytest.raises(OSError, match="No space"):
            held.until(lambda: held.ended)
    assert held.ended == []
    held.until(lambda: scheduler.submitted and held.ended)
    assert held.ended == [Ended(1, 0, "")] and held.launcher.running() == [2]


def test_a_supervisor_tells_a_kill_for_memory_from_another(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    held.attempt(1).mkdir(parents=True)
    (held.workspace.batch(1) / "current").write_text("1")
    kills = iter([4, 4, 5])
    monkeypatch.setattr(exit_codes, "memory_kills", lambda: next(kills))
    watching = supervisor.Supervisor(str(held.workspace.folder), Request(1, 1, "abc", 1), "cpu")
    said = []
    for _ in range(2):
        assert watching._outcome(-9, None) == 1
        said.append(json.loads((held.attempt(1) / "death.json").read_text())["code"])
    assert said == [None, OUT_OF_MEMORY]


def test_leaving_again_and_again_without_getting_further_is_a_failure(held: Held, scheduler: Scheduler) -> None:
    for batch, step in ((1, 0), (2, 500)):
        held.begin(batch)
        (held.attempt(batch) / f"step-{step:012d}.{'0' * 64}.safetensors").touch()
        (held.attempt(batch) / "step-foreign.safetensors").touch()
        held.says(batch, 85)
    held.until(lambda: scheduler.submitted)
    scheduler.all_are("COMPLETED")
    held.until(lambda: len(held.ended) == 2)
    codes = {ended.batch: ended.code for ended in held.ended}
    assert codes == {1: None, 2: 85}


def test_the_next_engine_finds_its_jobs_and_cancels_those_of_nobody(
    held: Held, scheduler: Scheduler, tmp_path: Path
) -> None:
    held.begin(1, 2)
    held.until(lambda: scheduler.submitted)
    held.launcher.close()
    held.begin(3)  # known to the folder only
    after = Held(tmp_path)
    assert after.launcher.adopt(1, 1, NEED) and after.launcher.adopt(2, 1, NEED)
    assert not after.launcher.adopt(3, 1, NEED), "it was never submitted"
    prefix = next(iter(scheduler.jobs))[0][:-8]
    scheduler.jobs[f"{prefix}stray000", 0] = "RUNNING"
    after.until(lambda: scheduler.cancelled == [f"{prefix}stray000_0"])
    after.says(1, 0)
    after.until(lambda: after.ended)
    assert after.ended == [Ended(1, 0, "")]


@pytest.mark.parametrize("name", ["../../elsewhere", "", "lth-00000000-00000000", 7])
def test_a_submission_of_another_workspace_is_not_gone_on_with(held: Held, name: Any) -> None:
    held.attempt(1).mkdir(parents=True)
    (held.attempt(1) / "submission.json").write_text(json.dumps({"name": name, "index": 0}))
    assert not held.launcher.adopt(1, 1, NEED)


def test_a_job_that_nobody_knows_and_that_never_started_is_submitted_again(held: Held, scheduler: Scheduler) -> None:
    held.begin(1)
    held.until(lambda: scheduler.submitted)
    scheduler.jobs.clear()
    held.until(lambda: held.ended)
    assert held.ended[0].code == 85


def test_killing_cancels_and_a_checkpoint_is_asked_for_in_the_folder(held: Held, scheduler: Scheduler) -> None:
    held.begin(1, 2)
    held.until(lambda: scheduler.looks and all(s[1] == "n1" for s in held.launcher.shown()))
    held.launcher.stop(1, "kill")
    held.launcher.stop(2)
    held.until(lambda: scheduler.cancelled)
    assert len(scheduler.cancelled) == 1 and scheduler.cancelled[0].endswith("_0")
    assert (held.attempt(2) / "stop").exists() and not (held.attempt(1) / "stop").exists()


def test_resources_become_options_and_nothing_else_does() -> None:
    need = SlurmLauncher(gpus=1, cpus=2, memory="4G", time_limit="1:00:00", partition="gpu", options={"qos": "low"})
    assert flags(need) == ["--time=1:00:00", "--cpus-per-task=2", "--mem=4G", "--partition=gpu", "--gpus-per-node=1",
                           "--qos=low"]  # fmt: skip
    assert parameters(need, "a")["additional_parameters"] == {"no-requeue": True, "qos": "low"}
    assert flags(SlurmLauncher(options={"exclusive": True, "oversubscribe": False})) == [
        "--cpus-per-task=1",
        "--exclusive",
    ]


def test_without_slurm_a_job_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    task = Task(str(tmp_path), "cpu", Request(1, 1, "abc", 1))
    with pytest.raises(SlurmError) as refused:
        submit(tmp_path, "lth-a", NEED, [task])
    assert not refused.value.passing
    with pytest.raises(InputError, match="there is no sbatch"):
        check(NEED, tmp_path)
    with pytest.raises(SlurmError):
        look("lth-")


def test_a_folder_for_pickles_is_the_users_alone(
    held: Held, scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    held.begin(1)
    held.until(lambda: scheduler.submitted)
    (made,) = (tmp_path / "submissions").iterdir()
    assert made.stat().st_mode & 0o777 == made.parent.stat().st_mode & 0o777 == 0o700
    made.parent.chmod(0o777)  # as it may lie in a workspace that comes from elsewhere
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError):
        submit(made, "lth-a", NEED, [Task(str(tmp_path), "cpu", Request(1, 1, "abc", 1))])
    assert made.parent.stat().st_mode & 0o777 == 0o700


def test_without_submitit_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(SlurmError, match=r"lth-workbench\[slurm\]"):
        submit(tmp_path, "lth-a", NEED, [Task(str(tmp_path), "cpu", Request(1, 1, "abc", 1))])
