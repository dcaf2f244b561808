"""Writes of rebuilding a lost database: jobs, trials and batches under their old numbers.

Every function works inside the caller's transaction.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, plan
from lth_core.store.jobs import add_job
from lth_core.store.nonsense import NONSENSE


@contextmanager
def all_or_nothing(connection: sqlite3.Connection) -> Iterator[None]:
    """A part of the transaction that is undone if it raises OSError or NONSENSE."""
    connection.execute("SAVEPOINT part")
    try:
        yield
    except (OSError, *NONSENSE):
        connection.execute("ROLLBACK TO part")
        raise
    finally:
        if connection.in_transaction:  # on a full disk SQLite may have rolled back by itself
            connection.execute("RELEASE part")


def add_old_job(
    connection: sqlite3.Connection, job: int, experiment: Experiment, trials: Iterable[tuple[int, TrialKey]]
) -> None:
    """Add a job under its old number, with those of its trials whose numbers are known."""
    number = add_job(connection, experiment, "", {"rebuilt": True})
    # Restore the numbers of job and trials, because `add_job` numbered them from empty tables.
    connection.execute("DELETE FROM waits WHERE trial IN (SELECT id FROM trials WHERE job = ?)", (number,))
    connection.execute("DELETE FROM trials WHERE job = ?", (number,))
    connection.execute("DELETE FROM events WHERE job = ?", (number,))
    connection.execute("UPDATE jobs SET id = ?, state = 'queued' WHERE id = ?", (job, number))
    connection.executemany(
        "INSERT OR IGNORE INTO trials (id, job, arm, round, seed, state) VALUES (?, ?, ?, ?, ?, 'waiting')",
        [(trial, job, key.arm, key.round, key.seed) for trial, key in trials],
    )


def add_other_trials(connection: sqlite3.Connection, job: int, experiment: Experiment) -> None:
    """Add the trials of a job that never started, and what each of its trials waits for."""
    planned = plan(experiment)
    connection.executemany(
        "INSERT OR IGNORE INTO trials (job, arm, round, seed, state) VALUES (?, ?, ?, ?, 'waiting')",
        [(job, t.key.arm, t.key.round, t.key.seed) for t in planned],
    )
    rows = connection.execute("SELECT id, arm, round, seed FROM trials WHERE job = ?", (job,)).fetchall()
    ids = {TrialKey(row["round"], row["arm"], row["seed"]): row["id"] for row in rows}
    connection.executemany(
        "INSERT INTO waits (trial, waits_for) VALUES (?, ?)",
        [(ids[t.key], ids[parent]) for t in planned for parent in t.waits_for],
    )


def add_old_batch(connection: sqlite3.Connection, batch: int, job: int, attempt: int) -> None:
    """Add a pending batch under its old number, with the number of its last attempt."""
    connection.execute(
        "INSERT INTO batches (id, job, state, attempt) VALUES (?, ?, 'pending', ?)", (batch, job, attempt)
    )


def take_trials(connection: sqlite3.Connection, batch: int, trials: Sequence[int]) -> None:
    """Give these trials to the batch, as running."""
    marks = ",".join("?" * len(trials))
    connection.execute(f"UPDATE trials SET state = 'running', batch = ?, error = NULL WHERE id IN ({marks})",
                       (batch, *trials))  # fmt: skip


def end_old_batches(connection: sqlite3.Connection) -> None:
    """End batches without a running trial."""
    connection.execute(
        "UPDATE batches SET state = 'done' WHERE NOT EXISTS "
        "(SELECT 1 FROM trials t WHERE t.batch = batches.id AND t.state = 'running')"
    )


def pause_old_job(connection: sqlite3.Connection, job: int, why: str) -> None:
    """Pause a job; its running trials wait."""
    connection.execute("UPDATE trials SET state = 'waiting' WHERE job = ? AND state = 'running'", (job,))
    connection.execute("UPDATE jobs SET state = 'paused', error = ? WHERE id = ?", (why, job))


def how_much(connection: sqlite3.Connection) -> tuple[int, int, int, int]:
    """(jobs, trials, trials that are done, points of curves)."""
    jobs, trials, done = connection.execute(
        "SELECT (SELECT COUNT(*) FROM jobs), COUNT(*), TOTAL(state = 'done') FROM trials"
    ).fetchone()
    points = connection.execute("SELECT COUNT(*) FROM metrics").fetchone()[0]
    return int(jobs), int(trials), int(done), int(points)


def result_of(connection: sqlite3.Connection, trial: int) -> sqlite3.Row:
    """`state`, `tensors` and `sha256` of a trial, which must exist."""
    row: sqlite3.Row = connection.execute("SELECT state, tensors, sha256 FROM trials WHERE id = ?", (trial,)).fetchone()
    return row


def has_curve(connection: sqlite3.Connection, trial: int) -> bool:
    """Whether a trial has a point of any curve."""
    return connection.execute("SELECT 1 FROM metrics WHERE trial = ? LIMIT 1", (trial,)).fetchone() is not None


def put_job_facts(connection: sqlite3.Connection, job: int, facts: Mapping[str, Any]) -> None:
    """Store what only an engine knew of a job: columns of `jobs` by name, from the program, never from a file."""
    names = ", ".join(f"{name} = ?" for name in facts)
    connection.execute(f"UPDATE jobs SET {names} WHERE id = ?", (*facts.values(), job))


def put_trial_facts(connection: sqlite3.Connection, job: int, key: TrialKey, facts: Mapping[str, Any]) -> None:
    """The same of a trial: columns of `trials`."""
    names = ", ".join(f"{name} = ?" for name in facts)
    connection.execute(
        f"UPDATE trials SET {names} WHERE job = ? AND arm = ? AND round = ? AND seed = ?",
        (*facts.values(), job, key.arm, key.round, key.seed),
    )


def left_out(connection: sqlite3.Connection, job: int) -> list[str]:
    """Sentences on records of a job that made no sense and were left out."""
    rows = connection.execute("SELECT text FROM events WHERE kind = 'bad record' AND job = ? ORDER BY id", (job,))
    return [str(row["text"]) for row in rows]
