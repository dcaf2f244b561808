"""Finds the jobs that a command is about, by their numbers, their names or the name of their suite."""

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


def find_job(folder: Path, subject: str) -> tuple[Workspace, Database, JobView]:
    """The job with this number or name, and its store; raises InputError that lists the existing numbers."""
    workspace = Workspace(folder)
    database = Database(workspace.database, writer=False)
    job = views.job(database, int(subject)) if is_number(subject) else _named(subject, folder, database)
    if job is None:
        jobs = views.jobs(database)
        known = ", ".join(str(one.id) for one in jobs) or "none"
        near = did_you_mean(subject, [one.name for one in jobs])
        raise InputError(f"{one_line(folder)}: there is no job {one_line(subject, 80)}; there are: {known}{near}")
    return workspace, database, job


def job_or_suite(subject: str, folder: Path, database: Database) -> tuple[list[JobView], str | None]:
    """The job with this number, or the jobs of the suite with this name and the name, or the job with this name.

    Raises InputError if there is none, or if several jobs have the name.
    """
    if is_number(subject) and (job := views.job(database, int(subject))) is not None and not job.deleted:
        return [job], None
    if (found := by_name(subject, folder, database)) is not None:
        return found
    numbers = ", ".join(str(job.id) for job in views.jobs(database)) or "none"
    suites = views.suites(database)
    named = ", ".join(map(one_line, suites)) or "none"
    raise InputError(
        f"{one_line(folder)}: there is no job or suite {one_line(subject, 80)}; jobs: {numbers}; suites: {named}"
        f"{did_you_mean(subject, [*suites, *(job.name for job in views.jobs(database))])}"
    )


def by_name(subject: str, folder: Path, database: Database) -> tuple[list[JobView], str | None] | None:
    """The jobs of the suite with this name and the name, or the job with this name; None if there is neither.

    Raises InputError if several jobs have the name.
    """
    if jobs := views.suite_jobs(database, subject):
        return jobs, subject
    job = _named(subject, folder, database)
    return None if job is None else ([job], None)


def _named(subject: str, folder: Path, database: Database) -> JobView | None:
    named = [job for job in views.jobs(database) if job.name == subject]
    if len(named) > 1:
        numbers = ", ".join(str(job.id) for job in named)
        raise InputError(f"{one_line(folder)}: jobs {numbers} are named {one_line(subject, 80)}: expected a number")
    return named[0] if named else None


def find_jobs(folder: Path, database: Database, subjects: Sequence[str]) -> list[JobView]:
    """The jobs with these numbers and of these suites, each once; raises InputError for one that does not exist."""
    return list({job.id: job for subject in subjects for job in job_or_suite(subject, folder, database)[0]}.values())
