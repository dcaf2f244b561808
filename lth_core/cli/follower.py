"""Follows jobs to their end, and runs an engine if no other process does."""

import time
from pathlib import Path
from typing import Any

from lth_core.batches.provenance import version_of
from lth_core.cli.progress import Progress
from lth_core.engine.at_once import is_at_work
from lth_core.engine.engine import Engine, LeaseHeld
from lth_core.errors import InputError
from lth_core.experiment import presets
from lth_core.experiment.experiment import Experiment
from lth_core.store import attempts, commands, views
from lth_core.store.commands import Command, Resume, Retry, Submit
from lth_core.store.database import Database
from lth_core.store.jobs import known_job
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

POLL = 0.2
TAKE_OVER_EVERY = 2.0
_MOST = 6
"""How many packages with other versions are listed at most."""
ENDED = ("done", "failed", "cancelled")
"""States in which a job does not continue by itself."""


class Follower:
    """Follows jobs to their end. runs: run an engine if no other process does; else only say that none does."""

    def __init__(
        self, workspace: Workspace, database: Database, device: str, slots: int | None, progress: Progress,
        *, runs: bool = True,
    ) -> None:  # fmt: skip
        self._workspace, self._database, self._progress = workspace, database, progress
        self._device, self._slots, self._runs = device, slots, runs
        self._engine: Engine | None = None
        self._tried_at = self._looked_at = 0.0
        self._stuck = ""
        self._announced = False
        newest = views.events(database, limit=1)
        self._event = newest[-1].id if newest else 0

    def submit(self, experiment: Experiment, file: Path, again: bool, suite: str | None = None) -> int:
        """Queue an experiment and return its job; if the workspace has it already, continue that job. Needs no engine
        where that one is done."""
        said = file if suite is None else f"{file}: {experiment.name}"
        done = None if again else self._done(experiment, suite)
        if done is not None:
            self._go_on_with(done, said)
            return done
        source = one_line(presets.find(file).resolve())
        answer = self._ask(Submit(experiment=experiment.canonical(), source=source, again=again, suite=suite))
        if "error" in answer:
            raise InputError(f"{file}: {answer['error']}")
        job = int(answer["job"])
        if answer.get("known"):
            self._go_on_with(job, said)
        return job

    def _done(self, experiment: Experiment, suite: str | None) -> int | None:
        """The job that has this experiment, where it is done and of this suite."""
        known = known_job(self._database.connection, experiment.identity, suite)
        view = None if known is None else views.job(self._database, known)
        return known if view is not None and view.state == "done" and suite in (None, view.suite) else None

    def _go_on_with(self, job: int, file: Path | str) -> None:
        view = views.job(self._database, job)
        state = view.state if view else "gone"
        self._progress.say(f"{file}: job {job} already has this experiment ({state}); --again runs it again")
        ran_with = attempts.packages(self._database, job)
        here = {name: version_of(name) for name in ran_with}
        other = [
            one_line(f"{n} {was}, here is {here[n]}", 80) for n, was in ran_with.items() if here[n] not in (None, was)
        ]
        if other:
            self._progress.say(f"job {job} ran with {'; with '.join(other[:_MOST])}")
        go_on = {"paused": Resume, "failed": Retry}.get(state)
        if go_on is not None:
            self._ask(go_on(job=job))

    def _ask(self, command: Command) -> dict[str, Any]:
        number = commands.ask(self._database, command)
        while (answer := commands.answer(self._database, number)) is None:
            self._own_engine()
            time.sleep(0.05)
        return answer

    def wait(self, jobs: list[int], until: float | None = None) -> set[int] | None:
        """Wait until every job has ended or been deleted; reports and returns the deleted ones.

        None if the monotonic clock reaches `until` first.
        """
        while True:
            found = [view for job in jobs if (view := views.job(self._database, job)) is not None]
            seen = [view for view in found if view.state in ENDED or not view.deleted]
            events = [e for e in views.events(self._database, self._event) if e.job in jobs]
            self._event = max([self._event, *(e.id for e in events)])
            self._progress.update(seen, events)
            if all(view.state in ENDED for view in seen):
                break
            self._own_engine()
            self._say_if_stuck([view for view in seen if view.state not in ENDED])
            if until is not None and time.monotonic() >= until:
                return None
            time.sleep(POLL)
        gone = set(jobs) - {view.id for view in seen}
        for job in sorted(gone):
            self._progress.say(f"job {job} was deleted before it ended; it has no results")
        return gone

    def _own_engine(self) -> None:
        """Start an engine if no other process runs one; raises the error that ended our own."""
        if self._engine is not None:
            if self._engine.error is not None:
                raise self._engine.error
            return
        if time.monotonic() - self._tried_at < TAKE_OVER_EVERY:
            return
        self._tried_at = time.monotonic()
        if not self._runs:
            return
        try:
            self._engine = Engine(self._workspace, self._device, self._slots)
        except LeaseHeld as held:
            if not self._announced:
                self._progress.say(f"{held}; following it")
                self._announced = True
            return
        self._engine.start()

    def _say_if_stuck(self, waiting: list[JobView]) -> None:
        """Say once why no job that has not ended goes on by itself: all were paused by somebody, or nothing works."""
        if time.monotonic() - self._looked_at < TAKE_OVER_EVERY:
            return
        self._looked_at = time.monotonic()
        said = ""
        if all(job.state == "paused" and not job.error for job in waiting):
            numbers = " ".join(str(job.id) for job in waiting)
            words = ("this job is", "it") if len(waiting) == 1 else ("these jobs are", "them")
            said = f"{words[0]} paused: `lth resume {numbers}` continues {words[1]}"
        elif not self._runs and not is_at_work(self._workspace):
            said = "nothing works on this workspace: `lth wait --run` or `lth-tui` trains its jobs"
        if said and said != self._stuck:
            self._progress.say(said)
        self._stuck = said

    def close(self) -> bool:
        """Stop our own engine at a checkpoint; returns whether there was one."""
        if self._engine is not None:
            self._engine.stop()
        return self._engine is not None
