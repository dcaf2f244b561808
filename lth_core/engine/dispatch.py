"""Which trials run next, together, and where: ready trials become batches, and batches go to free slots."""

import json
import math
import time
from collections.abc import Mapping

from lth_core.batches.batch import BatchFolder, BatchSpec
from lth_core.batches.request import Request
from lth_core.engine.failures import fail_job, fail_job_of
from lth_core.engine.intake import Patience
from lth_core.engine.launchers.base import Need
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.launchers.slurm import SLOT
from lth_core.engine.slots import Slot, usable
from lth_core.engine.spec_check import unlike
from lth_core.engine.stacking import Stacking
from lth_core.engine.stored import batch_spec, experiment_of
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, network_of, plan, shares_network
from lth_core.experiment.stack_sizes import most_in_a_cluster_job
from lth_core.settings.launcher import LocalLauncher, SlurmLauncher, launcher_from
from lth_core.settings.tasks import Task
from lth_core.store.batches import (
    add_batch,
    batch_row,
    batches_alone,
    begin_batch,
    largest_stack,
    last_batch,
    pending_batches,
    renumber_batch,
)
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.jobs import fix_threads, job_experiment, job_of_batch, runnable_jobs, set_job
from lth_core.store.nonsense import NONSENSE
from lth_core.store.trials import ready_trials, round_of
from lth_core.store.workspace import Workspace
from lth_core.time_left import LIKE

LONGEST = 0.5
"""Seconds in a turn of the engine for starting batches."""


def _code(task: Task) -> str:
    """Everything that identifies the foreign code of a task; empty if it has none."""
    return json.dumps([task.imports, getattr(task, "contents", ())]) if task.imports else ""


class Dispatcher:
    """Keeps the slots busy, in the order of the queue; patience: batches that must wait before a retry."""

    def __init__(self, workspace: Workspace, database: Database, launcher: Launchers, patience: Patience) -> None:
        self._workspace, self._database, self._launcher = workspace, database, launcher
        self._patience = patience
        self._stacking = Stacking(database)

    def start_batches(self) -> None:
        """Give a batch to every free slot, while there are batches; each job has its own kind of slots.

        Stops after a while and continues in the next turn, so that running batches do not wait.
        """
        until = time.monotonic() + LONGEST
        jobs = self._jobs()
        alone = self._alone({job: need for job, need in jobs if not isinstance(need, SlurmLauncher)})
        for job, need in jobs:
            if isinstance(need, SlurmLauncher) or not alone:
                self._fill(job, need, until)
            if time.monotonic() > until:
                return

    def _jobs(self) -> list[tuple[int, Need]]:
        """The jobs that may run, in order, and the launcher of each."""
        found = []
        for row in runnable_jobs(self._database):
            try:
                found.append((row["id"], launcher_from(row["launcher"])))
            except NONSENSE as error:
                fail_job(self._database, row["id"], error)
        return found

    def _alone(self, jobs: Mapping[int, Need]) -> bool:
        """Whether nothing else may start here, because a batch must run with no other worker beside it.

        On a cluster every batch has its own memory anyway.
        """
        rows = batches_alone(self._database.connection, SLOT)
        own = [row for row in rows if row["state"] == "running" or row["job"] in jobs]
        if own and own[0]["job"] in jobs and not self._launcher.here.running():
            need = jobs[own[0]["job"]]
            free = self._free(own[0]["job"], need)
            if free:
                self._start(own[0]["id"], free[0], need)
        return bool(own)

    def _fill(self, job: int, need: Need, until: float) -> None:
        """Give batches of one job to the free slots of its kind until `until`, and at least one."""
        free = self._free(job, need)
        while free and (batches := self._next_batches(job, len(free), need)):
            for batch in batches:
                if not self._start(batch, free.pop(0), need):
                    return  # the job cannot be run
                if time.monotonic() > until:
                    return

    def _free(self, job: int, need: Need) -> list[str]:
        """Free slots that the job can use; a job that can use no slot at all fails."""
        free = self._launcher.free(need)
        if isinstance(need, SlurmLauncher):
            return free
        try:
            own = [slot.name for slot in self._usable(job, need)]
        except NONSENSE as error:
            fail_job(self._database, job, error)
            return []
        return [name for name in free if name in own]

    def _usable(self, job: int, need: LocalLauncher) -> list[Slot]:
        return usable(self._launcher.here.slots.values(), self._asked(job), need.device)

    def _asked(self, job: int) -> Experiment:
        """The experiment of a job; raises NONSENSE if its stored form cannot be read."""
        return experiment_of(job_experiment(self._database.connection, job))

    def _next_batches(self, job: int, free: int, need: Need) -> list[int]:
        """At most `free` batches of the job to run now: batches to continue, or else ready trials."""
        waiting = pending_batches(self._database.connection, job)
        pending = [batch for batch in waiting if not self._patience.waits(batch)]
        if pending:
            return pending[:free]
        ready = self._of_one_network(job)
        # Only if there is a choice, because this may start a measurement.
        largest = self._largest_stack(job, need) if len(ready) > free else 1
        if not ready or largest is None:  # None: being measured
            return []
        if largest > 1:
            largest = min(largest, self._share(job, ready[0], free))
        batches = []
        with self._database.transaction() as connection:
            for left in range(min(free, len(ready)), 0, -1):
                # Spread over the free slots: several small stacks in parallel end sooner than one large stack.
                count = min(largest, math.ceil(len(ready) / left))
                batches.append(add_batch(connection, job, ready[:count]))
                del ready[:count]
        return batches

    def _share(self, job: int, trial: int, free: int) -> int:
        """Tickets of a trial's round per slot that is free or runs the job.

        A stack near its end has published most of its trials. The first free slot must not take all that becomes ready
        by them, and leave almost nothing for the other slots.
        """
        trials, running = round_of(self._database.connection, job, trial)
        return max(1, math.ceil(trials / (free + running)))

    def _of_one_network(self, job: int) -> list[int]:
        """Ready trials that may be trained together; those of networks of other widths only if there are no others."""
        rows = ready_trials(self._database.connection, job)
        try:
            experiment = self._asked(job)
            networks = {arm: network_of(experiment, arm) for arm in {one["arm"] for one in rows}}
        except NONSENSE:
            return [one["id"] for one in rows]  # its stored form cannot be run; found when a batch begins
        first = min(networks.values(), default="")
        return [one["id"] for one in rows if networks[one["arm"]] == first]

    def _largest_stack(self, job: int, need: Need) -> int | None:
        """The most tickets of this job to train together, by its network, earlier memory faults and a measurement; None
        while that runs."""
        try:
            ceiling = self._ceiling(job, self._asked(job), need)
        except ValueError:
            return 1  # its stored form cannot be run; found when the batch begins
        if ceiling is None:
            return None
        return min(ceiling, largest_stack(self._database.connection, job) or ceiling)

    def _ceiling(self, job: int, experiment: Experiment, need: Need) -> int | None:
        if isinstance(need, SlurmLauncher):
            return most_in_a_cluster_job(experiment, need.trains_on)
        return self._stacking.largest(job, experiment, self._usable(job, need)[0])

    def close(self) -> None:
        """End a running measurement."""
        self._stacking.close()

    def _start(self, batch: int, slot: str, need: Need) -> bool:
        """Start a new attempt on a slot; False if the database or the folder is damaged: then its job fails."""
        self._launcher.prepare(slot, need)  # before anything is stored, because it may have to be tried again
        try:
            batch = self._free_number(batch)
            spec = batch_spec(self._workspace, self._database, batch)
            folder = self._prepare(spec)
            request = self._begin(spec, folder, slot, need)
            folder.begin(request.attempt)
        except (*NONSENSE, OSError) as error:
            fail_job_of(self._database, batch, error)
            return False
        self._launcher.submit(slot, request, need)
        return True

    def _free_number(self, batch: int) -> int:
        """The batch's number, or a new one if a folder with that number holds a batch the database does not know."""
        row = batch_row(self._database.connection, batch)
        if row is None or row["attempt"] > 0 or not BatchFolder(self._workspace.batch(batch)).is_taken:
            return batch
        with self._database.transaction() as connection:
            new = max(last_batch(connection), self._workspace.last_batch()) + 1
            renumber_batch(connection, batch, new)
            said = f"batches/{batch:06d} holds a batch that the database does not know; left as it is, {new} is used"
            add_event(connection, "unknown", said, row["job"])
        return new

    def _prepare(self, spec: BatchSpec) -> BatchFolder:
        """The batch's folder, with the specification from the database; an event says so if another one was there."""
        folder = BatchFolder(self._workspace.own(self._workspace.batch(spec.batch)))
        row = batch_row(self._database.connection, spec.batch)
        # Before anything is stored: a folder without a specification must not count as begun.
        found = folder.complete(spec)
        said = "" if found is None else unlike(found, spec)
        if said and row is not None and row["attempt"] > 0:
            with self._database.transaction() as connection:
                text = f"batches/{spec.batch:06d}/spec.json {said}: written again from the database"
                add_event(connection, "specification", text, spec.job)
        return folder

    def _begin(self, spec: BatchSpec, folder: BatchFolder, slot: str, need: Need) -> Request:
        """Store that an attempt begins, and its number of threads; returns the request for its worker."""
        threads = need.cpus if isinstance(need, SlurmLauncher) else self._launcher.here.slots[slot].threads
        with self._database.transaction() as connection:
            attempt = begin_batch(connection, spec.batch, slot, after=max(folder.attempts(), default=0))
            if job_of_batch(connection, spec.batch)["state"] == "queued":
                set_job(connection, spec.job, "running")
            threads = fix_threads(connection, spec.job, threads)
        code, coming = _code(spec.experiment.task), self._to_be_measured(spec, slot, need)
        return Request(spec.batch, attempt, spec.checksum, threads, code, coming)

    def _to_be_measured(self, spec: BatchSpec, slot: str, need: Need) -> int:
        """Tickets in the stacks of the next round, if this batch must measure their cost; else 0.

        A job's first dense runs on a CPU measure it, if larger stacks follow, or some whose tickets cost less or have
        other networks.
        """
        experiment, model = spec.experiment, spec.experiment.model
        if TrialKey(0, DENSE, experiment.seeds[0]) not in {trial.key for trial in spec.trials}:
            return 0
        if isinstance(need, SlurmLauncher):
            return 0
        others = not all(shares_network(experiment, arm) for arm in experiment.arms)
        if model.largest_stack == 1 or model.stack_is_measured:
            return len(spec.trials) if others and self._launcher.here.slots[slot].kind == "cpu" else 0
        if self._launcher.here.slots[slot].kind != "cpu":
            return 0
        slots = usable(self._launcher.here.slots.values(), experiment, need.device)
        coming = sum(trial.key.round == 1 and shares_network(experiment, trial.key.arm) for trial in plan(experiment))
        size = min(model.largest_stack, math.ceil(coming / len(slots)))
        cheaper = getattr(experiment.training, "sparse", "never") != "never"
        return max(1, size) if size > LIKE * len(spec.trials) or cheaper or others else 0
