"""Whether a database is sound, and how much is in it. Reads only, except that it fails jobs with damaged files."""

import sqlite3

from lth_core.store.database import Database


def damage(database: Database) -> list[str]:
    """What SQLite finds damaged in the file, five sentences at most; empty where it is whole."""
    said = [row[0] for row in database.rows("PRAGMA integrity_check(5)")]
    return [] if said == ["ok"] else said


def orphans(database: Database) -> int:
    """How many rows belong to nothing."""
    return len(database.rows("PRAGMA foreign_key_check"))


def counts(database: Database) -> tuple[int, int]:
    """(jobs, points of curves)."""
    row = database.rows("SELECT (SELECT COUNT(*) FROM jobs), (SELECT COUNT(*) FROM metrics)")[0]
    return row[0], row[1]


def trial_counts(database: Database) -> tuple[int, int, int]:
    """(trials, those without a digest, those with a file)."""
    row = database.rows("SELECT COUNT(*), TOTAL(digest IS NULL), TOTAL(tensors IS NOT NULL) FROM trials")[0]
    return row[0], int(row[1]), int(row[2])


def finished_files(database: Database) -> list[sqlite3.Row]:
    """Finished trials: `id`, `job`, `arm`, `round`, `seed`, `tensors` and `sha256` of their files."""
    return database.rows(
        "SELECT id, job, arm, round, seed, tensors, sha256 FROM trials WHERE state = 'done' ORDER BY id"
    )


def job_names(database: Database) -> list[tuple[int, str]]:
    """(number, name) of every job, deleted ones too."""
    return [(row["id"], row["name"]) for row in database.rows("SELECT id, name FROM jobs ORDER BY id")]


def named_experiment(database: Database, job: int) -> sqlite3.Row:
    """`name`, `identity` and `experiment` of a job as they are stored; the job must be there."""
    return database.rows("SELECT name, identity, experiment FROM jobs WHERE id = ?", job)[0]


def fail_finished_job(connection: sqlite3.Connection, trial: int, error: str) -> int:
    """The job of a trial, if it is done, has failed; returns its number."""
    job = int(connection.execute("SELECT job FROM trials WHERE id = ?", (trial,)).fetchone()["job"])
    connection.execute("UPDATE jobs SET state = 'failed', error = ? WHERE id = ? AND state = 'done'", (error, job))
    return job


def put_into_one_file(database: Database) -> None:
    """Leave nothing beside the file, which can then be renamed."""
    database.connection.execute("PRAGMA journal_mode = DELETE")
