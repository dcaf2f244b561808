"""The workspace's disk: a reserve that is freed when the disk is full, so that the database can say so.

A full disk stops everything. A job that needs more than is free before it starts stops only itself.
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
"""Bytes that must be free before work continues."""
LOOK_EVERY = 1.0


@dataclass
class Shortage:
    """Space that one job lacks, as a sentence and in bytes; told: whether the database says so."""

    why: str
    needed: int
    told: bool = False


class Space:
    """Whether the disk is full and why, and which jobs wait for space; folder: the workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / reserve.NAME
        self._looked_at = 0.0
        self.full = False
        self.told = False
        """Whether the database says so."""
        self.why = ""
        self.short: dict[int, Shortage] = {}
        """Jobs that wait for space; see `shortage`."""

    def keep_reserve(self) -> None:
        """Create the reserve, if there is space for it."""
        with contextlib.suppress(OSError):
            if self._file.exists() and self._file.stat().st_size == reserve.BYTES:
                return
            if self.free() < ROOM:
                return
            # Random bytes: a filesystem that compresses would reserve nothing for zeros.
            self._file.write_bytes(os.urandom(reserve.BYTES))

    def fill(self, why: str) -> None:
        """Note that the disk is full: free the reserve, and start nothing until there is space."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        if not self.full:
            self.told = False
        self.full = True
        self.why = why.removeprefix("disk full: ")
        self._looked_at = time.monotonic()

    def refuse(self, job: int, why: str, needed: int) -> None:
        """Let one job wait until there is space for the largest need of its batches."""
        before = self.short.get(job)
        self.short[job] = Shortage(why, max(needed, before.needed if before else 0))

    def due(self) -> bool:
        """Whether it is time to check again."""
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return False
        self._looked_at = time.monotonic()
        return True

    def room(self, needed: int = ROOM) -> bool:
        """Whether there is space to continue, including the reserve."""
        return self.free() >= needed + reserve.BYTES

    def clear(self) -> None:
        """Note that the disk has space again."""
        self.full = False
        self.keep_reserve()

    def free(self) -> int:
        """Bytes free on the disk."""
        return shutil.disk_usage(self._folder).free

    def is_full(self, fault: Exception) -> bool:
        """Whether an exception means that the disk is full."""
        if isinstance(fault, sqlite3.OperationalError):
            return kind_of(self._file, fault) == "full"
        return code_of(fault) == DISK_FULL


def take_up(database: Database, space: Space) -> None:
    """Take over jobs that an earlier engine left waiting for the disk, or for space whose amount is not known yet."""
    waiting = waiting_for_space(database.connection)
    if waiting and not space.room():
        space.fill("an earlier engine found it so")
    else:
        space.short |= {job: Shortage("", ROOM, told=True) for job in waiting}


def mind_shortages(database: Database, space: Space, stop: Callable[[int], None]) -> None:
    """Pause jobs that wait for space, with their batches, and let jobs continue whose need fits by now."""
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
