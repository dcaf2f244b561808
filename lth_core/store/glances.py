"""Small queries that an interface repeats often. Read only."""

import sqlite3
from dataclasses import dataclass

from lth_core.experiment.plan import TrialKey
from lth_core.store.database import Database
from lth_core.store.schema import NEWEST_AUDITS


@dataclass(frozen=True)
class CheckCount:
    """How often one audit check passed and failed in a job, and one of its sentences."""

    name: str
    moment: str
    passed: int
    failed: int
    example: str


def check_counts(database: Database, job: int) -> tuple[CheckCount, ...]:
    """Counts per check of a job, failing checks first."""
    rows = database.rows(
        "SELECT a.name, a.moment, CAST(TOTAL(a.passed = 1) AS INTEGER) AS passed, "
        "CAST(TOTAL(a.passed = 0) AS INTEGER) AS failed, MIN(a.detail) AS example "
        f"FROM {NEWEST_AUDITS} a JOIN trials t ON t.id = a.trial WHERE t.job = ? "
        "GROUP BY a.name, a.moment ORDER BY failed DESC, a.moment DESC, a.name",
        job,
    )
    return tuple(CheckCount(**row) for row in rows)


def layer_count(database: Database, job: int) -> int:
    """How many rows of layers a job has; it changes exactly when a ticket is added."""
    row = database.row("SELECT COUNT(*) FROM layers WHERE trial IN (SELECT id FROM trials WHERE job = ?)", job)
    return int(row[0]) if row else 0


def metric_names(database: Database, job: int) -> tuple[str, ...]:
    """Names of a job's metrics, from the first started trial of each arm."""
    rows = database.rows(
        "SELECT n.name FROM metric_names n WHERE EXISTS (SELECT 1 FROM metrics m WHERE m.name = n.id AND m.trial IN "
        "(SELECT MIN(id) FROM trials WHERE job = ? AND step > 0 GROUP BY arm)) ORDER BY n.name",
        job,
    )
    return tuple(row["name"] for row in rows)


def mask_files(database: Database, job: int, arm: str) -> dict[int, tuple[str, ...]]:
    """By round, the files of an arm's finished trials, for rounds that at least two seeds have finished."""
    rows = database.rows(
        "SELECT round, tensors FROM trials WHERE job = ? AND arm = ? AND state = 'done' AND tensors NOT NULL "
        "ORDER BY round, seed",
        job, arm,
    )  # fmt: skip
    found: dict[int, list[str]] = {}
    for row in rows:
        found.setdefault(row["round"], []).append(row["tensors"])
    return {round: tuple(paths) for round, paths in found.items() if len(paths) > 1}


def running_trials(database: Database) -> dict[str, tuple[TrialKey, ...]]:
    """By slot, the trials that train on it."""
    rows = database.rows(
        "SELECT s.name, t.arm, t.round, t.seed FROM slots s JOIN trials t ON t.batch = s.batch "
        "WHERE t.state = 'running' ORDER BY s.name, t.id"
    )
    found: dict[str, list[TrialKey]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(TrialKey(row["round"], row["arm"], row["seed"]))
    return {slot: tuple(trials) for slot, trials in found.items()}


def newest_deleted(database: Database) -> int | None:
    """The job that was deleted last and can be restored."""
    row = database.row("SELECT id FROM jobs WHERE deleted NOT NULL ORDER BY deleted DESC LIMIT 1")
    return None if row is None else int(row["id"])


def newest_attempts(database: Database, job: int) -> list[sqlite3.Row]:
    """The newest attempts of a job's four newest batches, newest first: `id` of the batch, `attempt`, `state`."""
    return database.rows("SELECT id, attempt, state FROM batches WHERE job = ? ORDER BY id DESC LIMIT 4", job)


def failed_attempts(database: Database, job: int) -> list[sqlite3.Row]:
    """The newest attempts at a job's batches with a failed trial, oldest first: `id` of the batch, `attempt`."""
    return database.rows(
        "SELECT id, attempt FROM batches WHERE id IN (SELECT batch FROM trials WHERE job = ? AND state = 'failed') "
        "ORDER BY id", job,
    )  # fmt: skip


def all_metric_names(database: Database) -> list[str]:
    """Names of all metrics of all jobs."""
    return [row["name"] for row in database.rows("SELECT name FROM metric_names ORDER BY name")]


def seconds_active(database: Database, job: int) -> float:
    """Seconds in which at least one batch of a job ran; 0 if there is no such job."""
    row = database.row("SELECT active FROM jobs WHERE id = ?", job)
    return float(row["active"]) if row else 0.0


def job_numbers(database: Database) -> list[int]:
    """Numbers of all jobs that are not deleted."""
    return [row["id"] for row in database.rows("SELECT id FROM jobs WHERE deleted IS NULL ORDER BY id")]
