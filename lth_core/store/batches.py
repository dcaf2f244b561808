"""Batches: trials that train together, from the first attempt to the end. Writers work inside the caller's
transaction."""

import sqlite3
import time
from typing import Any

from lth_core.store.database import Database
from lth_core.store.trials import fail_trial
from lth_core.text import one_line


def add_batch(connection: sqlite3.Connection, job: int, trials: list[int]) -> int:
    """Create a batch of trials; it is pending until its first attempt begins."""
    batch = connection.execute("INSERT INTO batches (job, state) VALUES (?, 'pending')", (job,)).lastrowid
    connection.executemany("UPDATE trials SET batch = ? WHERE id = ?", [(batch, trial) for trial in trials])
    return int(batch or 0)


def renumber_batch(connection: sqlite3.Connection, old: int, new: int) -> None:
    """Give another number to a batch without attempts."""
    connection.execute(
        "INSERT INTO batches (id, job, state, failures, alone) SELECT ?, job, state, failures, alone FROM batches "
        "WHERE id = ?", (new, old)
    )  # fmt: skip
    connection.execute("UPDATE trials SET batch = ? WHERE batch = ?", (new, old))
    connection.execute("DELETE FROM batches WHERE id = ?", (old,))


def begin_batch(connection: sqlite3.Connection, batch: int, slot: str, *, after: int = 0) -> int:
    """Start a new attempt at a batch on a slot; returns the attempt's number.

    after: the highest attempt that has a folder, which a restored copy of the database may not know.
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
    """Let the batch run again from its newest checkpoint; alone: with no other batch beside it from now on."""
    connection.execute(
        "UPDATE batches SET state = 'pending', slot = NULL, rate = NULL, alone = MAX(alone, ?) WHERE id = ?",
        (alone, batch),
    )
    connection.execute("UPDATE trials SET state = 'waiting' WHERE batch = ? AND state = 'running'", (batch,))


def split_batch(connection: sqlite3.Connection, batch: int, trials: list[int], error: str) -> None:
    """Split a batch that was too large: its unfinished trials become two batches, which start from the beginning."""
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
    """The most tickets of a stack since one of the job was too large for the memory; None if none was."""
    row = connection.execute("SELECT MAX(id) AS last FROM batches WHERE job = ? AND split", (job,)).fetchone()
    if row["last"] is None:
        return None
    found = connection.execute(
        "SELECT MAX(tickets) FROM (SELECT COUNT(*) AS tickets FROM trials WHERE job = ? AND batch > ? GROUP BY batch)",
        (job, row["last"]),
    ).fetchone()[0]
    return max(1, int(found or 1))


def end_batch(connection: sqlite3.Connection, batch: int, error: str | None) -> None:
    """End the batch; its trials without a result fail."""
    state = "failed" if error else "done"
    connection.execute(
        "UPDATE batches SET state = ?, error = ?, finished = ?, slot = NULL, rate = NULL WHERE id = ?",
        (state, error, time.time(), batch),
    )
    for row in connection.execute("SELECT id FROM trials WHERE batch = ? AND state = 'running'", (batch,)).fetchall():
        fail_trial(connection, row["id"], error or "the worker ended without a result for this trial")


def batch_row(connection: sqlite3.Connection, batch: int) -> sqlite3.Row | None:
    """The state of a batch: `job`, `state`, `attempt`, `failures`, `records_read`, `fraction`, `rate`, `whole`,
    `before`, `costs`; None if there is no batch with that number."""
    row: sqlite3.Row | None = connection.execute(
        "SELECT job, state, attempt, failures, records_read, fraction, rate, whole, before, costs FROM batches "
        "WHERE id = ?",
        (batch,),
    ).fetchone()
    return row


def last_batch(connection: sqlite3.Connection) -> int:
    """The highest number of a batch; there must be one."""
    return int(connection.execute("SELECT MAX(id) FROM batches").fetchone()[0])


def running_batches(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    """All running batches: `id`, `attempt`, `slot`."""
    return connection.execute("SELECT id, attempt, slot FROM batches WHERE state = 'running'").fetchall()


def running_batches_of(connection: sqlite3.Connection, job: int) -> list[int]:
    """Numbers of a job's running batches."""
    rows = connection.execute("SELECT id FROM batches WHERE job = ? AND state = 'running'", (job,)).fetchall()
    return [row["id"] for row in rows]


def pending_batches(connection: sqlite3.Connection, job: int) -> list[int]:
    """Numbers of a job's pending batches, oldest first."""
    rows = connection.execute("SELECT id FROM batches WHERE job = ? AND state = 'pending' ORDER BY id", (job,))
    return [row["id"] for row in rows.fetchall()]


def batches_alone(connection: sqlite3.Connection, other_slot: str) -> list[sqlite3.Row]:
    """Batches that must run with no other beside them, running ones first: `id`, `job`, `state`.

    other_slot: the name of slots where every batch has its own memory anyway.
    """
    return connection.execute(
        "SELECT id, job, state FROM batches WHERE alone AND slot IS NOT ? AND state IN ('running', 'pending') "
        "ORDER BY state DESC, id",
        (other_slot,),
    ).fetchall()


def set_records_read(connection: sqlite3.Connection, batch: int, end: int) -> None:
    """Note that the records of the current attempt are stored up to byte `end`."""
    connection.execute("UPDATE batches SET records_read = ? WHERE id = ?", (end, batch))


def set_progress(
    connection: sqlite3.Connection, batch: int, fraction: Any, rate: Any, whole: Any, before: Any, costs: str | None
) -> None:
    """Store a batch's progress from its worker; raises sqlite3.Error for values that are not numbers."""
    connection.execute(
        "UPDATE batches SET fraction = ?, rate = ?, whole = ?, before = ?, costs = ? WHERE id = ?",
        (fraction, rate, whole, before, costs, batch),
    )


def count_failure(connection: sqlite3.Connection, batch: int) -> None:
    """Count one more failed attempt at the batch."""
    connection.execute("UPDATE batches SET failures = failures + 1 WHERE id = ?", (batch,))


def batches_of(connection: sqlite3.Connection, job: int) -> list[int]:
    """Numbers of all batches of a job, oldest first."""
    rows = connection.execute("SELECT id FROM batches WHERE job = ? ORDER BY id", (job,)).fetchall()
    return [row["id"] for row in rows]


def batch_states(database: Database) -> dict[int, str]:
    """The state of every batch by its number."""
    return {row["id"]: row["state"] for row in database.rows("SELECT id, state FROM batches")}


def seconds_by_device(database: Database, job: int) -> list[tuple[str | None, float]]:
    """What a job's batches took from their first start to their end, by the device of the last attempt; None where no
    attempt has said its device."""
    rows = database.rows(
        "SELECT json_extract(a.facts, '$.device') AS device, TOTAL(b.finished - b.started) AS seconds FROM batches b "
        "LEFT JOIN attempts a ON a.batch = b.id AND a.attempt = b.attempt WHERE b.job = ? AND b.finished NOT NULL "
        "GROUP BY 1 ORDER BY 1", job
    )  # fmt: skip
    return [(row["device"], float(row["seconds"])) for row in rows]
