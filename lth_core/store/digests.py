"""A digest of everything that is stored of a trial except its curves, and one of a job's experiment.

Whoever changes what a digest covers updates it in the same transaction, but only if it matched before: a later write
must not hide what the disk has changed in between. Earlier versions stored none (NULL: unchecked), or other ones, which
do not begin with NEWEST and are checked by the rule of their version.
"""

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager

NEWEST = "2:"
"""What a digest begins with."""
_TRIALS = """
    SELECT t.id, t.digest, t.job, t.arm, t.round, t.seed, t.density, t.model_density, t.score, t.tensors, t.sha256,
        CASE WHEN t.state = 'done' THEN json_array(t.batch, t.step) END,
        (SELECT json_group_array(json_array(position, layer, shape, size, kept, prunable))
            FROM layers WHERE trial = t.id),
        (SELECT json_group_array(json_array(moment, name, batch, attempt, passed, detail))
            FROM audits WHERE trial = t.id)
    FROM trials t
"""  # both tables are stored in the order of their keys, and so read in it
_ONE = f"{_TRIALS} WHERE t.id = ?"
_SOME = f"{_TRIALS} WHERE t.id IN (SELECT value FROM json_each(?))"
_JOBS = "SELECT id, digest, name, identity, experiment FROM jobs"


@contextmanager
def kept(connection: sqlite3.Connection, *trials: int) -> Iterator[None]:
    """Around a change of the results, layers or audits of trials, inside the caller's transaction.

    All at once: a digest costs as much as its query, which is asked once for all of them.
    """
    held = [row[0] for row in _rows(connection, trials) if _holds(row)]
    try:
        yield
    finally:  # a record that makes no sense may be stored in part
        if held and connection.in_transaction:
            seal_trials(connection, held)


@contextmanager
def kept_job(connection: sqlite3.Connection, job: int) -> Iterator[None]:
    """Around a change of a job's experiment, name or identity, inside the caller's transaction."""
    held = job_holds(connection, job)
    yield
    if held:
        seal_job(connection, job)


def seal(connection: sqlite3.Connection, job: int) -> None:
    """Give a job and all its trials a digest of what is stored now, whatever theirs was."""
    _seal(connection, connection.execute(f"{_TRIALS} WHERE t.job = ?", (job,)).fetchall())
    seal_job(connection, job)


def seal_job(connection: sqlite3.Connection, job: int) -> None:
    """Give a job a digest of the experiment that is stored now, whatever its was."""
    row = connection.execute(f"{_JOBS} WHERE id = ?", (job,)).fetchone()
    connection.execute("UPDATE jobs SET digest = ? WHERE id = ?", (_digest(row), job))


def seal_trials(connection: sqlite3.Connection, trials: Collection[int]) -> None:
    """Give trials a digest of what is stored of them now, whatever theirs was."""
    _seal(connection, _rows(connection, trials))


def trials_hold(connection: sqlite3.Connection, job: int) -> dict[int, bool | None]:
    """Whether the digest of each trial of a job is that of what is stored; None where it has none."""
    rows = connection.execute(f"{_TRIALS} WHERE t.job = ?", (job,)).fetchall()
    return {row[0]: _holds(row) for row in rows}


def job_holds(connection: sqlite3.Connection, job: int) -> bool | None:
    """The same of the job's own digest, of its experiment, name and identity."""
    return _holds(connection.execute(f"{_JOBS} WHERE id = ?", (job,)).fetchone())


def is_of_job(connection: sqlite3.Connection, job: int, name: str, identity: str, experiment: str) -> bool:
    """Whether a job's digest was made of these."""
    query = "SELECT id, digest, ?, ?, ? FROM jobs WHERE id = ?"
    return bool(_holds(connection.execute(query, (name, identity, experiment, job)).fetchone()))


def _rows(connection: sqlite3.Connection, trials: Collection[int]) -> list[sqlite3.Row]:
    if len(trials) == 1:
        return connection.execute(_ONE, (*trials,)).fetchall()
    return connection.execute(_SOME, (json.dumps([*trials]),)).fetchall() if trials else []


def _seal(connection: sqlite3.Connection, rows: list[sqlite3.Row]) -> None:
    connection.executemany("UPDATE trials SET digest = ? WHERE id = ?", [(_digest(row), row[0]) for row in rows])


def _holds(row: sqlite3.Row) -> bool | None:
    if row[1] is None:
        return None
    return bool(row[1] == (_digest(row) if row[1].startswith(NEWEST) else _earlier(row)))


def _digest(row: sqlite3.Row) -> str:
    """Of all values behind a row's number and digest; numbers count to their last bit."""
    content = f"{row[2:-2]!r}\n{row[-2]}\n{row[-1]}"  # the last two are texts, and long
    return NEWEST + hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _earlier(row: sqlite3.Row) -> str:
    """The same as earlier versions made it."""
    return hashlib.blake2b(repr(tuple(row)[2:]).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
