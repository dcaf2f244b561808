"""What the engine writes: jobs, trials, batches, events. Every function works inside the caller's transaction."""

import json
import sqlite3
import time
from typing import Any

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, plan
from lth_core.store import digests
from lth_core.text import one_line, plural

NONSENSE = (
    KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, InputError,
    sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError,
)  # fmt: skip
"""What reading or storing a record, a wish or a specification raises that makes no sense; never a fault of the disk."""

LAUNCHER = "CASE WHEN json_valid(j.experiment) THEN json_extract(j.experiment, '$.launcher') END"
"""SQL of the `[launcher]` of a job `j` as JSON; NULL where it has none, or is none that can be read."""


def add_event(
    connection: sqlite3.Connection, kind: str, text: str, job: int | None = None, trial: int | None = None
) -> None:
    """Note that something happened."""
    connection.execute(
        "INSERT INTO events (at, job, trial, kind, text) VALUES (?, ?, ?, ?, ?)",
        (time.time(), job, trial, kind, one_line(text)),
    )


def known_job(connection: sqlite3.Connection, identity: str, suite: str | None = None) -> int | None:
    """The newest job with the same experiment that was not cancelled.

    For a suite that is one of its own jobs, or else one that belongs to no suite: a job cannot be in two, and a
    suite must find all of its members.
    """
    row = connection.execute(
        "SELECT id FROM jobs WHERE identity = ?1 AND state != 'cancelled' AND deleted IS NULL "
        "AND (?2 IS NULL OR suite IS NULL OR suite = ?2) ORDER BY ?2 IS NOT NULL AND suite IS ?2 DESC, id DESC LIMIT 1",
        (identity, suite),
    ).fetchone()
    return None if row is None else int(row[0])


def adopt_job(connection: sqlite3.Connection, job: int, suite: str) -> None:
    """A job that belongs to no suite becomes one of this suite; others stay where they are."""
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
    add_event(connection, "queued", f"{experiment.name} queued with {plural(len(ids), 'trial')}", job)
    return int(job or 0)


def set_job(
    connection: sqlite3.Connection, job: int, state: str, error: str | None = None, waits_for: str | None = None
) -> None:
    """Change a job's state, keep its times, and say so. waits_for: `space` for a job that is paused until there is
    room on the disk."""
    connection.execute(
        "UPDATE jobs SET state = ?1, error = ?2, waits_for = ?5, "
        "started = CASE WHEN ?1 = 'running' THEN COALESCE(started, ?3) ELSE started END, "
        # Not before its start, where the clock was set back.
        "finished = CASE WHEN ?1 IN ('done', 'failed', 'cancelled') THEN MAX(?3, COALESCE(started, ?3)) END "
        "WHERE id = ?4",
        (state, error, time.time(), job, waits_for),
    )
    add_event(connection, state, f"job {state}" + (f": {error}" if error else ""), job)


def ready_trials(connection: sqlite3.Connection, job: int) -> list[sqlite3.Row]:
    """Trials of the lowest round that wait for nothing any more, by seed and arm."""
    return connection.execute(
        """
        WITH ready AS (
            SELECT t.* FROM trials t WHERE t.job = ? AND t.state = 'waiting' AND t.batch IS NULL AND NOT EXISTS (
                SELECT 1 FROM waits w JOIN trials p ON p.id = w.waits_for WHERE w.trial = t.id AND p.state != 'done'))
        SELECT * FROM ready WHERE round = (SELECT MIN(round) FROM ready) ORDER BY seed, id
        """,
        (job,),
    ).fetchall()


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


def fix_threads(connection: sqlite3.Connection, job: int, threads: int) -> int:
    """The threads of a job's workers: those of its first attempt, for the bits of its results depend on them."""
    connection.execute("UPDATE jobs SET threads = COALESCE(threads, ?) WHERE id = ?", (threads, job))
    return int(connection.execute("SELECT threads FROM jobs WHERE id = ?", (job,)).fetchone()[0])


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


def unfinished(connection: sqlite3.Connection, batch: int) -> list[int]:
    """Trials of a running batch that have no result yet."""
    rows = connection.execute(
        "SELECT id FROM trials WHERE batch = ? AND state = 'running' ORDER BY seed, id", (batch,)
    ).fetchall()
    return [row["id"] for row in rows]


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


def pause_for_space(connection: sqlite3.Connection, why: str) -> None:
    """Pause the running jobs because the disk is full."""
    for row in connection.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall():
        wait_for_space(connection, row["id"], why)


def wait_for_space(connection: sqlite3.Connection, job: int, why: str) -> None:
    """Pause one job until there is room on the disk, unless it has ended or was paused."""
    if connection.execute("SELECT 1 FROM jobs WHERE id = ? AND state IN ('queued', 'running')", (job,)).fetchone():
        said = one_line(why).removeprefix("disk full: ")
        set_job(connection, job, "paused", f"disk full: {said}; it goes on by itself when there is room", "space")


def waiting_for_space(connection: sqlite3.Connection) -> list[int]:
    """Jobs that were paused because the disk was full."""
    rows = connection.execute("SELECT id FROM jobs WHERE state = 'paused' AND waits_for = 'space'")
    return [row["id"] for row in rows.fetchall()]


def end_batch(connection: sqlite3.Connection, batch: int, error: str | None) -> None:
    """The batch is over; trials of it that have no result are failed, with `error` or the lack of a result."""
    state = "failed" if error else "done"
    connection.execute(
        "UPDATE batches SET state = ?, error = ?, finished = ?, slot = NULL, rate = NULL WHERE id = ?",
        (state, error, time.time(), batch),
    )
    for row in connection.execute("SELECT id FROM trials WHERE batch = ? AND state = 'running'", (batch,)).fetchall():
        fail_trial(connection, row["id"], error or "the worker ended without a result for this trial")


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
    """Failed, blocked and cancelled trials wait again, from scratch; returns how many. Their audits are kept."""
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
    # Audits of earlier versions do not name their batch: from now on they are those of the one that is left.
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
    """All trials of a job that have not ended are cancelled, and their batches with them."""
    connection.execute(
        "UPDATE trials SET state = 'cancelled' WHERE job = ? AND state IN ('waiting', 'running', 'blocked')",
        (job,),
    )
    connection.execute(
        "UPDATE batches SET state = 'cancelled' WHERE job = ? AND state IN ('pending', 'running')",
        (job,),
    )


def cancel_later_rounds(connection: sqlite3.Connection, job: int) -> int | None:
    """Cancel trials of rounds that have not begun; returns the last round that goes on, None if none has begun."""
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


def purge_deleted(connection: sqlite3.Connection, before: float) -> tuple[list[int], list[int]]:
    """Forget jobs that were deleted before a moment; returns their numbers and those of their batches."""
    doomed = [r[0] for r in connection.execute("SELECT id FROM jobs WHERE deleted < ?", (before,)).fetchall()]
    batches: list[int] = []
    for job in doomed:
        batches += [r[0] for r in connection.execute("SELECT id FROM batches WHERE job = ?", (job,)).fetchall()]
        own = "IN (SELECT id FROM trials WHERE job = ?)"
        connection.execute(f"DELETE FROM metrics WHERE trial {own}", (job,))
        connection.execute(f"DELETE FROM waits WHERE waits_for {own}", (job,))
        for table in ("trials", "events"):  # a number may be given again
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
