"""`lth show`, `lth diff`, `lth jobs`: reading a workspace or a file and printing it."""

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from lth_core.cli.console import make_console
from lth_core.cli.fields import differences, experiment_fields, lines
from lth_core.cli.job_result import print_job
from lth_core.cli.progress import duration
from lth_core.cli.subject import find_job, is_number
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.suite import Suite, load
from lth_core.store import attempts, views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.text import one_line
from lth_core.toml_text import flatten


def show(subject: str, workspace: Path) -> None:
    """Print a job or a file; for a suite file, all its members."""
    console = make_console()
    if not is_number(subject):
        held = load(Path(subject))
        for experiment in held.experiments if isinstance(held, Suite) else (held,):
            console.print(lines(experiment_fields(experiment)), markup=False, highlight=False, soft_wrap=True)
            console.print(f"identity = {experiment.identity}", markup=False, highlight=False)
        return
    _, database, job = find_job(workspace, int(subject))
    console.print(lines(experiment_fields(job.experiment)), markup=False, highlight=False, soft_wrap=True)
    console.print(f"identity = {one_line(job.identity)}", markup=False, highlight=False)
    console.rule("ran with")
    console.print(one_line_each(flatten(views.provenance(database, job.id))), markup=False, highlight=False)
    if runs := attempts.runs(database, job.id):
        console.print(f"workers = {attempts.said(runs)}", markup=False, highlight=False, soft_wrap=True)
    console.rule(f"job {job.id}: {job.state}")
    print_job(console, database, job)
    for audit in views.audits(database, job.id, failed_only=True):
        place = f"{audit.arm} round {audit.round} seed {audit.seed}"
        console.print(f"{place}: {audit.name} ({audit.moment}): {one_line(audit.detail)}", style="red", markup=False)


def one_line_each(fields: dict[str, str]) -> str:
    """Escape a field that may come from another machine, for printing."""
    return lines({one_line(name): one_line(value) for name, value in fields.items()})


def diff(a: str, b: str, workspace: Path) -> int:
    """Print differing fields; returns 0 if the experiments are the same, else 1."""
    console = make_console()
    first, second = _experiment(a, workspace), _experiment(b, workspace)
    found = differences(experiment_fields(first), experiment_fields(second))
    if first.identity == second.identity:
        console.print(f"the same experiment ({first.identity[:12]})", highlight=False)
        return 0
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("field", one_line(a), one_line(b)):
        shown.add_column(Text(heading))
    for row in found:
        shown.add_row(*(Text(one_line(part)) for part in row))
    console.print(shown)
    return 1


def jobs(workspace: Path) -> None:
    """Print the queue."""
    console = make_console()
    database = Database(Workspace(workspace).database, writer=False)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("job", "name", "suite", "state", "round", "trials", "left", "identity"):
        shown.add_column(heading, no_wrap=True)
    for job in views.jobs(database):
        trials = f"{job.trials_done}/{job.trials}" + (f", {job.trials_failed} failed" if job.trials_failed else "")
        left = duration(job.seconds_left)
        shown.add_row(
            str(job.id),
            one_line(job.name),
            one_line(job.suite or "-"),
            job.state,
            f"{job.round}/{job.rounds}",
            trials,
            left,
            one_line(job.identity, 12),
        )
    console.print(shown)
    for number in views.unreadable(database):
        console.print(f"job {number} cannot be read; `lth show {number}` says why", style="red", markup=False)


def _experiment(subject: str, workspace: Path) -> Experiment:
    if is_number(subject):
        return find_job(workspace, int(subject))[2].experiment
    held = load(Path(subject))
    if isinstance(held, Suite):
        raise InputError(f"{one_line(subject)} is a suite: expected an experiment file or a job's number")
    return held
