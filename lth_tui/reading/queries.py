"""Small questions to the store that only the interface asks. Reading only."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from lth_core.experiment.plan import TrialKey
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.plain import open_plain
from lth_core.store.schema import NEWEST_AUDITS
from lth_core.store.views import SlotView
from lth_core.store.workspace import Workspace

_TAIL = 16_384


@dataclass(frozen=True)
class CheckCount:
    """How often one check of the audit passed and failed in a job, and one of its sentences."""

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
    """How many rows of layers a job has: changes exactly when a ticket was added."""
    row = database.row("SELECT COUNT(*) FROM layers WHERE trial IN (SELECT id FROM trials WHERE job = ?)", job)
    return int(row[0]) if row else 0


def metric_names(database: Database, job: int) -> tuple[str, ...]:
    """What has been recorded of a job's trials, by the first that has begun of each arm."""
    rows = database.rows(
        "SELECT n.name FROM metric_names n WHERE EXISTS (SELECT 1 FROM metrics m WHERE m.name = n.id AND m.trial IN "
        "(SELECT MIN(id) FROM trials WHERE job = ? AND step > 0 GROUP BY arm)) ORDER BY n.name",
        job,
    )
    return tuple(row["name"] for row in rows)


def mask_files(database: Database, job: int, arm: str) -> dict[int, tuple[str, ...]]:
    """By round the files of an arm's finished trials, for rounds that two seeds or more have finished."""
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
    """By slot the trials that train on it."""
    rows = database.rows(
        "SELECT s.name, t.arm, t.round, t.seed FROM slots s JOIN trials t ON t.batch = s.batch "
        "WHERE t.state = 'running' ORDER BY s.name, t.id"
    )
    found: dict[str, list[TrialKey]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(TrialKey(row["round"], row["arm"], row["seed"]))
    return {slot: tuple(trials) for slot, trials in found.items()}


def slots(database: Database) -> tuple[SlotView, ...]:
    """The engine's slots; one whose batch has no trial left to train is idle until the engine says what comes next."""
    return tuple(
        slot if slot.trials else replace(slot, batch=None, job=None, fraction=0.0, rate=None)
        for slot in views.slots(database)
    )


def newest_deleted(database: Database) -> int | None:
    """The job that was deleted last and can be brought back."""
    row = database.row("SELECT id FROM jobs WHERE deleted NOT NULL ORDER BY deleted DESC LIMIT 1")
    return None if row is None else int(row["id"])


def changes(database: Database) -> int:
    """A number that changes whenever another process has committed anything."""
    row = database.row("PRAGMA data_version")
    return int(row[0]) if row else 0


def newest_log(database: Database, workspace: Workspace, job: int) -> Path | None:
    """The log of the newest attempt of a job's newest batch that has one."""
    rows = database.rows("SELECT id, attempt FROM batches WHERE job = ? ORDER BY id DESC LIMIT 4", job)
    for row in rows:
        for attempt in (row["attempt"], row["attempt"] - 1):
            path = workspace.batch(row["id"]) / f"attempt-{attempt}" / "log.txt"
            if path.is_file():
                return path
    return None


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a text file, whatever its size; none of what is no regular file."""
    try:
        with open_plain(path, follow=False) as file:  # a workspace may come from others
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            text = file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]
