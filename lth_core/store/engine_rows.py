"""The engine's own rows: that it runs, and what its slots do. Read by `views.engine` and `views.slots`.

Writers work inside the caller's transaction.
"""

import sqlite3
import time
from collections.abc import Iterable

from lth_core.store.database import Database


def sign_in(connection: sqlite3.Connection, pid: int, host: str) -> None:
    """Note that an engine with this process and host owns the workspace from now on."""
    now = time.time()
    connection.execute("INSERT OR REPLACE INTO engine VALUES (1, ?, ?, ?, ?, 'running')", (pid, host, now, now))


def sign_out(connection: sqlite3.Connection) -> None:
    """Note that the engine has stopped, and remove its slots."""
    connection.execute("UPDATE engine SET state = 'stopped', beat = ?", (time.time(),))
    connection.execute("DELETE FROM slots")


def beat(connection: sqlite3.Connection) -> None:
    """Note that the engine is alive now."""
    connection.execute("UPDATE engine SET beat = ?", (time.time(),))


def list_slots(connection: sqlite3.Connection, slots: Iterable[tuple[str, str]]) -> None:
    """Set the engine's slots: (name, device)."""
    connection.execute("DELETE FROM slots")
    connection.executemany("INSERT INTO slots (name, device) VALUES (?, ?)", list(slots))


def describe_slot(connection: sqlite3.Connection, slot: str, pid: int | None) -> None:
    """Store a slot's process and the batch that runs on it."""
    row = connection.execute("SELECT id FROM batches WHERE slot = ? AND state = 'running'", (slot,)).fetchone()
    connection.execute("UPDATE slots SET pid = ?, batch = ? WHERE name = ?", (pid, row["id"] if row else None, slot))


def list_remote_slots(connection: sqlite3.Connection, prefix: str, slots: Iterable[tuple[str, str, int]]) -> None:
    """Set the slots `prefix/...`: (name, device, batch)."""
    connection.execute("DELETE FROM slots WHERE name LIKE ?", (f"{prefix}/%",))
    connection.executemany("INSERT INTO slots (name, device, batch) VALUES (?, ?, ?)", slots)


def work_left(database: Database) -> bool:
    """Whether a job may still run, or a command has no answer."""
    row = database.row(
        "SELECT (SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'running') AND deleted IS NULL) "
        "+ (SELECT COUNT(*) FROM commands WHERE answer IS NULL)"
    )
    return bool(row and row[0])
