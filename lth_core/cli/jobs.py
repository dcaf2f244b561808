"""`lth jobs`: print the queue."""

from pathlib import Path

from rich import box
from rich.table import Table

from lth_core.cli.console import make_console
from lth_core.cli.progress import duration, left
from lth_core.store import glances, views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.text import one_line


def jobs(workspace: Path, *, as_json: bool = False) -> None:
    """Print the queue."""
    console = make_console()
    database = Database(Workspace(workspace).database, writer=False)
    if as_json:
        # Its models need the analyses: twice the time of the table.
        from lth_core.cli.shape_parts import job_shape
        from lth_core.cli.shapes import Jobs, print_json

        rows = [job_shape(job) for job in views.jobs(database)]
        print_json(Jobs(jobs=rows, unreadable=views.unreadable(database)))
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("job", "name", "suite", "state", "round", "trials", "time", "identity"):
        shown.add_column(heading, no_wrap=True)
    for job in views.jobs(database):
        trials = f"{job.trials_done}/{job.trials}" + (f", {job.trials_failed} failed" if job.trials_failed else "")
        took = glances.seconds_active(database, job.id)
        time = left(job.seconds_left) or (f"took {duration(took)}" if took and job.finished is not None else "-")
        shown.add_row(
            str(job.id),
            one_line(job.name),
            one_line(job.suite or "-"),
            job.state,
            f"{job.round}/{job.rounds}",
            trials,
            time,
            one_line(job.identity, 12),
        )
    console.print(shown)
    for number in views.unreadable(database):
        console.print(f"job {number} cannot be read; `lth show {number}` says why", style="red", markup=False)
