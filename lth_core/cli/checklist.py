"""`lth checklist`: the facts about reproducibility that venues ask for."""

import sys
from pathlib import Path

from lth_core.cli.console import make_console
from lth_core.cli.subject import job_or_suite
from lth_core.report.checklist import Facts, as_latex, as_markdown, sections
from lth_core.report.record import job_record
from lth_core.store import glances, views
from lth_core.store.batches import seconds_by_device
from lth_core.store.database import Database
from lth_core.store.tensors import write_atomically
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import one_line


def run(subject: str, folder: Path, out: Path | None, *, latex: bool) -> None:
    """Print the facts, or write them into a file."""
    database = Database(Workspace(folder).database, writer=False)
    jobs, suite = job_or_suite(subject, folder, database)
    parts = [("" if suite is None else job.name, list(sections(_facts(database, job)))) for job in jobs]
    text = (as_latex if latex else as_markdown)(suite or jobs[0].name, parts)
    if out is None:
        sys.stdout.write(text)
        return
    write_atomically(out, text.encode())
    make_console().print(one_line(out), markup=False, highlight=False, soft_wrap=True)


def _facts(database: Database, job: JobView) -> Facts:
    others = tuple(glances.seconds_active(database, one.id) for one in views.jobs(database) if one.id != job.id)
    return Facts(job_record(database, job), tuple(seconds_by_device(database, job.id)), others)
