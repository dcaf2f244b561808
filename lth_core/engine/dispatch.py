"""Which trials run next, together, and where: ready trials become batches, batches go to free slots."""

import math
from pathlib import Path

from lth_core.engine.batch import BatchFolder, BatchSpec, ParentSpec, TrialSpec
from lth_core.engine.intake import Patience
from lth_core.engine.launchers.local import LocalLauncher
from lth_core.engine.stacking import Stacking
from lth_core.experiment import Experiment
from lth_core.plan import TrialKey
from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.queue import NONSENSE
from lth_core.store.workspace import Workspace
from lth_core.text import one_line


class Dispatcher:
    """Keeps the slots busy, jobs in the order of the queue; `patience` knows batches that are to wait."""

    def __init__(self, workspace: Workspace, database: Database, launcher: LocalLauncher, patience: Patience) -> None:
        self._workspace, self._database, self._launcher = workspace, database, launcher
        self._patience = patience
        self._stacking = Stacking(database, next(iter(launcher.slots.values())))

    def start_batches(self) -> None:
        """Give every free slot a batch, as long as there are any."""
        free = self._launcher.free()
        if not free:
            return
        jobs = self._database.rows(
            "SELECT id FROM jobs WHERE state IN ('queued', 'running') AND deleted IS NULL "
            "ORDER BY priority DESC, position, id"
        )
        numbers = [row["id"] for row in jobs]
        if self._alone(numbers, free[0]):
            return
        while free:
            batch = self._next_batch(numbers, len(free))
            if batch is None:
                return
            if self._begin(batch):
                self._submit(batch, free.pop(0))
            else:
                return  # the job cannot be run; the next turn sees the queue without it

    def _alone(self, jobs: list[int], slot: str) -> bool:
        """Whether nothing else may start, for the sake of a batch that is to have no other beside it."""
        rows = self._database.rows(
            "SELECT id, job, state FROM batches WHERE error = ? AND state IN ('running', 'pending') "
            "ORDER BY state DESC, id",
            queue.ALONE,
        )
        own = [row for row in rows if row["state"] == "running" or row["job"] in jobs]
        if own and not self._launcher.running() and self._begin(own[0]["id"]):
            self._submit(own[0]["id"], slot)
        return bool(own)

    def _next_batch(self, jobs: list[int], free: int) -> int | None:
        """A batch to run now: one that waits to go on, or ready trials of the first job that has any."""
        for job in jobs:
            pending = self._database.rows("SELECT id FROM batches WHERE job = ? AND state = 'pending' ORDER BY id", job)
            for row in pending:
                if not self._patience.waits(row["id"]):
                    return int(row["id"])
            ready = queue.ready_trials(self._database.connection, job)
            if ready:
                # Spread over the free slots: several small stacks side by side end sooner than a large one.
                count = math.ceil(len(ready) / free)
                if count > 1:
                    largest = self._largest_stack(job)
                    if largest is None:  # being measured
                        continue
                    count = min(largest, count)
                with self._database.transaction() as connection:
                    return queue.add_batch(connection, job, [row["id"] for row in ready[:count]])
        return None

    def _largest_stack(self, job: int) -> int | None:
        """Tickets of this job that train together at most: what its network can do, memory has shown, a measurement
        says; None while that is made."""
        row = self._database.row("SELECT experiment FROM jobs WHERE id = ?", job)
        assert row is not None  # noqa: S101 it has ready trials
        try:
            ceiling = self._stacking.largest(job, Experiment.from_json(row["experiment"]))
        except ValueError:
            return 1  # it cannot be run as it is stored, which is found when the batch begins
        if ceiling is None:
            return None
        return min(ceiling, queue.largest_stack(self._database.connection, job) or ceiling)

    def close(self) -> None:
        """End a measurement that still runs."""
        self._stacking.close()

    def _begin(self, batch: int) -> bool:
        """Have the batch's folder ready; False where the store holds what cannot be run: its job is failed."""
        try:
            spec = self._spec(batch)
            folder = BatchFolder(self._workspace.inside(str(Path("batches") / self._workspace.batch(batch).name)))
            row = self._database.row("SELECT attempt FROM batches WHERE id = ?", batch)
            # Before anything is written down: a folder without its specification must not count as begun.
            if row is not None and row["attempt"] == 0:
                folder.create(spec)
        except NONSENSE as error:
            with self._database.transaction() as connection:
                job = connection.execute("SELECT job FROM batches WHERE id = ?", (batch,)).fetchone()["job"]
                queue.cancel_trials(connection, job)
                queue.set_job(connection, job, "failed", f"cannot be run as it is stored: {one_line(error)}")
            return False
        return True

    def _submit(self, batch: int, slot: str) -> None:
        with self._database.transaction() as connection:
            attempt = queue.begin_batch(connection, batch, slot)
            row = connection.execute(
                "SELECT j.id, j.state FROM jobs j JOIN batches b ON b.job = j.id WHERE b.id = ?", (batch,)
            ).fetchone()
            if row["state"] == "queued":
                queue.set_job(connection, row["id"], "running")
        BatchFolder(self._workspace.batch(batch)).begin(attempt)
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
