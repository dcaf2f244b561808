"""Everything is killed at random moments, again and again; the resumed run equals the uninterrupted one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lth_core.engine.launchers.local import GRACE
from lth_core.store.database import Database
from tests.engine.experiments import as_toml, digest, tiny
from tests.once import made_once

pytestmark = pytest.mark.processes

KILLS = 4
EXPERIMENT = tiny(
    rewinding={"weights": 8_000, "optimizer": "rewind"},
    pruning={"rounds": 1},
    arms=["winning", "random", "finetune", "gmp", "small_dense", "synflow"],
    training={"environments": 16, "length": 30_000, "checkpoint_every": 2_000, "record_every": 1_000},
)
LONGER = tiny(
    pruning={"rounds": 1},
    arms=["winning"],
    training={"environments": 16, "length": 120_000, "checkpoint_every": 4_000, "record_every": 2_000},
)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        (folder / "tiny.toml").write_text(as_toml(EXPERIMENT))
        assert _start(folder).wait(timeout=600) == 0

    return made_once(tmp_path_factory, "uninterrupted", make)


def _start(folder: Path) -> "subprocess.Popen[str]":
    # As from a terminal, whatever these tests were started with: background jobs ignore SIGINT.
    asked = ["headless", "tiny.toml", "--device=cpu", "--slots=2", "--json"]
    with (folder / "out.txt").open("a") as output:
        return subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-m", "lth_core.cli", *asked],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def _kill_everything(process: "subprocess.Popen[str]", folder: Path) -> None:
    workers = [psutil.Process(pid) for pid in _workers_of(folder)]
    for one in [*workers, psutil.Process(process.pid)]:
        one.kill()
    psutil.wait_procs(workers)
    process.wait()


def _steps(folder: Path) -> int:
    """Records written so far, in bytes: moves with every step that is recorded."""
    return sum(path.stat().st_size for path in folder.glob("workspace/batches/*/*/records.jsonl"))


def _wait_for_progress(process: "subprocess.Popen[str]", folder: Path, more: int) -> bool:
    """Until training has moved on by `more` bytes of records (True), or the run has ended (False)."""
    before, deadline = _steps(folder), time.monotonic() + 120
    while _steps(folder) < before + more:
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return True


def test_killed_at_random_moments_equals_uninterrupted(uninterrupted: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(as_toml(EXPERIMENT))
    moments = random.Random(os.getpid())
    kills, most = 0, _steps(uninterrupted) // (KILLS + 1)
    for _ in range(KILLS):
        process = _start(tmp_path)
        if _wait_for_progress(process, tmp_path, moments.randint(500, most)):
            time.sleep(moments.random() * 0.2)
            _kill_everything(process, tmp_path)
            kills += 1
        process.wait()
    assert kills >= 2, "the run was too short to be killed in the middle"
    assert _start(tmp_path).wait(timeout=600) == 0
    assert digest(tmp_path / "workspace") == digest(uninterrupted / "workspace")
    assert not list((tmp_path / "workspace").rglob("*.tmp.*"))


def test_sigterm_stops_at_a_checkpoint_in_time_and_goes_on(uninterrupted: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(as_toml(EXPERIMENT))
    for number in (signal.SIGTERM, signal.SIGINT):
        process = _start(tmp_path)
        assert _wait_for_progress(process, tmp_path, 500)
        process.send_signal(number)
        assert process.wait(timeout=120) == 130
        assert GRACE + 1 < 10, "what has not left by then is killed"
        assert list((tmp_path / "workspace").rglob("step-*.safetensors")), "it left a checkpoint"
        assert not _workers_of(tmp_path), "no worker outlives it"
    assert _start(tmp_path).wait(timeout=600) == 0
    assert digest(tmp_path / "workspace") == digest(uninterrupted / "workspace")


@pytest.mark.usefixtures("cold_starts")
def test_workers_leave_when_the_engine_is_killed(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(as_toml(tiny(training={"length": 50_000_000})))
    process = _start(tmp_path)
    assert _wait_for_progress(process, tmp_path, 100)
    assert _workers_of(tmp_path)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 120
    while _workers_of(tmp_path):
        assert time.monotonic() < deadline, "a worker outlived its engine"
        time.sleep(0.05)


def test_a_second_run_follows_the_first_and_takes_over_when_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(as_toml(LONGER))
    first = _start(tmp_path)
    assert _wait_for_progress(first, tmp_path, 500)
    second = _start(tmp_path)
    deadline = time.monotonic() + 120
    while "following it" not in (tmp_path / "out.txt").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    first.wait()
    assert second.wait(timeout=600) == 0
    database = Database(tmp_path / "workspace" / "workspace.sqlite", writer=False)
    assert database.rows("SELECT COUNT(*) FROM jobs")[0][0] == 1
    database.close()


def _workers_of(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if "lth_core.worker.worker" in line and str(folder) in line:
            found.append(process.pid)
    return found


def test_the_uninterrupted_run_printed_json_lines(uninterrupted: Path) -> None:
    events = [json.loads(line) for line in (uninterrupted / "out.txt").read_text().splitlines()]
    assert events[-1]["event"] == "result" and events[-1]["state"] == "done"
    assert {"queued", "running", "round", "done", "progress"} <= {event["event"] for event in events}
