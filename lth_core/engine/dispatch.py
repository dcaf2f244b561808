"""Which trials run next, together, and where: ready trials become batches, batches go to free slots."""

import math

from lth_core.engine.batch import BatchFolder, BatchSpec, ParentSpec, TrialSpec
from lth_core.engine.launchers.base import Launcher, Need
from lth_core.experiment import Experiment
from lth_core.plan import TrialKey
from lth_core.settings.launcher import launcher_from
from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace


class Dispatcher:
    """Keeps the slots busy, jobs in the order of the queue."""

    def __init__(self, workspace: Workspace, database: Database, launcher: Launcher) -> None:
        self._workspace, self._database, self._launcher = workspace, database, launcher

    def start_batches(self) -> None:
        """Give every free slot a batch, as long as there are any; each job has its own kind of slots."""
        jobs = self._database.rows(
            "SELECT id, json_extract(experiment, '$.launcher') AS launcher FROM jobs "
            "WHERE state IN ('queued', 'running') ORDER BY position, id"
        )
        for job in jobs:
            need = launcher_from(job["launcher"])
            free = self._launcher.free(need)
            while free:
                batch = self._next_batch(job["id"], len(free))
                if batch is None:
                    break
                self._begin(batch, free.pop(0), need)

    def _next_batch(self, job: int, free: int) -> int | None:
        """A batch of the job to run now: one that waits to go on, or ready trials."""
        pending = self._database.row("SELECT id FROM batches WHERE job = ? AND state = 'pending' ORDER BY id", job)
        if pending is not None:
            return int(pending["id"])
        ready = queue.ready_trials(self._database.connection, job)
        if not ready:
            return None
        # Spread over the free slots: several small stacks side by side end sooner than a large one.
        count = min(self._largest_stack(job), math.ceil(len(ready) / free))
        with self._database.transaction() as connection:
            return queue.add_batch(connection, job, [row["id"] for row in ready[:count]])

    def _largest_stack(self, job: int) -> int:
        row = self._database.row("SELECT experiment FROM jobs WHERE id = ?", job)
        assert row is not None  # noqa: S101 it has ready trials
        return Experiment.from_json(row["experiment"]).model.largest_stack

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
            experiment=Experiment.from_json(row["experiment"]),
            trials=tuple(TrialSpec(t["id"], TrialKey(t["round"], t["arm"], t["seed"])) for t in trials),
            parents=tuple(
                ParentSpec(p["id"], TrialKey(p["round"], p["arm"], p["seed"]), p["tensors"], p["sha256"])
                for p in parents
            ),
            tensorboard=str(self._workspace.tensorboard(row["id"], row["name"]).relative_to(self._workspace.folder)),
        )
