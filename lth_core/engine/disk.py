"""The workspace's disk: a reserve to free when it is full, so that this can be written down, and when to go on.

A full disk stops everything. A job that asks for more than is free, before it starts, stops nothing but itself.
"""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lth_core.batches.exit_codes import DISK_FULL, code_of
from lth_core.store import reserve
from lth_core.store.batches import running_batches_of
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.jobs import set_job, settle_job, wait_for_space, waiting_for_space
from lth_core.store.refusal import kind_of

ROOM = 2 * reserve.BYTES
"""Bytes that must be free before work goes on."""
LOOK_EVERY = 1.0


@dataclass
class Shortage:
    """What one job asks for in vain: in a sentence, and in bytes; `told` is whether the store knows."""

    why: str
    needed: int
    told: bool = False


class Space:
    """Whether the disk is full, why, and what was done about it; `folder` is the workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / reserve.NAME
        self._looked_at = 0.0
        self.full = False
        self.told = False
        """Whether the store knows."""
        self.why = ""
        self.short: dict[int, Shortage] = {}
        """Jobs that wait for room of their own; see `shortage`."""

    def keep_reserve(self) -> None:
        """Hold back the reserve, where there is room for it."""
        with contextlib.suppress(OSError):
            if self._file.exists() and self._file.stat().st_size == reserve.BYTES:
                return
            if self.free() < ROOM:
                return
            # Random bytes: a filesystem that compresses would keep nothing of zeros.
            self._file.write_bytes(os.urandom(reserve.BYTES))

    def fill(self, why: str) -> None:
        """The disk is full: free the reserve, and let nothing start until there is room."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        if not self.full:
            self.told = False
        self.full = True
        self.why = why.removeprefix("disk full: ")
        self._looked_at = time.monotonic()

    def refuse(self, job: int, why: str, needed: int) -> None:
        """One job asks for more than there is: it alone is to wait, for the most that any of its batches asks for."""
        before = self.short.get(job)
        self.short[job] = Shortage(why, max(needed, before.needed if before else 0))

    def due(self) -> bool:
        """Whether it is time to look again."""
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return False
        self._looked_at = time.monotonic()
        return True

    def room(self, needed: int = ROOM) -> bool:
        """Whether there is room to go on, the reserve included."""
        return self.free() >= needed + reserve.BYTES

    def clear(self) -> None:
        """Work goes on."""
        self.full = False
        self.keep_reserve()

    def free(self) -> int:
        """Bytes that can be written."""
        return shutil.disk_usage(self._folder).free

    def is_full(self, fault: Exception) -> bool:
        """Whether an exception means that the disk is full."""
        if isinstance(fault, sqlite3.OperationalError):
            return kind_of(self._file, fault) == "full"
        return code_of(fault) == DISK_FULL


def take_up(database: Database, space: Space) -> None:
    """What an earlier engine left waiting: for a full disk, or each for a room that only its next start can tell."""
    waiting = waiting_for_space(database.connection)
    if waiting and not space.room():
        space.fill("an earlier engine found it so")
    else:
        space.short |= {job: Shortage("", ROOM, told=True) for job in waiting}


def mind_shortages(database: Database, space: Space, stop: Callable[[int], None]) -> None:
    """Write down which jobs wait for room of their own, have their batches leave, and let go on what fits by now."""
    for job, shortage in space.short.items():
        if not shortage.told:
            _pause(database, job, shortage, stop)
    waiting = waiting_for_space(database.connection) if space.short else []
    for job, shortage in list(space.short.items()):
        if job not in waiting:  # resumed, cancelled or paused by a user
            del space.short[job]
        elif space.room(shortage.needed):
            _go_on(database, job)
            del space.short[job]


def _pause(database: Database, job: int, shortage: Shortage, stop: Callable[[int], None]) -> None:
    with database.transaction() as connection:
        wait_for_space(connection, job, shortage.why)
        batches = running_batches_of(connection, job)
    shortage.told = True
    for batch in batches:
        stop(batch)


def _go_on(database: Database, job: int) -> None:
    with database.transaction() as connection:
        add_event(connection, "space", "there is room on the disk again", job)
        set_job(connection, job, "queued")
        settle_job(connection, job)
