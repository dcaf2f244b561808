"""Replay buffers, whose log checkpoints share in parts: killed, damaged, moved, on a full disk.

The quick rows run attempts without an engine. A real disk is filled in test_disk_full.
"""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_core.batches.batch import BatchFolder, BatchSpec
from lth_core.batches.exit_codes import DONE
from lth_core.training.run import StackRun
from lth_core.worker.attempt import Attempt
from tests.faults.runs import REPLAYING, Run, assert_whole, replaying
from tests.training.test_every_arm import Batches, dense


def checkpoints(run: Run) -> list[Path]:
    """Those of the newest attempt at a batch that has two, and those of its log, the oldest first."""
    return sorted(run.workspace.rglob("step-*.safetensors"), key=lambda path: path.name)


def stopped_half_way(run: Run) -> None:
    """Killed, engine and workers at once, when there are two checkpoints."""
    run.start()
    run.until(lambda: len(checkpoints(run)) >= 2 or run.ended())
    run.kill()
    assert len(checkpoints(run)) >= 2, "it ended before"


class Attempts:
    """A dense run that is tried several times, in this process or in one that is killed."""

    def __init__(self, folder: Path, algorithm: str) -> None:
        settings = replaying(algorithm, 1_200)
        self._batches = Batches(folder, settings)
        self._spec: BatchSpec = self._batches.specified(dense(settings))
        self._folder = BatchFolder(self._batches.workspace.batch(1))
        self._folder.complete(self._spec)

    def run(self, number: int) -> None:
        """An attempt."""
        self._folder.begin(number)
        running = Attempt(self._batches.workspace, self._spec, number, "cpu", lambda: False)
        try:
            assert running.run() == DONE
        finally:
            running.close()

    def is_killed(self, number: int, patch: pytest.MonkeyPatch, file: str, passes: int) -> None:
        """An attempt in a process of its own, killed before so many writes of files with this name."""
        child = os.fork()
        if not child:
            try:
                torch.set_num_threads(1)  # those of this process are not there
                at_rename(patch, file, passes, lambda: os.kill(os.getpid(), signal.SIGKILL))
                self.run(number)
            finally:
                os._exit(0)  # whatever happened, it is no second process of tests
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, "the point was never reached"

    def result(self, number: int) -> Any:
        """The checksum of the tensors, of the networks and of what was drawn, and the score, of an attempt."""
        self._batches.read(self._folder.attempt(number))
        (found,) = self._batches.results.values()
        return found["sha256"], found["score"]

    def kept(self) -> list[str]:
        """Names of checkpoints, parts of buffers, and files that are half written."""
        names = [path.name for path in self._folder.folder.rglob("*")]
        return sorted(name for name in names if name.startswith(("step-", "log-")) or name.endswith(".tmp"))


def at_rename(patch: pytest.MonkeyPatch, file: str, passes: int, act: Callable[[], None]) -> None:
    """Do this before so many writes of files with this name."""
    real, left = Path.replace, [passes]

    def replace(self: Path, target: Any) -> Any:
        left[0] -= file in str(target)
        if file in str(target) and not left[0]:
            act()
        return real(self, target)

    patch.setattr(Path, "replace", replace)


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.processes
@pytest.mark.fault("a worker with replay buffers, killed or on a full disk while it saves")
@pytest.mark.parametrize(("algorithm", "file", "how"), [
    ("dqn", "log-", "killed"), ("sac", "log-", "full"), ("sac", "step-", "killed"), ("dqn", "step-", "full"),
])  # fmt: skip
def test_an_attempt_goes_on_where_the_last_one_saved_its_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: Any, algorithm: str, file: str, how: str
) -> None:
    whole, own = Attempts(tmp_path / "whole", algorithm), Attempts(tmp_path / "own", algorithm)
    whole.run(1)
    if how == "killed":  # and again, when a checkpoint needs parts of two attempts
        own.is_killed(1, monkeypatch, file, 4)
        own.is_killed(2, monkeypatch, file, 2)
    else:
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
            at_rename(patch, file, 5, full)
            own.run(1)
    saved = [name for name in own.kept() if name.startswith("step-")]
    assert any(name.startswith("log-") for name in own.kept())
    resumed, real = list[int](), StackRun.restore

    def restore(run: StackRun, *stored: Any) -> None:
        real(run, *stored)
        resumed.append(run.stack.trained)

    monkeypatch.setattr(StackRun, "restore", restore)
    last = 3 if how == "killed" else 2
    own.run(last)
    assert resumed == [int(saved[-1][5:17])] and resumed[0] > 500, "it started over, or had not learnt"
    assert own.result(last) == whole.result(1)
    seen("goes on from the checkpoint before, with the parts of the buffer that it names; same bits")


KILLS = [("before a record", "metrics", 5), ("half a write", "log-", 2), ("before rename", "log-", 3),
         ("before folder sync", "log-", 2), ("before rename", "step-", 3)]  # fmt: skip
"""Between two checkpoints; while a part of the buffer is written; when it is written, and its checkpoint is not."""


@pytest.mark.slow
@pytest.mark.fault("SIGKILL of a worker with replay buffers")
@pytest.mark.parametrize(("algorithm", "point", "file", "passes"), [
    pytest.param(algorithm, *kill, id=f"{algorithm}, {kill[0]}, {kill[1]}")
    for algorithm in REPLAYING for kill in KILLS
])  # fmt: skip
def test_a_worker_killed_with_its_buffer_goes_on_with_the_same_transitions(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, tmp_path: Path, algorithm: str, point: str, file: str,
    passes: int,
) -> None:  # fmt: skip
    whole, marker = left_alone(replaying(algorithm)), tmp_path / "died"
    kill = {"point": point, "file": file, "passes": passes, "marker": str(marker)}
    run = make_run(replaying(algorithm), slots=1, fault={"kill": kill})
    run.finish()
    assert marker.exists(), "the point was never reached"
    assert_whole(run, whole)
    assert not list(run.workspace.rglob("log-*.safetensors")), "parts of the buffer are left"
    assert "resumed at step" in run.logs()
    seen("tried again from its checkpoint and the parts of the buffer that it needs; same bits; no part left")


@pytest.mark.slow
@pytest.mark.fault("a part of a replay buffer's log")
@pytest.mark.parametrize(("which", "how"), [
    ("newest", "flipped"), ("newest", "missing"), ("newest", "cut"), ("oldest", "cut"),
])  # fmt: skip
@pytest.mark.parametrize("algorithm", REPLAYING)
def test_a_damaged_part_costs_the_checkpoints_that_need_it(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, algorithm: str, which: str, how: str
) -> None:
    whole = left_alone(replaying(algorithm, 12_000))
    run = make_run(replaying(algorithm, 12_000), slots=1)
    stopped_half_way(run)
    older = checkpoints(run)[-2].name
    parts = sorted(run.workspace.rglob("log-*.safetensors"), key=lambda path: path.name)
    own = parts[-1 if which == "newest" else 0]
    content = bytearray(own.read_bytes())
    content[len(content) // 2] ^= 8
    if how == "missing":
        own.unlink()
    else:
        own.write_bytes(content if how == "flipped" else content[: len(content) // 3])
    run.finish()
    assert_whole(run, whole)
    assert (f"resumed at step {int(older[5:17])}" in run.logs()) == (which == "newest")
    seen("noticed by its checksum; " + ("the checkpoint before used" if which == "newest" else "starts over"))


@pytest.mark.slow
@pytest.mark.fault("a workspace with replay buffers moved between two runs")
@pytest.mark.parametrize("algorithm", REPLAYING)
def test_a_workspace_that_was_moved_goes_on_with_its_buffers(
    make_run: Callable[..., Run], left_alone: Any, seen: Any, tmp_path: Path, algorithm: str
) -> None:
    whole = left_alone(replaying(algorithm, 12_000))
    run = make_run(replaying(algorithm, 12_000), slots=1)
    stopped_half_way(run)
    moved = tmp_path / "elsewhere" / "w"
    moved.parent.mkdir()
    run.workspace.rename(moved)
    on = make_run(replaying(algorithm, 12_000), name="on", workspace=moved, slots=1)
    on.finish()
    assert_whole(on, whole)
    assert "resumed at step" in on.logs() and not run.workspace.exists()
    seen("goes on at the new place from its checkpoint and its buffer; same bits; nothing made at the old place")
