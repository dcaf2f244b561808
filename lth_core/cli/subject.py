"""Finds the job that a command is about, by its number."""

from collections.abc import Sequence
from pathlib import Path

from lth_core.errors import InputError
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import did_you_mean, one_line


def is_number(subject: str) -> bool:
    """Whether this is a job's number rather than the name of a file or suite."""
    return subject.isascii() and subject.isdigit() and len(subject) < 16


def find_job(folder: Path, number: int) -> tuple[Workspace, Database, JobView]:
    """The job with this number, and its store; raises InputError that lists the existing numbers."""
    workspace = Workspace(folder)
    database = Database(workspace.database, writer=False)
    job = views.job(database, number) if number < 2**63 else None  # SQLite's largest
    if job is None:
        known = ", ".join(str(one.id) for one in views.jobs(database)) or "none"
        raise InputError(f"{one_line(folder)}: there is no job {number}; there are: {known}")
    return workspace, database, job


def find_jobs(folder: Path, database: Database, subjects: Sequence[str]) -> list[JobView]:
    """The jobs with these numbers and of these suites, each once; raises InputError for one that does not exist."""
    found: dict[int, JobView] = {}
    for subject in subjects:
        number = int(subject) if is_number(subject) else None
        job = views.job(database, number) if number is not None else None
        own = [job] if job is not None and not job.deleted else views.suite_jobs(database, subject)
        if not own:
            known = ", ".join(str(one.id) for one in views.jobs(database)) or "none"
            suites = views.suites(database)
            named = f"; suites: {', '.join(one_line(name) for name in suites)}" if suites else ""
            raise InputError(
                f"{one_line(folder)}: there is no job {one_line(subject, 80)}; there are: {known}{named}"
                f"{did_you_mean(subject, suites)}"
            )
        found |= {one.id: one for one in own}
    return list(found.values())
