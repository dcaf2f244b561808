"""The database of a bundle's jobs, rebuilt from its records alone in a workspace of its own, as `lth doctor` does."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lth_core.bundle.engine_facts import JobFacts
from lth_core.experiment.plan import TrialKey
from lth_core.store import remaking, views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.upkeep.rebuild import rebuild


@dataclass(frozen=True)
class Rebuilt:
    """unreadable: sentences on records that were left out; alone: trials whose failure no record tells, by job."""

    database: Database
    unreadable: list[str]
    alone: dict[int, list[TrialKey]] = field(default_factory=dict)


@contextmanager
def rebuilt(folder: Path, jobs: Sequence[JobFacts]) -> Iterator[Rebuilt]:
    """The database. folder: a workspace that holds the batches, and gets the database."""
    workspace = Workspace(folder)
    with contextlib.closing(Database(workspace.database, writer=True, remaking=True)) as database:
        found = Rebuilt(database, rebuild(workspace, database).unreadable)
        with database.transaction() as connection:
            for job in jobs:
                found.unreadable.extend(f"job {job.job}: {text}" for text in remaking.left_out(connection, job.job))
                found.alone[job.job] = list(_put(database, connection, job))
        yield found


def _put(database: Database, connection: sqlite3.Connection, job: JobFacts) -> Iterator[TrialKey]:
    """Store what only the engine knew; yields the trials that failed by its word alone.

    A trial keeps the end that its records give it: `agreement` compares.
    """
    names = ("suite", "source", "state", "error", "created", "started", "finished", "active", "threads")
    facts = {name: getattr(job, name) for name in names} | {"provenance": json.dumps(job.provenance, sort_keys=True)}
    remaking.put_job_facts(connection, job.job, facts)
    ended = {trial.key: trial.state for trial in views.trials(database, job.job)}
    for trial in job.trials:
        told: dict[str, float | str | None] = {"started": trial.started, "finished": trial.finished}
        if ended.get(trial.key) in ("waiting", "blocked") and trial.state != "done":
            told |= {"state": trial.state, "error": trial.error}
            if trial.state == "failed":
                yield trial.key
        remaking.put_trial_facts(connection, job.job, trial.key, told)
