"""Finds the jobs that a command is about, by their numbers or the name of their suite."""

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


def job_or_suite(subject: str, folder: Path, database: Database) -> tuple[list[JobView], str | None]:
    """The job with this number, or the jobs of the suite with this name and the name.

    Raises InputError if there is neither.
    """
    if is_number(subject) and (job := views.job(database, int(subject))) is not None and not job.deleted:
        return [job], None
    if jobs := views.suite_jobs(database, subject):
        return jobs, subject
    numbers = ", ".join(str(job.id) for job in views.jobs(database)) or "none"
    suites = views.suites(database)
    named = ", ".join(map(one_line, suites)) or "none"
    raise InputError(
        f"{one_line(folder)}: there is no job or suite {one_line(subject, 80)}; jobs: {numbers}; suites: {named}"
        f"{did_you_mean(subject, suites)}"
    )


def find_jobs(folder: Path, database: Database, subjects: Sequence[str]) -> list[JobView]:
    """The jobs with these numbers and of these suites, each once; raises InputError for one that does not exist."""
    return list({job.id: job for subject in subjects for job in job_or_suite(subject, folder, database)[0]}.values())
