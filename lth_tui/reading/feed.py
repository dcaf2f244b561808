"""The thread between store and screen: reads snapshots a few times a second, writes commands, fetches answers.

It never calls the interface, and the interface never waits for it: a slow disk or a locked database delays
what is shown, not the keys.
"""

import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_core.errors import InputError
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

if TYPE_CHECKING:
    from lth_core.store.commands import Command
    from lth_core.store.database import Database
    from lth_core.store.notices import Notice
    from lth_tui.reading.snapshot import Snapshot, Watch

_ANSWER_PATIENCE = 15.0
_PAINT_FIRST = 0.03
"""Seconds between a key and the reading that it asks for: what the key itself changes is painted meanwhile, and a
cursor that runs through a list asks for few queries."""


@dataclass(frozen=True)
class LabelledCommand:
    """A command from the user. label: its name in the toast."""

    command: "Command"
    label: str


@dataclass(frozen=True)
class Reply:
    """The result of a command; `answer` is None if no engine answered in time."""

    asked: LabelledCommand
    answer: dict[str, Any] | None
    error: str | None = None


class Feed(threading.Thread):
    """Set `watch`; read `latest`, `replies` and `notices` at any time; `ask` sends commands."""

    def __init__(self, workspace: Workspace, period: float = 0.22) -> None:
        super().__init__(name="feed", daemon=True)
        self._workspace = workspace
        self.period = period
        self._unsent: deque[LabelledCommand] = deque()
        self._asked: dict[int, tuple[LabelledCommand, float]] = {}
        self._wake = threading.Event()
        self._ended = False
        self._watch: Watch | None = None
        self.latest: Snapshot | None = None
        self.replies: deque[Reply] = deque()
        self.notices: deque[Notice] = deque()
        self.cost = 0.0

    def watch(self, watch: "Watch") -> None:
        """Look closely at a job."""
        if watch != self._watch:
            self._watch = watch
            self._wake.set()

    def ask(self, asked: LabelledCommand) -> None:
        """Write a command into the command table; its Reply appears in `replies`."""
        self._unsent.append(asked)
        self._wake.set()

    def stop(self) -> None:
        """End the thread soon, after writing waiting commands."""
        self._ended = True
        self._wake.set()

    def run(self) -> None:
        """Read, write, sleep; the sleep grows with the cost of a reading."""
        from lth_core.store.notices import Notices
        from lth_tui.reading.reader import Reader
        from lth_tui.reading.snapshot import Snapshot, Watch

        reader: Reader | None = None
        notices: Notices | None = None
        while not self._ended:
            started = time.perf_counter()
            self._wake.clear()
            try:
                reader = reader or Reader(self._workspace)
                self._send(reader.database)
                notices = notices or Notices(reader.database)
                self.latest = reader.read(self._watch or Watch())
                self.notices.extend(notices.new(reader.database))
                self._collect(reader.database)
            except (sqlite3.Error, InputError, ValueError, OSError) as error:
                self.latest = replace(self.latest or Snapshot(), error=one_line(error), loaded=True)
                reader = None
            self.cost = time.perf_counter() - started
            if self._wake.wait(max(self.period, 3 * self.cost)) and not self._ended:
                time.sleep(_PAINT_FIRST)
        if reader is not None:  # commands sent just before the end are still written
            self._send(reader.database)

    def _send(self, database: "Database") -> None:
        from lth_core.store.commands import ask

        while self._unsent:
            asked = self._unsent.popleft()
            try:
                number = ask(database, asked.command)
            except sqlite3.Error as error:
                self.replies.append(Reply(asked, None, one_line(error)))
            else:
                self._asked[number] = (asked, time.monotonic())

    def _collect(self, database: "Database") -> None:
        from lth_core.store.commands import answer

        for number, (asked, since) in list(self._asked.items()):
            reply = answer(database, number)
            if reply is not None:
                self.replies.append(Reply(asked, reply, reply.get("error")))
                del self._asked[number]
            elif time.monotonic() - since > _ANSWER_PATIENCE:
                self.replies.append(Reply(asked, None))
                del self._asked[number]
