"""`lth headless`: queue experiments, own the engine or follow another's, show progress, end with table and verdict."""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from lth_core.analysis.verdict import summarise
from lth_core.cli.console import make_console
from lth_core.cli.json_values import without_nan
from lth_core.cli.progress import JsonProgress, LiveProgress, PlainProgress, Progress
from lth_core.cli.suite_result import print_suite
from lth_core.engine.engine import Engine, LeaseHeld
from lth_core.errors import InputError
from lth_core.experiment import Experiment
from lth_core.report import table
from lth_core.store import commands, views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.suite import Suite
from lth_core.suite_file import load

DONE, TRIAL_FAILED, INTERRUPTED = 0, 1, 130
POLL = 0.2
TAKE_OVER_EVERY = 2.0


class Interrupted(Exception):
    """Ctrl-C or SIGTERM."""


def run(
    files: list[Path],
    folder: Path,
    overrides: list[str],
    device: str,
    slots: int | None,
    *,
    as_json: bool,
    again: bool,
) -> int:
    """Returns the exit code; raises InputError before anything is queued if any file is not accepted."""
    wanted = [one for file in files for one in _experiments(file, overrides)]
    workspace = Workspace(folder)
    workspace.create()
    database = Database(workspace.database, writer=True)
    console = make_console()
    progress = _progress(console, as_json=as_json)
    follower = Follower(workspace, database, device, slots, progress)
    try:
        with _signals():
            jobs = [follower.submit(experiment, file, again, suite) for experiment, file, suite in wanted]
            follower.wait(jobs)
    except (Interrupted, KeyboardInterrupt):
        progress.close()
        follower.close()
        progress.say("interrupted: stopped at a checkpoint; the same command goes on from there")
        return INTERRUPTED
    progress.close()
    follower.close()
    for job in jobs:
        _print_result(console, database, job, as_json=as_json)
    ended = {job: view for job in jobs if (view := views.job(database, job)) is not None}
    for name in dict.fromkeys(suite for *_, suite in wanted if suite is not None):
        # The jobs that this command asked for, which need not be the newest of their names.
        own = [ended[job] for job, (*_, suite) in zip(jobs, wanted, strict=True) if suite == name and job in ended]
        print_suite(console, database, name, own, as_json=as_json)
    states = [view.state for view in ended.values()]
    return DONE if all(state == "done" for state in states) else TRIAL_FAILED


def _experiments(file: Path, overrides: list[str]) -> list[tuple[Experiment, Path, str | None]]:
    """(experiment, file, name of its suite or None) for all that a file holds."""
    held = load(file, overrides)
    if isinstance(held, Suite):
        return [(experiment, file, held.name) for experiment in held.experiments]
    return [(held, file, None)]


def _progress(console: Console, *, as_json: bool) -> Progress:
    if as_json:
        return JsonProgress()
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)


class Follower:
    """Follows jobs to their end, with an engine of its own where no other process has one."""

    def __init__(
        self, workspace: Workspace, database: Database, device: str, slots: int | None, progress: Progress
    ) -> None:
        self._workspace, self._database, self._progress = workspace, database, progress
        self._device, self._slots = device, slots
        self._engine: Engine | None = None
        self._tried_at = 0.0
        self._announced = False
        newest = views.events(database, limit=1)
        self._event = newest[-1].id if newest else 0

    def submit(self, experiment: Experiment, file: Path, again: bool, suite: str | None = None) -> int:
        """Queue an experiment and return its job; one that is already there is gone on with, not doubled."""
        payload = {"experiment": experiment.canonical(), "source": str(file), "again": again, "suite": suite}
        answer = self._ask("submit", payload)
        if "error" in answer:
            raise InputError(f"{file}: {answer['error']}")
        job = int(answer["job"])
        if answer.get("known"):
            self._go_on_with(job, file if suite is None else f"{file}: {experiment.name}")
        return job

    def _go_on_with(self, job: int, file: Path | str) -> None:
        view = views.job(self._database, job)
        state = view.state if view else "gone"
        self._progress.say(f"{file}: the same experiment is job {job} here ({state}); --again runs it anew")
        wish = {"paused": "resume", "failed": "retry"}.get(state)
        if wish is not None:
            self._ask(wish, {"job": job})

    def _ask(self, kind: Any, payload: dict[str, Any]) -> dict[str, Any]:
        number = commands.ask(self._database, kind, **payload)
        while (answer := commands.answer(self._database, number)) is None:
            self._own_engine()
            time.sleep(0.05)
        return answer

    def wait(self, jobs: list[int]) -> None:
        """Return when every job has ended."""
        while True:
            self._own_engine()
            seen = [view for job in jobs if (view := views.job(self._database, job)) is not None]
            events = [e for e in views.events(self._database, self._event) if e.job in jobs]
            self._event = max([self._event, *(e.id for e in events)])
            self._progress.update(seen, events)
            if all(view.state in ("done", "failed", "cancelled") for view in seen):
                return
            time.sleep(POLL)

    def _own_engine(self) -> None:
        """Have an engine if no other process has one; raises what ended our own."""
        if self._engine is not None:
            if self._engine.error is not None:
                raise self._engine.error
            return
        if time.monotonic() - self._tried_at < TAKE_OVER_EVERY:
            return
        self._tried_at = time.monotonic()
        try:
            self._engine = Engine(self._workspace, self._device, self._slots)
        except LeaseHeld as held:
            if not self._announced:
                self._progress.say(f"{held}; following it")
                self._announced = True
            return
        self._engine.start()

    def close(self) -> None:
        """Stop our own engine at a checkpoint."""
        if self._engine is not None:
            self._engine.stop()


@contextmanager
def _signals() -> Iterator[None]:
    def interrupt(_number: int, _frame: Any) -> None:
        raise Interrupted

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        # While we stop at a checkpoint, a second Ctrl-C must not cut that short.
        for number in before:
            signal.signal(number, signal.SIG_IGN)


def _print_result(console: Console, database: Database, job: int, *, as_json: bool) -> None:
    view = views.job(database, job)
    if view is None:
        return
    summary = summarise(view.experiment, views.trials(database, job))
    audits = views.audit_counts(database, job)
    if as_json:
        result = {
            "event": "result", "job": job, "name": view.name, "state": view.state,
            "cells": [asdict(cell) for cell in summary.cells],
            "verdicts": [asdict(verdict) for verdict in summary.verdicts],
            "audits": {"passed": audits[0], "failed": audits[1]},
        }  # fmt: skip
        sys.stdout.write(json.dumps(without_nan(result)) + "\n")
        return
    console.print(table.result(view.experiment, summary, audits))
    if view.error:
        console.print(f"job {job} {view.state}: {view.error}", style="red", markup=False)
