"""Results of jobs and suites for the answers page: computed beside the feed, which they would hold up."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from lth_core.report.answers import JobAnswers, SuiteAnswers, job_answers, suite_answers
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace

_PAUSE = 2.0
"""Seconds between two computations of a result that keeps changing."""


@dataclass
class _Kept:
    """A result, the state of the store it belongs to, and the thread that computes it."""

    version: Hashable = None
    found: Any = None
    error: Exception | None = None
    thread: threading.Thread | None = None
    begun: float = field(default_factory=lambda: float("-inf"))


class Results:
    """The newest results of what is looked at; never waits for one."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._kept: dict[int | str, _Kept] = {}
        self.pending = False

    def of_job(self, job: JobView) -> JobAnswers | None:
        """Of a job; None until it is first known. Raises what its computation raised."""
        found: JobAnswers | None = self._newest(job.id, _version(job), lambda database: job_answers(database, job))
        return found

    def of_suite(self, database: Database, name: str) -> SuiteAnswers | None:
        """Of a suite, as `of_job`; None also if there is no such suite."""
        jobs = views.suite_jobs(database, name)
        version = tuple(_version(job) for job in jobs)
        if not jobs:
            return None
        found: SuiteAnswers | None = self._newest(name, version, lambda own: suite_answers(own, name, jobs))
        return found

    def _newest(self, key: int | str, version: Hashable, make: Callable[[Database], Any]) -> Any:
        kept = self._kept.setdefault(key, _Kept())
        if kept.error is not None:
            error, kept.error = kept.error, None
            raise error
        busy = kept.thread is not None and kept.thread.is_alive()
        if not busy and kept.version != version and time.monotonic() >= kept.begun + _PAUSE:
            kept.begun, busy = time.monotonic(), True
            kept.thread = threading.Thread(
                target=self._compute, args=(kept, version, make), name=f"result of {key}", daemon=True
            )
            kept.thread.start()
        self.pending = busy or kept.version != version
        return kept.found

    def _compute(self, kept: _Kept, version: Hashable, make: Callable[[Database], Any]) -> None:
        try:
            database = Database(self._workspace.database, writer=False)
            try:
                kept.found = make(database)
            finally:
                database.close()
        except Exception as error:
            kept.error = error
        kept.version = version


def _version(job: JobView) -> Hashable:
    return job.id, job.state, job.trials_done, job.trials_failed
