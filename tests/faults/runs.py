"""Runs of any experiment as processes that can be hurt, and the comparison with a run that was left alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from tests.engine.experiments import as_toml, digest, tiny
from tests.warm import warm

HANG = 1800.0
"""Seconds after which whatever is waited for has not come: long enough for a machine that is busy with other things."""


def short(name: str = "short", **sections: Any) -> Experiment:
    """About a second of training in several checkpoints, in the middle of episodes."""
    training = {
        "environments": 16, "length": 60_000, "checkpoint_every": 8_000, "record_every": 4_000,
        "evaluation_episodes": 2, **sections.pop("training", {}),
    }  # fmt: skip
    settings: dict[str, Any] = {
        "rewinding": {"weights": 18_000, "optimizer": "rewind"}, "pruning": {"rounds": 1},
        "arms": ["winning", "random"], "seeds": 2, **sections,
    }  # fmt: skip
    return tiny(name, training=training, **settings)


REPLAYING = {"dqn": "CartPole-v1", "sac": "Pendulum-v1"}
"""Algorithms that learn from replay buffers, and what they play."""


def replaying(algorithm: str, length: int = 6_000) -> Experiment:
    """A few seconds in six checkpoints, with a buffer that is full before the end."""
    fields: dict[str, Any] = {
        "name": f"replay-{algorithm}", "seeds": 1, "arms": ["winning"], "model": {"hidden": [8]},
        "pruning": {"rounds": 1, "fraction": 0.3},
        "task": {"environment": REPLAYING[algorithm], "time_limit": 50},
        "training": {
            "algorithm": algorithm, "length": length, "environments": 4, "train_every": 16, "gradient_steps": 2,
            "batch": 16, "replay": 4_000, "learning_starts": 500, "checkpoint_every": length // 6,
            "record_every": length // 12, "evaluation_episodes": 2, "greedy_episodes": 0,
        },
    }  # fmt: skip
    return resolve(fields, f"replay-{algorithm}")


def injected(fault: dict[str, Any]) -> dict[str, str]:
    """Environment variables by which a process that is started is hurt as tests/faults/injected says."""
    return {"PYTHONPATH": warm.INJECTED, "LTH_TEST_FAULT": json.dumps(fault)}


class Run:
    """A workspace in `folder` and the headless processes that work on it.

    `experiment` is an Experiment or the path of any experiment file; `fault` goes to tests/faults/injected.
    """

    def __init__(
        self, folder: Path, experiment: Experiment | Path, *, slots: int = 2, fault: dict[str, Any] | None = None,
        workspace: Path | None = None, environment: dict[str, str] | None = None, device: str = "cpu",
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.slots, self.device = folder, slots, device
        self.workspace = workspace or folder / "workspace"
        self.output = folder / "out.txt"
        self.file = folder / "experiment.toml"
        if isinstance(experiment, Path):
            shutil.copy(experiment, self.file)
        else:
            self.file.write_text(as_toml(experiment))
        self._given = environment or {}
        self.set_fault(fault or {})
        self.process: subprocess.Popen[bytes] | None = None

    def set_fault(self, fault: dict[str, Any]) -> None:
        """What hurts the processes that are started from now on."""
        self._environment = {**os.environ, **(injected(fault) if fault else {}), **self._given}

    def start(self, *prefix: str, output: int | None = None, errors: int | None = None) -> "subprocess.Popen[bytes]":
        """Begin, or go on; `prefix` is put before the command (`nohup`, `prlimit` ...).

        `output` and `errors` are descriptors for what it prints, instead of the file that is read here.
        As from a terminal, whatever these tests were started with: background jobs ignore SIGINT.
        """
        asked = [str(self.file), f"--device={self.device}", f"--slots={self.slots}", "--json"]
        asked.append(f"--workspace={self.workspace}")
        terminal = ["env", "--default-signal=INT,HUP"]
        command = [*terminal, *prefix, sys.executable, "-m", "lth_core.cli", "headless", *asked]
        environment = {**self._environment, warm.SERVER: ""} if prefix else self._environment  # a fork would lack it
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=file if output is None else output,
                stderr=subprocess.STDOUT if errors is None else errors, env=environment, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        return self.process

    def tool(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run another command (`doctor --repair`) on the workspace, to its end."""
        command = [sys.executable, "-m", "lth_core.cli", *words, f"--workspace={self.workspace}"]
        return subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=HANG, check=False
        )

    def finish(self, code: int = 0) -> None:
        """Go on, if nothing runs, and wait for this exit code."""
        process = self.process if self.process is not None and self.process.poll() is None else self.start()
        assert process.wait(timeout=HANG) == code, self.output.read_text()[-3000:]

    def workers(self) -> list[psutil.Process]:
        """Worker processes of this workspace, whoever started them."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or [])
            ours = "lth_core.worker.worker" in line and str(self.workspace) in line
            if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def kill(self) -> None:
        """SIGKILL to everything at once."""
        assert self.process is not None
        for one in [psutil.Process(self.process.pid), *self.workers()]:
            one.kill()
        self.process.wait()
        self.until(lambda: not self.workers())

    def recorded(self) -> int:
        """Bytes of records: moves with every step that is recorded."""
        return sum(path.stat().st_size for path in self.workspace.glob("batches/*/*/records.jsonl"))

    def training(self) -> int:
        """Attempts that have trained so far that they have recorded a point of a curve."""
        paths = self.workspace.glob("batches/*/*/records.jsonl")
        return sum(b'"kind":"metrics"' in path.read_bytes() for path in paths)

    def moved_on(self, by: int = 300) -> bool:
        """Wait until `by` bytes more are recorded (True), or the run has ended (False)."""
        before = self.recorded()
        self.until(lambda: self.recorded() >= before + by or self.ended())
        return not self.ended()

    def leaves(self) -> float:
        """Wait for the end of the process and its workers; the CPU seconds that all of them take until then."""
        assert self.process is not None
        running = [psutil.Process(self.process.pid), *self.workers()]
        first = last = [_cpu(one) for one in running]

        def gone() -> bool:
            nonlocal last
            last = [max(pair) for pair in zip(last, map(_cpu, running), strict=True)]
            return self.ended() and not self.workers()

        self.until(gone)
        return sum(last) - sum(first)

    def ended(self) -> bool:
        """Whether the process is gone."""
        return self.process is not None and self.process.poll() is not None

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + HANG
        while not condition():
            assert time.monotonic() < deadline, f"timed out; {self.output.read_text()[-2000:]}"
            time.sleep(0.01)

    def said(self, words: str) -> bool:
        """Whether the run has printed this."""
        return self.output.exists() and words in self.output.read_text()

    def events(self) -> list[str]:
        """Sentences of the job's events and of those that belong to no job."""
        with self.database() as database:
            return [event.text for event in views.events(database)]

    def errors(self) -> list[str]:
        """Errors of failed trials."""
        with self.database() as database:
            return [t.error or "" for t in views.trials(database, 1) if t.state == "failed"]

    def logs(self) -> str:
        """All that stands in the logs of the attempts."""
        return "\n".join(p.read_text(errors="replace") for p in self.workspace.glob("batches/*/attempt-*/log.txt"))

    def database(self) -> "_Reading":
        """The workspace's database, for a `with` block."""
        return _Reading(self.workspace)

    def digest(self, job: int = 1) -> dict[str, Any]:
        """All that the job has produced, exactly."""
        return digest(self.workspace, job)

    def stop(self) -> None:
        """Leave nothing running."""
        for one in self.workers():
            one.kill()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


def _cpu(process: psutil.Process) -> float:
    """CPU seconds of a process so far; 0 if it is gone."""
    try:
        return sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


class _Reading:
    def __init__(self, workspace: Path) -> None:
        self._path = Workspace(workspace).database

    def __enter__(self) -> Database:
        self._database = Database(self._path, writer=False)
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()


def assert_whole(run: Run, whole: dict[str, Any]) -> None:
    """The run has the results of the uninterrupted one, each trial once, and has left nothing half done."""
    assert run.digest() == whole
    leftovers = [p for p in run.workspace.rglob("*") if p.name.endswith(".tmp") or p.name.startswith("step-")]
    assert not leftovers, leftovers
    assert len(list(run.workspace.glob("batches/*/attempt-*/trial-*.safetensors"))) >= len(whole)
    with run.database() as database:
        assert database.row("SELECT COUNT(*) FROM trials WHERE state = 'done'")[0] == len(whole)
