"""What a scheduler's job runs: the worker as a process of its own, asked to checkpoint when the scheduler warns.

It acts for the engine, which may be on another machine or gone: it starts the worker on one attempt, forwards signals
and the request to stop, and makes the worker's records visible to other machines. Imports no torch.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from lth_core.batches.batch import BatchFolder, Exit, read_exit
from lth_core.batches.exit_codes import BY_MEMORY, CHECKPOINTED, DONE, OUT_OF_MEMORY, MemoryWatch
from lth_core.batches.link import Link
from lth_core.batches.processes import command, variables
from lth_core.batches.request import Request
from lth_core.store.tensors import write_atomically
from lth_core.store.workspace import Workspace

GRACE = 25.0
"""Seconds between asking the worker to stop and killing it."""
STOP = "stop"
"""File in the attempt's folder by which the engine asks for a checkpoint."""
DEATH = "death.json"
"""File in the attempt's folder that says how a worker died, if the worker could not."""
_STEP = 0.2


class Supervisor:
    """One worker on one attempt."""

    def __init__(self, folder: str, request: Request, device: str) -> None:
        self._batch, self._attempt = BatchFolder(Workspace(Path(folder)).batch(request.batch)), request.attempt
        self._folder = self._batch.attempt(self._attempt)
        self._command = command("lth_core.worker.worker", folder, device)
        self._request = request
        self._environment = variables(request.threads)
        self._warned = self._killed = False
        self._memory = MemoryWatch()
        self._asked_at: float | None = None
        self._synced_at = 0.0

    def run(self) -> int:
        """Train the attempt. Returns 0 if it said how it ended, or if another process trains it."""
        for number in (signal.SIGUSR2, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if not self._batch.is_current(self._attempt):
            return 0
        if not self._request.checksum:  # submitted by an earlier version, without the checksum of its specification
            self._batch.publish_exit(self._attempt, CHECKPOINTED)
            return 0
        link = Link(self._command, self._environment)
        link.ask(self._request)
        while link.process.poll() is None:
            self._watch(link.process)
            time.sleep(_STEP)
        self._sync()
        return self._outcome(link.process.returncode, link.answer())

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._warned = True

    def _watch(self, worker: "subprocess.Popen[bytes]") -> None:
        if read_exit(self._folder) is not None:
            worker.kill()  # everything is written, and it gets no other batch
        if self._asked_at is None and (self._warned or self._unwanted()):
            self._asked_at = time.monotonic()
            worker.terminate()
        if self._asked_at is not None and time.monotonic() > self._asked_at + GRACE:
            self._killed = True
            worker.kill()
        if time.monotonic() > self._synced_at + 1.0:
            self._sync()

    def _unwanted(self) -> bool:
        return (self._folder / STOP).exists() or not self._batch.is_current(self._attempt)

    def _sync(self) -> None:
        """Flush its files: on a network filesystem other machines see only what was flushed (by any process here)."""
        self._synced_at = time.monotonic()
        with contextlib.suppress(OSError):
            descriptor = os.open(self._folder / "records.jsonl", os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _outcome(self, died: int, answer: Exit | None) -> int:
        said = read_exit(self._folder)
        if said is not None:
            return 0 if said.code in (DONE, CHECKPOINTED) else 1
        if not self._batch.is_current(self._attempt):
            return 0
        code, error = self._death(died) if answer is None else (answer.code, answer.error)
        write_atomically(self._folder / DEATH, json.dumps({"code": code, "error": error}).encode())
        return 1

    def _death(self, died: int) -> tuple[int | None, str]:
        """What the death of a worker means that has not said how it ended: OUT_OF_MEMORY or None, and a sentence."""
        if not self._killed and self._memory.killed(died):
            return OUT_OF_MEMORY, BY_MEMORY
        return None, f"the worker was killed by signal {-died}" if died < 0 else f"the worker ended with code {died}"


def supervise(folder: str, batch: int, attempt: int, device: str, threads: int, checksum: str = "") -> None:
    """What submitit calls. Ends the process, so that submitit pickles no result.

    checksum: of the batch's specification; earlier versions submitted jobs without it.
    """
    sys.exit(Supervisor(folder, Request(batch, attempt, checksum, threads), device).run())
