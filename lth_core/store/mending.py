"""Restores single values that were damaged in the database. Works inside the caller's transaction.

The caller updates digests, because these may be only a part of the damaged values.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from lth_core.experiment.experiment import Experiment
from lth_core.store import digests, metrics
from lth_core.store.database import Database
from lth_core.store.metrics import Point


def put_experiment(connection: sqlite3.Connection, job: int, text: str) -> None:
    """Store a job's experiment, canonical JSON, with its name and identity, and seal the job."""
    experiment = Experiment.from_json(text)
    connection.execute(
        "UPDATE jobs SET experiment = ?, name = ?, identity = ? WHERE id = ?",
        (text, experiment.name, experiment.identity, job),
    )
    digests.seal_job(connection, job)


def put_layer(connection: sqlite3.Connection, trial: int | None, position: int, values: Sequence[Any] | None) -> None:
    """Replace a layer's name, shape, size, kept and prunable; remove the layer if values is None."""
    connection.execute("DELETE FROM layers WHERE trial = ? AND position = ?", (trial, position))
    if values is not None:
        connection.execute("INSERT INTO layers VALUES (?, ?, ?, ?, ?, ?, ?)", (trial, position, *values))


def put_audit(
    connection: sqlite3.Connection, trial: int | None, check: Sequence[Any], values: Sequence[Any] | None
) -> None:
    """Store passed and detail of a check (moment, name, batch, attempt) as `put_layer` does."""
    connection.execute(
        "DELETE FROM audits WHERE trial = ? AND moment = ? AND name = ? AND batch = ? AND attempt = ?", (trial, *check)
    )
    if values is not None:
        connection.execute("INSERT INTO audits VALUES (?, ?, ?, ?, ?, ?, ?)", (trial, *check, *values))


def put_point(connection: sqlite3.Connection, trial: int, name: str, step: int, value: float) -> None:
    """Store a point of a curve; not-a-number is stored as such."""
    metrics.write(connection, [Point(trial, name, step, value)])


def remove_point(connection: sqlite3.Connection, trial: int | None, name: str, step: int) -> None:
    """Remove a point of a curve."""
    connection.execute(
        "DELETE FROM metrics WHERE trial = ? AND step = ? AND name = (SELECT id FROM metric_names WHERE name = ?)",
        (trial, step, name),
    )


def put_column(connection: sqlite3.Connection, trial: int | None, column: str, value: Any) -> None:
    """Store one column of a trial. column: a name from the program, never from a file. A state clears the error."""
    cleared = ", error = NULL" if column == "state" else ""
    connection.execute(f"UPDATE trials SET {column} = ?{cleared} WHERE id = ?", (value, trial))


def put_failed(connection: sqlite3.Connection, trial: int | None, error: str) -> None:
    """Mark a trial as failed; trials that wait for it stay as they are."""
    connection.execute("UPDATE trials SET state = 'failed', error = ? WHERE id = ?", (error, trial))


def submitted(database: Database, job: int) -> list[str]:
    """Experiments that interfaces have queued as this job, as they wrote them."""
    rows = database.rows(
        "SELECT json_extract(payload, '$.experiment') FROM commands WHERE kind = 'submit' AND json_valid(payload) "
        "AND json_valid(answer) AND json_extract(answer, '$.job') = ?", job
    )  # fmt: skip
    return [row[0] for row in rows if isinstance(row[0], str)]


def put_facts(connection: sqlite3.Connection, batch: int | None, attempt: int, facts: str) -> None:
    """Store what an attempt ran with, JSON."""
    connection.execute("UPDATE attempts SET facts = ? WHERE batch = ? AND attempt = ?", (facts, batch, attempt))


def facts_of_job(connection: sqlite3.Connection, job: int) -> dict[tuple[int, int], str]:
    """What each attempt of a job ran with, JSON, by (batch, attempt)."""
    rows = connection.execute(
        "SELECT a.batch, a.attempt, a.facts FROM attempts a JOIN batches b ON b.id = a.batch WHERE b.job = ? "
        "ORDER BY a.batch, a.attempt", (job,)
    )  # fmt: skip
    return {(row["batch"], row["attempt"]): row["facts"] for row in rows}


def stored_facts(connection: sqlite3.Connection, batch: int) -> list[sqlite3.Row]:
    """`attempt` and `facts` (JSON) of each attempt at a batch."""
    return connection.execute("SELECT attempt, facts FROM attempts WHERE batch = ?", (batch,)).fetchall()


def place_and_score(database: Database, trial: int) -> sqlite3.Row:
    """`id` and `name` of a trial's job; `arm`, `round`, `seed`, `step` and `score` of the trial, which must exist."""
    return database.rows(
        "SELECT j.id, j.name, t.arm, t.round, t.seed, t.step, t.score FROM trials t JOIN jobs j ON j.id = t.job "
        "WHERE t.id = ?", trial
    )[0]  # fmt: skip
