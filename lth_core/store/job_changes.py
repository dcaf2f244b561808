"""Changes of a job by the user: its place in the queue, its launcher, whether it is deleted.

Every function works inside the caller's transaction.
"""

import sqlite3
import time

from lth_core.experiment.experiment import Experiment
from lth_core.store import digests


def take_place(connection: sqlite3.Connection, old: int, new: int) -> bool:
    """Give a job the position, priority and suite of `old`; False if `old` has started or ended."""
    row = connection.execute(
        "SELECT position, priority, suite, started FROM jobs WHERE id = ? AND state IN ('queued', 'paused')", (old,)
    ).fetchone()
    if row is None or row["started"] is not None:
        return False
    connection.execute(
        "UPDATE jobs SET position = ?, priority = ?, suite = ? WHERE id = ?",
        (row["position"], row["priority"], row["suite"], new),
    )
    return True


def move_job(connection: sqlite3.Connection, job: int, by: int) -> None:
    """Move a job by a number of places among the visible jobs of its priority, at most to either end."""
    rows = connection.execute(
        "SELECT id FROM jobs WHERE deleted IS NULL AND priority = (SELECT priority FROM jobs WHERE id = ?) "
        "ORDER BY position, id", (job,)
    ).fetchall()  # fmt: skip
    order = [row[0] for row in rows]
    here = order.index(job)
    order.insert(min(max(here + by, 0), len(order) - 1), order.pop(here))
    connection.executemany("UPDATE jobs SET position = ? WHERE id = ?", list(enumerate(order)))


def change_priority(connection: sqlite3.Connection, job: int, by: int) -> None:
    """Raise or lower a job's priority, within -9 to 9."""
    connection.execute("UPDATE jobs SET priority = MAX(-9, MIN(9, priority + ?)) WHERE id = ?", (by, job))


def priority(connection: sqlite3.Connection, job: int) -> int:
    """A job's priority."""
    return int(connection.execute("SELECT priority FROM jobs WHERE id = ?", (job,)).fetchone()[0])


def delete_job(connection: sqlite3.Connection, job: int) -> None:
    """Mark a job as deleted, which hides it."""
    connection.execute("UPDATE jobs SET deleted = ? WHERE id = ?", (time.time(), job))


def restore_job(connection: sqlite3.Connection, job: int) -> None:
    """Restore a deleted job."""
    connection.execute("UPDATE jobs SET deleted = NULL WHERE id = ?", (job,))


def change_experiment(connection: sqlite3.Connection, job: int, experiment: Experiment) -> None:
    """Store a job's experiment with another launcher; its next attempt sets the number of threads anew."""
    with digests.kept_job(connection, job):
        connection.execute("UPDATE jobs SET experiment = ?, threads = NULL WHERE id = ?", (experiment.canonical(), job))
