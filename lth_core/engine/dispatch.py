"""Which trials run next, together, and where: ready trials become batches, batches go to free slots."""

import math
import time
from functools import lru_cache

from lth_core.engine.batch import BatchFolder, BatchSpec, ParentSpec, TrialSpec
from lth_core.engine.launchers.base import Launcher, Need
from lth_core.experiment import Experiment
from lth_core.plan import TrialKey
from lth_core.settings.launcher import launcher_from
from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace

LONGEST = 0.5
"""Seconds of a turn of the engine in which batches are started."""


@lru_cache(maxsize=64)
def _experiment(text: str) -> Experiment:
    return Experiment.from_json(text)


class Dispatcher:
    """Keeps the slots busy, jobs in the order of the queue."""

    def __init__(self, workspace: Workspace, database: Database, launcher: Launcher) -> None:
        self._workspace, self._database, self._launcher = workspace, database, launcher

    def start_batches(self) -> None:
        """Give every free slot a batch, as long as there are any; each job has its own kind of slots.

        Stops after a while, for the next turn to go on: what runs must not wait for what starts.
        """
        until = time.monotonic() + LONGEST
        jobs = self._database.rows(
            "SELECT id, json_extract(experiment, '$.launcher') AS launcher FROM jobs "
            "WHERE state IN ('queued', 'running') ORDER BY position, id"
        )
        for job in jobs:
            need = launcher_from(job["launcher"])
            free = self._launcher.free(need)
            while free and (batches := self._next_batches(job["id"], len(free))):
                for batch in batches:
                    if time.monotonic() > until:
                        return
                    self._begin(batch, free.pop(0), need)

    def _next_batches(self, job: int, free: int) -> list[int]:
        """At most `free` batches of the job to run now: those that wait to go on, or else ready trials."""
        pending = self._database.rows(
            "SELECT id FROM batches WHERE job = ? AND state = 'pending' ORDER BY id LIMIT ?", job, free
        )
        if pending:
            return [row["id"] for row in pending]
        ready = [row["id"] for row in queue.ready_trials(self._database.connection, job)]
        if not ready:
            return []
        largest, batches = self._largest_stack(job), []
        with self._database.transaction() as connection:
            for left in range(free, 0, -1):
                # Spread over the free slots: several small stacks side by side end sooner than a large one.
                count = min(largest, math.ceil(len(ready) / left))
                if count:
                    batches.append(queue.add_batch(connection, job, ready[:count]))
                    del ready[:count]
        return batches

    def _largest_stack(self, job: int) -> int:
        row = self._database.row("SELECT experiment FROM jobs WHERE id = ?", job)
        assert row is not None  # noqa: S101 it has ready trials
        return _experiment(row["experiment"]).model.largest_stack

    def _begin(self, batch: int, slot: str, need: Need) -> None:
        folder = BatchFolder(self._workspace.batch(batch))
        spec = self._spec(batch)
        with self._database.transaction() as connection:
            attempt = queue.begin_batch(connection, batch, slot)
            if connection.execute("SELECT state FROM jobs WHERE id = ?", (spec.job,)).fetchone()["state"] == "queued":
                queue.set_job(connection, spec.job, "running")
        if attempt == 1:
            folder.create(spec)
        folder.begin(attempt)
        self._launcher.submit(slot, batch, attempt, need)

    def _spec(self, batch: int) -> BatchSpec:
        row = self._database.row(
            "SELECT j.id, j.experiment, j.name FROM batches b JOIN jobs j ON j.id = b.job WHERE b.id = ?", batch
        )
        assert row is not None  # noqa: S101 foreign key
        trials = self._database.rows("SELECT id, arm, round, seed FROM trials WHERE batch = ? ORDER BY seed, id", batch)
        parents = self._database.rows(
            "SELECT DISTINCT p.id, p.arm, p.round, p.seed, p.tensors, p.sha256 FROM trials t "
            "JOIN waits w ON w.trial = t.id JOIN trials p ON p.id = w.waits_for WHERE t.batch = ? ORDER BY p.id",
            batch,
        )
        return BatchSpec(
            batch=batch,
            job=row["id"],
            experiment=_experiment(row["experiment"]),
            trials=tuple(TrialSpec(t["id"], TrialKey(t["round"], t["arm"], t["seed"])) for t in trials),
            parents=tuple(
                ParentSpec(p["id"], TrialKey(p["round"], p["arm"], p["seed"]), p["tensors"], p["sha256"])
                for p in parents
            ),
            tensorboard=str(self._workspace.tensorboard(row["id"], row["name"]).relative_to(self._workspace.folder)),
        )
