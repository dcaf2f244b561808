"""A digest of all that is stored of a trial, its curves left out, and one of a job's experiment.

It is written in the transaction that changes what it is of, by whoever changes that. A change carries it on only where
it still held before: what the disk has changed in between is not sealed by a later write. NULL is of earlier versions:
unchecked.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

_TRIALS = """
    SELECT t.id, t.digest, t.job, t.arm, t.round, t.seed, t.density, t.model_density, t.score, t.tensors, t.sha256,
        CASE WHEN t.state = 'done' THEN json_array(t.batch, t.step) END,
        (SELECT json_group_array(json_array(position, layer, shape, size, kept, prunable))
            FROM (SELECT * FROM layers WHERE trial = t.id ORDER BY position)),
        (SELECT json_group_array(json_array(moment, name, batch, attempt, passed, detail))
            FROM (SELECT * FROM audits WHERE trial = t.id ORDER BY moment, name, batch, attempt))
    FROM trials t
"""
_JOBS = "SELECT id, digest, name, identity, experiment FROM jobs"


@contextmanager
def kept(connection: sqlite3.Connection, trial: int) -> Iterator[None]:
    """Around a change of a trial's result, layers or audits, inside the caller's transaction."""
    row = connection.execute(f"{_TRIALS} WHERE t.id = ?", (trial,)).fetchone()
    held = row is not None and _holds(row)
    try:
        yield
    finally:  # a record that makes no sense may be stored in part
        if held and connection.in_transaction:
            seal_trial(connection, trial)


@contextmanager
def kept_job(connection: sqlite3.Connection, job: int) -> Iterator[None]:
    """Around a change of a job's experiment, name or identity, inside the caller's transaction."""
    before = _digest(connection.execute(f"{_JOBS} WHERE id = ?", (job,)).fetchone())
    yield
    after = _digest(connection.execute(f"{_JOBS} WHERE id = ?", (job,)).fetchone())
    connection.execute("UPDATE jobs SET digest = ? WHERE id = ? AND digest = ?", (after, job, before))


def seal(connection: sqlite3.Connection, job: int) -> None:
    """Give a job and all its trials a digest of what is stored now, whatever theirs was."""
    rows = connection.execute(f"{_TRIALS} WHERE t.job = ?", (job,)).fetchall()
    connection.executemany("UPDATE trials SET digest = ? WHERE id = ?", [(_digest(row), row[0]) for row in rows])
    seal_job(connection, job)


def seal_job(connection: sqlite3.Connection, job: int) -> None:
    """Give a job a digest of the experiment that is stored now, whatever its was."""
    row = connection.execute(f"{_JOBS} WHERE id = ?", (job,)).fetchone()
    connection.execute("UPDATE jobs SET digest = ? WHERE id = ?", (_digest(row), job))


def seal_trial(connection: sqlite3.Connection, trial: int) -> None:
    """Give a trial a digest of what is stored of it now, whatever its was."""
    connection.execute("UPDATE trials SET digest = ? WHERE id = ?", (_now(connection, trial), trial))


def trials_hold(connection: sqlite3.Connection, job: int) -> dict[int, bool | None]:
    """Whether the digest of each trial of a job is that of what is stored; None where it has none."""
    rows = connection.execute(f"{_TRIALS} WHERE t.job = ?", (job,)).fetchall()
    return {row[0]: _holds(row) for row in rows}


def job_holds(connection: sqlite3.Connection, job: int) -> bool | None:
    """The same of the job's own digest, of its experiment, name and identity."""
    return _holds(connection.execute(f"{_JOBS} WHERE id = ?", (job,)).fetchone())


def _holds(row: sqlite3.Row) -> bool | None:
    return None if row[1] is None else bool(row[1] == _digest(row))


def _now(connection: sqlite3.Connection, trial: int) -> str:
    return _digest(connection.execute(f"{_TRIALS} WHERE t.id = ?", (trial,)).fetchone())


def _digest(row: sqlite3.Row) -> str:
    """Of all values behind a row's number and digest; numbers count to their last bit."""
    return hashlib.blake2b(repr(tuple(row)[2:]).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
