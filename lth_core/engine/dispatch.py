"""Which trials run next, together, and where: ready trials become batches, batches go to free slots."""

import math

from lth_core.engine.batch import BatchFolder, BatchSpec, ParentSpec, TrialSpec
from lth_core.engine.launchers.local import LocalLauncher
from lth_core.experiment import Experiment
from lth_core.plan import TrialKey
from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace

LARGEST_STACK = 64


class Dispatcher:
    """Keeps the slots busy, jobs in the order of the queue."""

    def __init__(self, workspace: Workspace, database: Database, launcher: LocalLauncher) -> None:
        self._workspace, self._database, self._launcher = workspace, database, launcher

    def start_batches(self) -> None:
        """Give every free slot a batch, as long as there are any."""
        free = self._launcher.free()
        if not free:
            return
        jobs = self._database.rows(
            "SELECT id FROM jobs WHERE state IN ('queued', 'running') AND deleted IS NULL "
            "ORDER BY priority DESC, position, id"
        )
        while free:
            batch = self._next_batch([row["id"] for row in jobs], len(free))
            if batch is None:
                return
            self._begin(batch, free.pop(0))

    def _next_batch(self, jobs: list[int], free: int) -> int | None:
        """A batch to run now: one that waits to go on, or ready trials of the first job that has any."""
        for job in jobs:
            pending = self._database.row("SELECT id FROM batches WHERE job = ? AND state = 'pending' ORDER BY id", job)
            if pending is not None:
                return int(pending["id"])
            ready = queue.ready_trials(self._database.connection, job)
            if ready:
                # Spread over the free slots: several small stacks side by side end sooner than a large one.
                count = min(LARGEST_STACK, math.ceil(len(ready) / free))
                with self._database.transaction() as connection:
                    return queue.add_batch(connection, job, [row["id"] for row in ready[:count]])
        return None

    def _begin(self, batch: int, slot: str) -> None:
        folder = BatchFolder(self._workspace.batch(batch))
        spec = self._spec(batch)
        with self._database.transaction() as connection:
            attempt = queue.begin_batch(connection, batch, slot)
            if connection.execute("SELECT state FROM jobs WHERE id = ?", (spec.job,)).fetchone()["state"] == "queued":
                queue.set_job(connection, spec.job, "running")
        if attempt == 1:
            folder.create(spec)
        folder.begin(attempt)
        self._launcher.submit(slot, batch, attempt)

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
