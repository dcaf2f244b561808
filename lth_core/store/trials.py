"""Trials: which are ready, how they end, which run again. Writers work inside the caller's transaction."""

import sqlite3
import time

from lth_core.experiment.plan import TrialKey
from lth_core.store import digests
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.text import one_line


def ready_trials(connection: sqlite3.Connection, job: int) -> list[sqlite3.Row]:
    """Trials of the lowest round whose parents are done, by seed and arm."""
    return connection.execute(
        """
        WITH ready AS (
            SELECT t.* FROM trials t WHERE t.job = ? AND t.state = 'waiting' AND t.batch IS NULL AND NOT EXISTS (
                SELECT 1 FROM waits w JOIN trials p ON p.id = w.waits_for WHERE w.trial = t.id AND p.state != 'done'))
        SELECT * FROM ready WHERE round = (SELECT MIN(round) FROM ready) ORDER BY seed, id
        """,
        (job,),
    ).fetchall()


def unfinished_trials(connection: sqlite3.Connection, batch: int) -> list[int]:
    """Trials of a running batch without a result."""
    rows = connection.execute(
        "SELECT id FROM trials WHERE batch = ? AND state = 'running' ORDER BY seed, id", (batch,)
    ).fetchall()
    return [row["id"] for row in rows]


def fail_trial(connection: sqlite3.Connection, trial: int, error: str) -> None:
    """Mark a trial failed, and all that wait for it, directly or not, blocked."""
    row = connection.execute("SELECT job, arm, round, seed FROM trials WHERE id = ?", (trial,)).fetchone()
    name = f"{row['arm']} round {row['round']} seed {row['seed']}"
    with digests.kept(connection, trial):
        connection.execute(
            "UPDATE trials SET state = 'failed', error = ?, finished = ? WHERE id = ?",
            (one_line(error), time.time(), trial),
        )
    add_event(connection, "trial failed", f"{name}: {error}", row["job"], trial)
    connection.execute(
        """
        WITH RECURSIVE below (id) AS (
            SELECT trial FROM waits WHERE waits_for = ?1
            UNION SELECT w.trial FROM waits w JOIN below b ON w.waits_for = b.id)
        UPDATE trials SET state = 'blocked', error = ?2 WHERE id IN (SELECT id FROM below) AND state = 'waiting'
        """,
        (trial, f"waits for {name}, which failed"),
    )


def requeue_unfinished(connection: sqlite3.Connection, job: int) -> int:
    """Let failed, blocked and cancelled trials run again from scratch; returns how many. Their audits are kept."""
    ids = [
        row["id"]
        for row in connection.execute(
            "SELECT id FROM trials WHERE job = ? AND state IN ('failed', 'blocked', 'cancelled')", (job,)
        ).fetchall()
    ]
    for trial in ids:
        with digests.kept(connection, trial):
            _requeue(connection, trial)
    return len(ids)


def _requeue(connection: sqlite3.Connection, trial: int) -> None:
    # Audits of earlier versions do not name their batch: give them to the batch that the trial leaves.
    connection.execute(
        "UPDATE audits SET batch = (SELECT batch FROM trials WHERE id = trial) WHERE trial = ? AND batch = 0 "
        "AND EXISTS (SELECT 1 FROM trials WHERE id = trial AND batch NOT NULL)",
        (trial,),
    )
    connection.execute(
        "UPDATE trials SET state = 'waiting', batch = NULL, error = NULL, step = 0, started = NULL, "
        "finished = NULL WHERE id = ?",
        (trial,),
    )
    for table in ("layers", "metrics"):
        connection.execute(f"DELETE FROM {table} WHERE trial = ?", (trial,))


def cancel_trials(connection: sqlite3.Connection, job: int) -> None:
    """Cancel all unfinished trials of a job and their batches."""
    connection.execute(
        "UPDATE trials SET state = 'cancelled' WHERE job = ? AND state IN ('waiting', 'running', 'blocked')",
        (job,),
    )
    connection.execute(
        "UPDATE batches SET state = 'cancelled' WHERE job = ? AND state IN ('pending', 'running')",
        (job,),
    )


def cancel_later_rounds(connection: sqlite3.Connection, job: int) -> int | None:
    """Cancel trials of rounds that have not started; returns the last started round, or None."""
    begun = connection.execute(
        "SELECT MAX(round) FROM trials WHERE job = ? AND (state = 'running' OR (state = 'waiting' AND batch NOT NULL))",
        (job,),
    ).fetchone()[0]
    if begun is not None:
        connection.execute(
            "UPDATE trials SET state = 'cancelled' WHERE job = ? AND round > ? AND state IN ('waiting', 'blocked')",
            (job, begun),
        )
    return None if begun is None else int(begun)


def trials_of_batch(connection: sqlite3.Connection, batch: int) -> list[sqlite3.Row]:
    """The trials of a batch by seed: `id`, `arm`, `round`, `seed`."""
    return connection.execute(
        "SELECT id, arm, round, seed FROM trials WHERE batch = ? ORDER BY seed, id", (batch,)
    ).fetchall()


def parents_of_batch(connection: sqlite3.Connection, batch: int) -> list[sqlite3.Row]:
    """The parents of a batch's trials, each once: `id`, `arm`, `round`, `seed`, `tensors`, `sha256`."""
    return connection.execute(
        "SELECT DISTINCT p.id, p.arm, p.round, p.seed, p.tensors, p.sha256 FROM trials t "
        "JOIN waits w ON w.trial = t.id JOIN trials p ON p.id = w.waits_for WHERE t.batch = ? ORDER BY p.id",
        (batch,),
    ).fetchall()


def stored_files(database: Database, job: int) -> list[sqlite3.Row]:
    """All trials of a job and their files: `id`, `arm`, `round`, `seed`, `state`, `tensors`, `sha256` (or NULL)."""
    return database.rows(
        "SELECT id, arm, round, seed, state, tensors, sha256 FROM trials WHERE job = ? ORDER BY id", job
    )


def stored_file(connection: sqlite3.Connection, job: int, key: TrialKey) -> sqlite3.Row | None:
    """A trial's file: `tensors` and `sha256`, NULL if it has not finished; None if there is no such trial."""
    found: sqlite3.Row | None = connection.execute(
        "SELECT tensors, sha256 FROM trials WHERE job = ? AND arm = ? AND round = ? AND seed = ?",
        (job, key.arm, key.round, key.seed),
    ).fetchone()
    return found


def round_of(connection: sqlite3.Connection, job: int, trial: int) -> tuple[int, int]:
    """(trials of this trial's round that have not failed, running batches of the job)."""
    row = connection.execute(
        "SELECT COUNT(*), (SELECT COUNT(*) FROM batches WHERE job = ?1 AND state = 'running') "
        "FROM trials WHERE job = ?1 AND round = (SELECT round FROM trials WHERE id = ?2) "
        "AND state IN ('waiting', 'running', 'done')",
        (job, trial),
    ).fetchone()
    return int(row[0]), int(row[1])


def named_files(database: Database) -> dict[str, tuple[int, str]]:
    """Files that trials name, relative to the workspace: (the trial, the state of its job)."""
    rows = database.rows(
        "SELECT t.id, t.tensors, j.state FROM trials t JOIN jobs j ON j.id = t.job WHERE t.tensors IS NOT NULL"
    )
    return {row["tensors"]: (int(row["id"]), str(row["state"])) for row in rows}


def forget_result(connection: sqlite3.Connection, trial: int) -> None:
    """Remove the result of a cancelled job's trial, which becomes cancelled."""
    with digests.kept(connection, trial):
        connection.execute(
            "UPDATE trials SET state = 'cancelled', tensors = NULL, sha256 = NULL, score = NULL WHERE id = ?", (trial,)
        )
