"""Who runs the engine: this process starts one as soon as no other holds the workspace's lease.

The engine is a process in a session of its own: it and its workers continue without the terminal and this process.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from lth_core.batches.processes import command
from lth_core.engine.lease import Lease, LeaseHeld
from lth_core.errors import InputError
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

_RETRY = 3.0
STOP_TIMEOUT = 25.0
_MODULE = "lth_core.engine.process"
_MODULE_BEFORE = "lth_tui.engine_process"
"""Its name in earlier versions: one of theirs may still run."""


@dataclass(frozen=True)
class Ownership:
    """`word` is one of: starting, here (started by this process), detached (by an earlier one), elsewhere, viewing,
    failed, stopped."""

    word: str
    pid: int | None = None
    host: str | None = None
    error: str | None = None


class EngineOwner(threading.Thread):
    """Starts the engine's process when the lease is free; a plain thread, so that the screen never waits for it."""

    def __init__(self, workspace: Workspace, device: str, slots: int | None) -> None:
        super().__init__(name="engine-owner", daemon=True)
        self._workspace, self._device, self._slots = workspace, device, slots
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self.state = Ownership("starting")

    @property
    def owns(self) -> bool:
        """Whether a workbench started the engine here, so that quitting must ask whether it keeps running."""
        return self.state.word in ("here", "detached")

    def run(self) -> None:
        """Try to own the engine, watch it while it runs."""
        while not self._ended.is_set():
            process = self._process
            if process is None:
                self._try()
            elif process.poll() is not None:
                self._process = None
                if process.returncode:
                    words = "the engine ended; see engine.log in the workspace"
                    self.state = Ownership("failed", error=words)
                    return
                self.state = Ownership("stopped")
            self._ended.wait(0.5 if self._process is not None else _RETRY)

    def _try(self) -> None:
        try:
            Lease(self._workspace.lease).release()
            with self._lock:
                if not self._ended.is_set():
                    self._start()
        except LeaseHeld as held:
            word = "detached" if held.host == socket.gethostname() and _is_detached(held.pid) else "elsewhere"
            self.state = Ownership(word, held.pid, one_line(held.host, 60))
        except (OSError, InputError, ValueError) as error:  # the user must read it, and the screen must live
            self._fail(one_line(error) or type(error).__name__)

    def _start(self) -> None:
        words = command(_MODULE, str(self._workspace.folder.resolve()), "--device", self._device)
        if self._slots is not None:
            words += ["--slots", str(self._slots)]
        with (self._workspace.folder / "engine.log").open("ab") as log:
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        assert process.stdout is not None  # noqa: S101 opened as a pipe
        line = process.stdout.readline()
        said = json.loads(line) if line else {"error": "the engine did not start; see engine.log"}
        if "pid" in said:
            self._process, self.state = process, Ownership("here", int(said["pid"]), socket.gethostname())
        elif "held" in said:
            self.state = Ownership("elsewhere", int(said["held"]), one_line(said["host"], 60))
        else:
            self._fail(one_line(said.get("error", "")))

    def _fail(self, words: str) -> None:
        self.state = Ownership("failed", error=words)
        self._ended.set()

    def leave(self) -> None:
        """Leave the engine: it continues until nothing is left to run."""
        self._ended.set()
        with self._lock:
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()

    def stop(self) -> None:
        """Stop the engine at a checkpoint and wait until it has ended; harmless to call again."""
        self._ended.set()
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            _end(process.pid)
            process.wait(STOP_TIMEOUT)
        elif self.state.word == "detached" and self.state.pid is not None and _is_detached(self.state.pid):
            _end(self.state.pid)
            _wait_for(self._workspace)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _wait_for(workspace: Workspace) -> None:
    """Wait until the lease is free, for a limited time."""
    end = time.monotonic() + STOP_TIMEOUT
    while time.monotonic() < end:
        try:
            Lease(workspace.lease).release()
        except LeaseHeld:
            time.sleep(0.1)
        else:
            return


def _is_detached(pid: int) -> bool:
    try:
        return not {_MODULE, _MODULE_BEFORE}.isdisjoint(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
