"""Reads Snapshots from the store repeatedly and cheaply. Writes nothing."""

import itertools
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from lth_core.analysis.kinds import random_first
from lth_core.analysis.verdict import Summary, summarise
from lth_core.store import glances, views
from lth_core.store.database import Database
from lth_core.store.views import EngineView, JobView, SlotView, TrialView
from lth_core.store.workspace import Workspace
from lth_tui.reading.job_reader import JobReader
from lth_tui.reading.machine import Machine, Meter
from lth_tui.reading.past import PAUSE
from lth_tui.reading.results import Results
from lth_tui.reading.snapshot import JobDetail, Snapshot, Watch

_SUMMARY_PAUSE = 2.0
_REMEMBERED = 8
"""Jobs of which the curves are kept, so that going back to one is quick."""


class Reader:
    """Reads snapshots through a connection of its own; for one thread."""

    def __init__(self, workspace: Workspace) -> None:
        self.database = Database(workspace.database, writer=False)
        self._workspace = workspace
        self._summaries: dict[int, tuple[tuple[int, int], float, Summary]] = {}
        self._close: OrderedDict[int, JobReader] = OrderedDict()
        self._last: tuple[int, Watch] | None = None
        self._pending = False
        self._snapshot = Snapshot()
        self._results = Results(workspace)
        self._meter = Meter(workspace.folder)
        self._machine: Machine | None = None
        self._measured_at = float("-inf")

    def read(self, watch: Watch) -> Snapshot:
        """The store now; the same object as before if nothing has changed."""
        now = (self.database.version_of_others(), watch)
        measured = self._measures(watch) and time.monotonic() > self._measured_at + PAUSE
        self._meter.sample()
        if now == self._last and not self._pending and not measured:
            return self._snapshot
        self._last, self._pending = now, False
        with self.database.one_moment():
            self._snapshot = self._read(watch)
        if watch.answers or watch.suite is not None:
            self._pending = self._pending or self._results.pending
        return self._snapshot

    def _read(self, watch: Watch) -> Snapshot:
        jobs = tuple(views.jobs(self.database))
        slots = _slots(self.database)
        engine = views.engine(self.database)
        here = engine is None or engine.host == socket.gethostname()
        return Snapshot(
            jobs=jobs,
            engine=engine,
            slots=slots,
            running=glances.running_trials(self.database) if watch.devices else {},
            machine=self._measure(*((slots, engine) if here else ((), None)))
            if self._measures(watch)
            else self._machine,
            newest_deleted=glances.newest_deleted(self.database),
            detail=self._detail(jobs, watch),
            summaries=self._all_summaries(jobs, watch),
            suite=None if watch.suite is None else self._results.of_suite(self.database, watch.suite),
            loaded=True,
        )

    def _measures(self, watch: Watch) -> bool:
        """Whether to measure the machine; the header of every page shows the use of GPUs."""
        return watch.devices or self._meter.has_gpus

    def _measure(self, slots: tuple[SlotView, ...], engine: EngineView | None) -> Machine:
        owner = [engine.pid] if engine is not None and engine.state != "stopped" else []
        if self._machine is None or time.monotonic() > self._measured_at + PAUSE:
            self._machine = self._meter.read(
                [os.getpid(), *owner, *(slot.pid for slot in slots if slot.pid is not None)]
            )
            self._measured_at = time.monotonic()
        return self._machine

    def _detail(self, jobs: tuple[JobView, ...], watch: Watch) -> JobDetail | None:
        job = next((job for job in jobs if job.id == watch.job), None)
        if job is None:
            return None
        trials = tuple(views.trials(self.database, job.id))
        if job.id in self._close:  # else its curves first, and what takes a fifth of a second with the next reading
            self._summarise(job, trials)
        detail = self._close_to(job).read(self.database, job, trials, self._summary_of(job.id), watch)
        return replace(detail, answers=self._results.of_job(job)) if watch.answers else detail

    def _close_to(self, job: JobView) -> JobReader:
        reader = self._close.pop(job.id, None) or JobReader(job, self._workspace)
        self._close[job.id] = reader
        if len(self._close) > _REMEMBERED:
            self._close.popitem(last=False)
        return reader

    def _all_summaries(self, jobs: tuple[JobView, ...], watch: Watch) -> Mapping[int, Summary]:
        """Summaries of all jobs; of those not watched, one is updated at a time, and none at first."""
        others = [job for job in jobs if self._snapshot.loaded and job.id != watch.job and self._stale(job)]
        others.sort(key=lambda job: job.state == "running")
        for job in itertools.islice(others, 1):
            self._summarise(job, tuple(views.trials(self.database, job.id)))
        close = self._close.get(watch.job) if watch.job is not None and watch.overlap is not None else None
        self._pending = (close is not None and close.pending) or any(self._stale(job) for job in jobs)
        return {number: entry[2] for number, entry in self._summaries.items()}

    def _summary_of(self, job: int) -> Summary | None:
        return self._summaries[job][2] if job in self._summaries else None

    def _stale(self, job: JobView) -> bool:
        known = self._summaries.get(job.id)
        return known is None or known[0] != (job.trials_done, job.trials_failed)

    def _summarise(self, job: JobView, trials: tuple[TrialView, ...]) -> None:
        known = self._summaries.get(job.id)
        pause = _SUMMARY_PAUSE if job.state == "running" else 0.0  # what has ended changes once more at most
        if not self._stale(job) or (known and time.monotonic() - known[1] < pause):
            return
        summary = summarise(job.experiment, trials, views.gone_layers(self.database, job.id))
        order = random_first(job.experiment, (verdict.control for verdict in summary.verdicts))
        verdicts = tuple(sorted(summary.verdicts, key=lambda verdict: order.index(verdict.control)))
        summary = replace(summary, verdicts=verdicts)
        self._summaries[job.id] = ((job.trials_done, job.trials_failed), time.monotonic(), summary)


def _slots(database: Database) -> tuple[SlotView, ...]:
    """The engine's slots; one whose batch has no trial left to train is idle until the engine says what comes next."""
    return tuple(
        slot if slot.trials else replace(slot, batch=None, job=None, fraction=0.0, rate=None)
        for slot in views.slots(database)
    )
