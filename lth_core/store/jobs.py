"""Jobs: queueing, finding, their states and ends. Writers work inside the caller's transaction."""

import json
import sqlite3
import time
from typing import Any

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, plan
from lth_core.store import digests
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.text import one_line, plural

_LAUNCHER = "CASE WHEN json_valid(j.experiment) THEN json_extract(j.experiment, '$.launcher') END"
"""SQL of the `[launcher]` of a job `j` as JSON; NULL if it has none, or the experiment cannot be read."""


def known_job(connection: sqlite3.Connection, identity: str, suite: str | None = None) -> int | None:
    """The newest job with the same experiment that was not cancelled.

    For a suite: one of its own jobs, or else a job without a suite, because a job cannot be in two suites, and a suite
    must find all its members.
    """
    row = connection.execute(
        "SELECT id FROM jobs WHERE identity = ?1 AND state != 'cancelled' AND deleted IS NULL "
        "AND (?2 IS NULL OR suite IS NULL OR suite = ?2) ORDER BY ?2 IS NOT NULL AND suite IS ?2 DESC, id DESC LIMIT 1",
        (identity, suite),
    ).fetchone()
    return None if row is None else int(row[0])


def adopt_job(connection: sqlite3.Connection, job: int, suite: str) -> None:
    """Add a job without a suite to this suite; others keep theirs."""
    connection.execute("UPDATE jobs SET suite = ? WHERE id = ? AND suite IS NULL", (suite, job))


def add_job(
    connection: sqlite3.Connection, experiment: Experiment, source: str, provenance: dict[str, Any],
    suite: str | None = None,
) -> int:  # fmt: skip
    """Queue an experiment with all its trials; returns the job's number."""
    last = connection.execute("SELECT COALESCE(MAX(position), 0) FROM jobs").fetchone()[0]
    job = connection.execute(
        "INSERT INTO jobs (name, identity, experiment, provenance, source, state, position, created, suite) "
        "VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?)",
        (
            experiment.name, experiment.identity, experiment.canonical(), json.dumps(provenance, sort_keys=True),
            source, last + 1, time.time(), suite,
        ),
    ).lastrowid  # fmt: skip
    ids: dict[TrialKey, int] = {}
    for trial in plan(experiment):
        key = trial.key
        ids[key] = connection.execute(
            "INSERT INTO trials (job, arm, round, seed, state) VALUES (?, ?, ?, ?, 'waiting')",
            (job, key.arm, key.round, key.seed),
        ).lastrowid  # type: ignore[assignment]
        connection.executemany(
            "INSERT INTO waits (trial, waits_for) VALUES (?, ?)",
            [(ids[key], ids[p]) for p in trial.waits_for],
        )
    digests.seal(connection, int(job or 0))
    add_event(connection, "queued", f"queued with {plural(len(ids), 'trial')}", job)
    return int(job or 0)


def set_job(
    connection: sqlite3.Connection, job: int, state: str, error: str | None = None, waits_for: str | None = None
) -> None:
    """Change a job's state and times, and add an event. waits_for: `space` for a job that is paused until there is
    space on the disk."""
    connection.execute(
        "UPDATE jobs SET state = ?1, error = ?2, waits_for = ?5, "
        "started = CASE WHEN ?1 = 'running' THEN COALESCE(started, ?3) ELSE started END, "
        # Not before its start, in case the clock was set back.
        "finished = CASE WHEN ?1 IN ('done', 'failed', 'cancelled') THEN MAX(?3, COALESCE(started, ?3)) END "
        "WHERE id = ?4",
        (state, error, time.time(), job, waits_for),
    )
    add_event(connection, state, f"job {state}" + (f": {error}" if error else ""), job)


def fix_threads(connection: sqlite3.Connection, job: int, threads: int) -> int:
    """The threads of a job's workers: those of its first attempt, because the bits of results depend on them."""
    connection.execute("UPDATE jobs SET threads = COALESCE(threads, ?) WHERE id = ?", (threads, job))
    return int(connection.execute("SELECT threads FROM jobs WHERE id = ?", (job,)).fetchone()[0])


def threads_of(database: Database, job: int) -> int:
    """The threads of a job's workers; 1 of a job that has none yet."""
    row = database.row("SELECT threads FROM jobs WHERE id = ?", job)
    return 1 if row is None or row["threads"] is None else int(row["threads"])


def pause_for_space(connection: sqlite3.Connection, why: str) -> None:
    """Pause the running jobs because the disk is full."""
    for row in connection.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall():
        wait_for_space(connection, row["id"], why)


def wait_for_space(connection: sqlite3.Connection, job: int, why: str) -> None:
    """Pause one job until there is space on the disk, unless it has ended or was paused."""
    if connection.execute("SELECT 1 FROM jobs WHERE id = ? AND state IN ('queued', 'running')", (job,)).fetchone():
        said = one_line(why).removeprefix("disk full: ")
        set_job(connection, job, "paused", f"disk full: {said}; it continues by itself when there is space", "space")


def waiting_for_space(connection: sqlite3.Connection) -> list[int]:
    """Jobs that were paused because the disk was full."""
    rows = connection.execute("SELECT id FROM jobs WHERE state = 'paused' AND waits_for = 'space'")
    return [row["id"] for row in rows.fetchall()]


def purge_deleted(connection: sqlite3.Connection, before: float) -> tuple[list[int], list[int]]:
    """Remove jobs that were deleted before this time; returns their numbers and those of their batches."""
    doomed = [r[0] for r in connection.execute("SELECT id FROM jobs WHERE deleted < ?", (before,)).fetchall()]
    batches: list[int] = []
    for job in doomed:
        batches += [r[0] for r in connection.execute("SELECT id FROM batches WHERE job = ?", (job,)).fetchall()]
        own = "IN (SELECT id FROM trials WHERE job = ?)"
        connection.execute(f"DELETE FROM metrics WHERE trial {own}", (job,))
        connection.execute(f"DELETE FROM waits WHERE waits_for {own}", (job,))
        for table in ("trials", "events"):  # a number may be used again
            connection.execute(f"DELETE FROM {table} WHERE job = ?", (job,))
        connection.execute("DELETE FROM jobs WHERE id = ?", (job,))
    return doomed, batches


def settle_job(connection: sqlite3.Connection, job: int) -> None:
    """End a job that has no trial left to run, unless it has ended already."""
    state = connection.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()["state"]
    if state not in ("queued", "running", "paused"):
        return
    counts = dict(
        connection.execute("SELECT state, COUNT(*) FROM trials WHERE job = ? GROUP BY state", (job,)).fetchall()
    )
    if counts.keys() & {"waiting", "running"}:
        return
    lost = counts.get("failed", 0) + counts.get("blocked", 0)
    set_job(
        connection,
        job,
        "failed" if lost else ("cancelled" if counts.get("cancelled") else "done"),
        f"{lost} trials failed or were blocked" if lost else None,
    )


def runnable_jobs(database: Database) -> list[sqlite3.Row]:
    """Jobs that may run, in the order of the queue: `id`, and `launcher` as JSON, NULL if it cannot be read."""
    return database.rows(
        f"SELECT id, {_LAUNCHER} AS launcher FROM jobs j WHERE state IN ('queued', 'running') "
        "AND deleted IS NULL ORDER BY priority DESC, position, id"
    )


def live_jobs(connection: sqlite3.Connection) -> list[int]:
    """Numbers of all queued and running jobs."""
    return [row["id"] for row in connection.execute("SELECT id FROM jobs WHERE state IN ('queued', 'running')")]


def job_state(connection: sqlite3.Connection, job: int) -> tuple[str, bool] | None:
    """(state, whether it is deleted) of a job; None if there is no job with that number."""
    row = connection.execute("SELECT state, deleted FROM jobs WHERE id = ?", (job,)).fetchone()
    return None if row is None else (row["state"], row["deleted"] is not None)


def job_experiment(connection: sqlite3.Connection, job: int) -> str:
    """A job's stored experiment, canonical JSON unless it was changed. The job must exist."""
    return str(connection.execute("SELECT experiment FROM jobs WHERE id = ?", (job,)).fetchone()["experiment"])


def add_active(connection: sqlite3.Connection, seconds: float) -> None:
    """Add seconds of activity to all jobs with a running batch."""
    connection.execute(
        "UPDATE jobs SET active = active + ? WHERE id IN (SELECT job FROM batches WHERE state = 'running')", (seconds,)
    )


def adopted_rows(database: Database, slot: str) -> list[sqlite3.Row]:
    """Running batches on slots of this name: `id`, `attempt`, and their job's `launcher` as in `runnable_jobs`."""
    return database.rows(
        f"SELECT b.id, b.attempt, {_LAUNCHER} AS launcher "
        "FROM batches b JOIN jobs j ON j.id = b.job WHERE b.state = 'running' AND b.slot = ?",
        slot,
    )


def job_of_batch(connection: sqlite3.Connection, batch: int) -> sqlite3.Row:
    """`id` and `state` of a batch's job; the batch must exist."""
    row: sqlite3.Row = connection.execute(
        "SELECT j.id, j.state FROM batches b JOIN jobs j ON j.id = b.job WHERE b.id = ?", (batch,)
    ).fetchone()
    return row


def specified_job(connection: sqlite3.Connection, batch: int) -> sqlite3.Row:
    """`id`, `name` and `experiment` (JSON) of a batch's job; the batch must exist."""
    row: sqlite3.Row = connection.execute(
        "SELECT j.id, j.name, j.experiment FROM batches b JOIN jobs j ON j.id = b.job WHERE b.id = ?", (batch,)
    ).fetchone()
    return row
