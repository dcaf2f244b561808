"""`lth report` and `lth export`: a job or suite as a page with figures, or as tables."""

from dataclasses import replace
from pathlib import Path

from lth_core.analysis.connectivity import instabilities
from lth_core.analysis.inspection import inspect
from lth_core.cli.console import make_console
from lth_core.cli.inspect import find_barriers
from lth_core.cli.subject import job_or_suite
from lth_core.errors import InputError
from lth_core.report.record import JobRecord, SuiteRecord, job_record, suite_record
from lth_core.store import instability
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.text import is_name, one_line


def report(
    subject: str, workspace: Path, out: Path | None, *, with_barriers: bool = False, paper: bool = False
) -> None:  # fmt: skip
    """Write page, figures and tables, and print where. paper: also the figures as wide as a paper's columns."""
    from lth_core.report.write import write_for_paper, write_job, write_suite  # matplotlib: not for `export`

    record = _looked_into(find(subject, workspace), Workspace(workspace), with_barriers)
    folder = _folder(record, out, "report")
    files = write_job(record, folder) if isinstance(record, JobRecord) else write_suite(record, folder)
    _say(files[0], f"and {len(files) - 1} files of figures and tables beside it")
    if paper:
        drawn = write_for_paper(record, folder)
        _say(folder / "paper", f"has {len(drawn)} figures, as PDF and SVG, 3.25 and 6.75 inches wide")


def export(subject: str, workspace: Path, out: Path | None) -> None:
    """Write only the tables, and print where."""
    from lth_core.report.table_files import write_tables
    from lth_core.report.tables import job_tables, suite_tables

    record = _looked_into(find(subject, workspace), Workspace(workspace), False)
    folder = _folder(record, out, "tables")
    files = write_tables(folder, job_tables(record) if isinstance(record, JobRecord) else suite_tables(record))
    for path in files:
        _say(path, "")


def find(subject: str, workspace: Path) -> JobRecord | SuiteRecord:
    """The job with this number or the suite with this name; raises InputError if there is neither."""
    database = Database(Workspace(workspace).database, writer=False)
    jobs, suite = job_or_suite(subject, workspace, database)
    return job_record(database, jobs[0]) if suite is None else suite_record(database, suite, jobs)


def _looked_into(record: JobRecord | SuiteRecord, workspace: Workspace, with_barriers: bool) -> JobRecord | SuiteRecord:
    """The analysis of the stored tickets; None, with a message, if their files cannot be read."""
    if isinstance(record, SuiteRecord):
        jobs = [_looked_into(job, workspace, with_barriers) for job in record.jobs]
        return replace(record, jobs=tuple(job for job in jobs if isinstance(job, JobRecord)))
    database = Database(workspace.database, writer=False)
    try:
        found = tuple(inspect(workspace, database, record.job.id, record.experiment))
        between = tuple(find_barriers(workspace, database, record.job)) if with_barriers else ()
        noise = instability.read(workspace, record.job.id, record.experiment.identity)
    except InputError as error:
        make_console().print(f"without the analysis of tickets: {one_line(error)}", style="yellow", markup=False)
        return record
    unstable = () if noise is None else instabilities(noise["rows"], noise["metric"], higher_is_better=noise["higher"])
    return replace(record, inspected=found, barriers=between, instabilities=tuple(unstable))


def _folder(record: JobRecord | SuiteRecord, out: Path | None, kind: str) -> Path:
    if out is not None:
        return out
    name = record.job.name if isinstance(record, JobRecord) else record.name
    number = f"-{record.job.id}" if isinstance(record, JobRecord) else ""
    return Path(f"{kind}{number}-{name if is_name(name) else 'unnamed'}")


def _say(path: Path, more: str) -> None:
    make_console().print(one_line(f"{path} {more}"), markup=False, highlight=False, soft_wrap=True)
