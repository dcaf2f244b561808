"""The user's `[notify] command`: started for every notice, without a shell, with JSON on its standard input."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from lth_core import places
from lth_core.errors import InputError
from lth_core.notify_settings import notify_settings
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.notices import Notice, Notices
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

LIMIT = 10.0
"""Seconds after which a command is killed."""
_EVERY = 0.5
_LAST = 5.0
"""Most seconds that the end of an engine waits for commands."""
_AT_ONCE = 4


class Hook:
    """Runs the command beside the engine. Whatever becomes of it is an event, never a failed job."""

    def __init__(self, workspace: Workspace, database: Database, limit: float = LIMIT) -> None:
        self._workspace, self._limit = workspace, limit
        self._notices = Notices(database)
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: set[Future[None]] = set()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._faults: deque[tuple[int, str]] = deque()
        self._looked_at = 0.0

    def tell(self, database: Database, *, now: bool = False) -> None:
        """Start the command for what is new, at most twice a second; store what went wrong."""
        if not now and time.monotonic() < self._looked_at + _EVERY:
            return
        self._looked_at = time.monotonic()
        found = self._notices.new(database)
        if found:
            self._start(found)
        self._under_way = {one for one in self._under_way if not one.done()}
        while self._faults:
            job, sentence = self._faults[0]
            with database.transaction() as connection:
                add_event(connection, "notify", sentence, job)
            self._faults.popleft()

    def close(self, database: Database) -> None:
        """Tell what is left, and give the commands a few seconds to end."""
        self.tell(database, now=True)
        wait(self._under_way, _LAST)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        for process in list(self._processes):
            _kill(process)
        wait(self._under_way, 1.0)
        self.tell(database, now=True)

    def _start(self, found: list[Notice]) -> None:
        try:
            settings = notify_settings(places.settings_file())
        except InputError as error:
            self._faults.append((found[0].job, str(error)))
            return
        wanted = [notice for notice in found if notice.kind in settings.on] if settings.command else []
        if wanted and self._pool is None:
            self._pool = ThreadPoolExecutor(_AT_ONCE, "notify")
        for notice in wanted:
            assert self._pool is not None  # noqa: S101 made a moment ago
            with contextlib.suppress(RuntimeError):  # it has been closed
                self._under_way.add(self._pool.submit(self._run, settings.command, notice))

    def _run(self, command: tuple[str, ...], notice: Notice) -> None:
        """In a thread: run the command to its end."""
        said = {
            "version": 1, "event": notice.kind, "job": notice.job, "name": one_line(notice.name),
            "state": notice.state, "text": notice.text, "at": notice.at,
            "workspace": str(self._workspace.folder.resolve()), "host": socket.gethostname(),
        }  # fmt: skip
        wrong = self._outcome(command, json.dumps(said).encode() + b"\n")
        if wrong:
            self._faults.append((notice.job, f"the notify command {one_line(command[0], 80)} {wrong}"))

    def _outcome(self, command: tuple[str, ...], said: bytes) -> str:
        """What went wrong, or nothing."""
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                cwd=places.home() or Path("/"), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        self._processes.add(process)
        try:
            _, errors = process.communicate(said, timeout=self._limit)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
            return f"had not ended after {self._limit:g} s and was killed"
        finally:
            self._processes.discard(process)
            for pipe in (process.stdin, process.stderr):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
        last = one_line(errors[-300:].decode(errors="replace"), 200)
        return f"ended with exit code {process.returncode}{': ' * bool(last)}{last}" if process.returncode else ""


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """With all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
