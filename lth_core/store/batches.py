"""Batches: trials that train together, from the first attempt to the end. Writers work inside the caller's
transaction."""

import sqlite3
import time

from lth_core.store.trials import fail_trial
from lth_core.text import one_line


def add_batch(connection: sqlite3.Connection, job: int, trials: list[int]) -> int:
    """Make a batch of trials; it is pending until it is begun."""
    batch = connection.execute("INSERT INTO batches (job, state) VALUES (?, 'pending')", (job,)).lastrowid
    connection.executemany("UPDATE trials SET batch = ? WHERE id = ?", [(batch, trial) for trial in trials])
    return int(batch or 0)


def renumber_batch(connection: sqlite3.Connection, old: int, new: int) -> None:
    """Give a batch that has not begun another number."""
    connection.execute(
        "INSERT INTO batches (id, job, state, failures, alone) SELECT ?, job, state, failures, alone FROM batches "
        "WHERE id = ?", (new, old)
    )  # fmt: skip
    connection.execute("UPDATE trials SET batch = ? WHERE batch = ?", (new, old))
    connection.execute("DELETE FROM batches WHERE id = ?", (old,))


def begin_batch(connection: sqlite3.Connection, batch: int, slot: str, *, after: int = 0) -> int:
    """A new attempt at a batch starts on a slot; returns the attempt's number.

    after: the highest number of an attempt that there is a folder of: a database from a copy may not know of it.
    """
    now = time.time()
    connection.execute(
        "UPDATE batches SET state = 'running', attempt = MAX(attempt, ?) + 1, slot = ?, records_read = 0, "
        "rate = NULL, started = COALESCE(started, ?) WHERE id = ?",
        (after, slot, now, batch),
    )
    connection.execute(
        "UPDATE trials SET state = 'running', started = COALESCE(started, ?) WHERE batch = ? AND state = 'waiting'",
        (now, batch),
    )
    return int(connection.execute("SELECT attempt FROM batches WHERE id = ?", (batch,)).fetchone()[0])


def return_batch(connection: sqlite3.Connection, batch: int, *, alone: bool = False) -> None:
    """The batch is to be run again from its newest checkpoint; from now on alone, if that is wanted."""
    connection.execute(
        "UPDATE batches SET state = 'pending', slot = NULL, rate = NULL, alone = MAX(alone, ?) WHERE id = ?",
        (alone, batch),
    )
    connection.execute("UPDATE trials SET state = 'waiting' WHERE batch = ? AND state = 'running'", (batch,))


def split_batch(connection: sqlite3.Connection, batch: int, trials: list[int], error: str) -> None:
    """The batch was too large: its unfinished trials become two batches, which start from the beginning."""
    job = connection.execute("SELECT job FROM batches WHERE id = ?", (batch,)).fetchone()["job"]
    connection.execute(
        "UPDATE batches SET state = 'failed', split = 1, error = ?, finished = ?, slot = NULL, rate = NULL "
        "WHERE id = ?",
        (f"stack too large: {one_line(error)}", time.time(), batch),
    )
    connection.executemany("UPDATE trials SET state = 'waiting', step = 0 WHERE id = ?", [(t,) for t in trials])
    middle = (len(trials) + 1) // 2
    for half in (trials[:middle], trials[middle:]):
        add_batch(connection, job, half)


def largest_stack(connection: sqlite3.Connection, job: int) -> int | None:
    """The most tickets of a stack since one of the job was too large for the memory; None where none was."""
    row = connection.execute("SELECT MAX(id) AS last FROM batches WHERE job = ? AND split", (job,)).fetchone()
    if row["last"] is None:
        return None
    found = connection.execute(
        "SELECT MAX(tickets) FROM (SELECT COUNT(*) AS tickets FROM trials WHERE job = ? AND batch > ? GROUP BY batch)",
        (job, row["last"]),
    ).fetchone()[0]
    return max(1, int(found or 1))


def end_batch(connection: sqlite3.Connection, batch: int, error: str | None) -> None:
    """The batch is over; trials of it that have no result are failed, with `error` or the lack of a result."""
    state = "failed" if error else "done"
    connection.execute(
        "UPDATE batches SET state = ?, error = ?, finished = ?, slot = NULL, rate = NULL WHERE id = ?",
        (state, error, time.time(), batch),
    )
    for row in connection.execute("SELECT id FROM trials WHERE batch = ? AND state = 'running'", (batch,)).fetchall():
        fail_trial(connection, row["id"], error or "the worker ended without a result for this trial")
