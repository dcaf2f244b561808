"""Builds a job's rows again from its records, in a database in memory."""

import contextlib
import sqlite3
from collections.abc import Iterator

from lth_core.store import schema


@contextlib.contextmanager
def in_memory(database: sqlite3.Connection, job: int) -> Iterator[sqlite3.Connection]:
    """A database with this job, its batches, and its trials without results, within one transaction until the block
    ends."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        for script in schema.MIGRATIONS:
            connection.executescript(script)
        for table in ("jobs", "trials", "batches"):
            own = "id = ?" if table == "jobs" else "job = ?"
            rows = [tuple(row) for row in database.execute(f"SELECT * FROM {table} WHERE {own}", (job,))]
            if rows:  # a waiting job has no batches
                connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        connection.execute(
            "UPDATE trials SET state = 'waiting', batch = NULL, step = 0, digest = NULL, score = NULL, tensors = NULL, "
            "sha256 = NULL, density = NULL, model_density = NULL"
        )
        connection.execute("BEGIN")
        yield connection


def begin_again(connection: sqlite3.Connection, trial: int, batch: int) -> None:
    """Let a batch train a trial from scratch: results of an earlier batch no longer count."""
    connection.execute(
        "UPDATE trials SET state = 'running', batch = ?, score = NULL, tensors = NULL, sha256 = NULL, step = 0 "
        "WHERE id = ?", (batch, trial)
    )  # fmt: skip
    for table in ("layers", "metrics"):
        connection.execute(f"DELETE FROM {table} WHERE trial = ?", (trial,))


def trial_row(connection: sqlite3.Connection, trial: int) -> sqlite3.Row:
    """A stored trial, all columns; it must exist."""
    row: sqlite3.Row = connection.execute("SELECT * FROM trials WHERE id = ?", (trial,)).fetchone()
    return row


def layer_rows(connection: sqlite3.Connection, trial: int) -> list[sqlite3.Row]:
    """A trial's stored layers, all columns; the second is `position`."""
    return connection.execute("SELECT * FROM layers WHERE trial = ?", (trial,)).fetchall()


def audit_rows(connection: sqlite3.Connection, trial: int) -> list[sqlite3.Row]:
    """A trial's checks: `moment`, `name`, `batch`, `attempt`, `passed`, `detail`."""
    return connection.execute(
        "SELECT moment, name, batch, attempt, passed, detail FROM audits WHERE trial = ?", (trial,)
    ).fetchall()
