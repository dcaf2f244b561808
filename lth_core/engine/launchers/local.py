"""Workers on this machine: one process per slot, kept for the next batch, told what to do through a pipe."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lth_core.engine.batch import CHECKPOINTED, BatchFolder, read_json
from lth_core.engine.slots import Slot
from lth_core.store.workspace import Workspace
from lth_core.text import clean

GRACE = 7.0
"""Seconds between asking a worker to leave and killing it."""
SILENCE = 600.0
"""Seconds without a sign of life after which a worker is killed; its batch is tried again."""


@dataclass
class Running:
    """An attempt on a slot; times are monotonic. After `stop_at` it is killed; `life` is what it last showed."""

    batch: int
    attempt: int
    stop_at: float | None = None
    life: tuple[float, ...] = ()
    life_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: its published code, or None and the reason where it died."""

    batch: int
    code: int | None
    error: str


class LocalLauncher:
    """Starts, watches and stops the workers of this machine's slots."""

    def __init__(self, workspace: Workspace, slots: list[Slot]) -> None:
        self._workspace = workspace
        self.slots = {slot.name: slot for slot in slots}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._running: dict[str, Running] = {}

    def free(self, _need: object = None) -> list[str]:
        """Names of slots with nothing to do."""
        return [name for name in self.slots if name not in self._running]

    def submit(self, slot: str, batch: int, attempt: int, _need: object = None) -> None:
        """Have the attempt, whose folder exists, run on a free slot."""
        process = self._processes.get(slot)
        if process is None or process.poll() is not None:
            process = self._processes[slot] = self._spawn(self.slots[slot])
        self._running[slot] = Running(batch, attempt)
        assert process.stdin is not None  # noqa: S101 it was opened as a pipe
        try:
            process.stdin.write(f"{batch} {attempt}\n".encode())
            process.stdin.flush()
        except OSError:
            pass  # it has just died; poll() will say so

    def pid(self, slot: str) -> int | None:
        """Process on a slot, if there is one."""
        process = self._processes.get(slot)
        return process.pid if process is not None and process.poll() is None else None

    def slot_of(self, batch: int) -> str | None:
        """The slot on which a batch runs."""
        return next((slot for slot, running in self._running.items() if running.batch == batch), None)

    def poll(self) -> list[Ended]:
        """Attempts that have ended since the last call; kills what has outlived its grace."""
        ended = []
        for slot, running in list(self._running.items()):
            one = self._look(self._processes[slot], running)
            if one is not None:
                del self._running[slot]
                ended.append(one)
        return ended

    def _look(self, process: subprocess.Popen[bytes], running: Running) -> Ended | None:
        """How the attempt ended, if it has."""
        died = process.poll()
        folder = BatchFolder(self._workspace.batch(running.batch)).attempt(running.attempt)
        exit = read_json(folder / "exit.json")
        stopping = running.stop_at is not None
        if exit is not None:
            if exit["code"] != 0 or stopping:
                _reap(process)  # it is leaving: the next batch gets a new one
            return Ended(running.batch, int(exit["code"]), str(exit.get("error", "")))
        if died is not None:
            # One that we asked to leave may have died of the asking, before it was ready to hear it.
            return Ended(running.batch, CHECKPOINTED if stopping else None, _cause(died, folder / "log.txt"))
        now = time.monotonic()
        shown = tuple(
            path.stat().st_mtime for path in (folder / "beat.json", folder / "records.jsonl") if path.exists()
        )
        if shown != running.life:
            running.life, running.life_at = shown, now
        if (running.stop_at is not None and now > running.stop_at) or now > running.life_at + SILENCE:
            _signal(process, signal.SIGKILL)
        return None

    def stop(self, batch: int, how: Literal["checkpoint", "kill"] = "checkpoint") -> None:
        """Ask a batch to checkpoint and leave; it is killed after the grace, or at once."""
        slot = self.slot_of(batch)
        if slot is not None and how == "kill":
            self._running[slot].stop_at = time.monotonic()
            _signal(self._processes[slot], signal.SIGKILL)
            return
        if slot is not None and self._running[slot].stop_at is None:
            self._running[slot].stop_at = time.monotonic() + GRACE
            _signal(self._processes[slot], signal.SIGTERM)

    def close(self) -> list[Ended]:
        """Stop everything: workers checkpoint and leave, or are killed after the grace. Returns what ended."""
        ended: list[Ended] = []
        for running in list(self._running.values()):
            self.stop(running.batch)
        for slot, process in self._processes.items():
            if process.stdin is not None:
                process.stdin.close()
            if slot not in self._running:
                _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE + 1
        while (
            self._running or any(p.poll() is None for p in self._processes.values())
        ) and time.monotonic() < deadline:
            ended += self.poll()
            time.sleep(0.02)
        for process in self._processes.values():
            _signal(process, signal.SIGKILL)
            process.wait()
        return ended + self.poll()

    def _spawn(self, slot: Slot) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(slot.threads),
            "MKL_NUM_THREADS": str(slot.threads),
            "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve their neighbours
            "PYTHONUNBUFFERED": "1",
        }
        log = self._workspace.folder / "workers.log"
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "lth_core.engine.worker", str(self._workspace.folder.resolve()), slot.device],
                stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, start_new_session=True,
            )  # fmt: skip


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _reap(process: subprocess.Popen[bytes]) -> None:
    """A worker that published a code other than 0 is leaving by itself."""
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cause(code: int, log: Path) -> str:
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    tail = _tail(log)
    return f"the worker {how}" + (f"; its log ends with: {tail}" if tail else "")


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            lines = deque(file, maxlen=1)
    except OSError:
        return ""
    return clean(lines[0].decode(errors="replace"), 200).strip() if lines else ""
