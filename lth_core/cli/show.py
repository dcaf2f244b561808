"""`lth show`, `lth diff`: print a job or a file, or how two of them differ."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from lth_core.cli import shape_parts, shapes
from lth_core.cli.console import make_console
from lth_core.cli.fields import differences, experiment_fields, lines
from lth_core.cli.job_result import print_job
from lth_core.cli.shape_parts import job_shape
from lth_core.cli.shapes import print_json
from lth_core.cli.subject import by_name, find_job, is_number
from lth_core.cli.suite_result import show_suite
from lth_core.errors import InputError
from lth_core.experiment import presets
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.suite import Suite, load
from lth_core.report.answer_fields import job_fields
from lth_core.report.answers import job_answers
from lth_core.store import attempts, views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import did_you_mean, one_line
from lth_core.toml_text import flatten


def show(subject: str, workspace: Path, *, as_json: bool = False) -> None:
    """Print a job, a suite's summary, or a file; for a suite file, all its members."""
    if is_number(subject):
        _, database, job = find_job(workspace, subject)
        _show_job(database, job, as_json=as_json)
    elif (stored := _stored(subject, workspace)) is None:
        _show_file(load(Path(subject)), as_json=as_json)
    else:
        database, jobs, suite = stored
        if suite is None:
            _show_job(database, jobs[0], as_json=as_json)
        else:
            show_suite(suite, workspace, as_json=as_json)


def _stored(subject: str, folder: Path) -> tuple[Database, list[JobView], str | None] | None:
    """The workspace's suite or job with this name; None if a file or preset has the name, or there is no workspace.

    Raises InputError if nothing has the name.
    """
    workspace = Workspace(folder)
    if presets.find(Path(subject)).exists() or not workspace.database.exists():
        return None
    database = Database(workspace.database, writer=False)
    if (found := by_name(subject, folder, database)) is not None:
        return (database, *found)
    jobs = [job.name for job in views.jobs(database)]
    raise InputError(
        f"{one_line(subject, 80)}: no file, preset (`lth presets` lists them), or job or suite of {one_line(folder)}"
        f"{did_you_mean(subject, [*views.suites(database), *jobs, *presets.names()])}"
    )


def _show_file(held: Experiment | Suite, *, as_json: bool) -> None:
    if as_json:
        print_json(_file_shape(held))
        return
    console = make_console()
    for experiment in held.experiments if isinstance(held, Suite) else (held,):
        console.print(lines(experiment_fields(experiment)), markup=False, highlight=False, soft_wrap=True)
        console.print(f"identity = {experiment.identity}", markup=False, highlight=False)


def _show_job(database: Database, job: JobView, *, as_json: bool) -> None:
    if as_json:
        print_json(_job_shape(database, job))
        return
    console = make_console()
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


def _file_shape(held: Experiment | Suite) -> shapes.ShownFile:
    suite, held_ones = (held.name, held.experiments) if isinstance(held, Suite) else (None, (held,))
    return shapes.ShownFile(suite=suite, experiments=[shape_parts.Experiment(**identified(one)) for one in held_ones])


def identified(experiment: Experiment) -> dict[str, Any]:
    """An experiment's name, identity and fields: those of `shape_parts.Experiment`."""
    fields = experiment.model_dump(mode="json")
    return {"name": experiment.name, "identity": experiment.identity, "experiment": fields}


def _job_shape(database: Database, job: JobView) -> shapes.ShownJob:
    checks = [asdict(audit) for audit in views.audits(database, job.id, failed_only=True)]
    for check in checks:
        del check["passed"]
    runs = attempts.runs(database, job.id)
    return shapes.ShownJob(
        job=job_shape(job), experiment=job.experiment.model_dump(mode="json"),
        provenance=views.provenance(database, job.id), workers=attempts.said(runs) if runs else "",
        failed_checks=checks, **job_fields(job_answers(database, job)),
    )  # fmt: skip


def one_line_each(fields: dict[str, str]) -> str:
    """Escape a field that may come from another machine, for printing."""
    return lines({one_line(name): one_line(value) for name, value in fields.items()})


def diff(a: str, b: str, workspace: Path, *, as_json: bool = False) -> int:
    """Print differing fields; returns 0 if the experiments are the same, else 1."""
    console = make_console()
    first, second = _experiment(a, workspace), _experiment(b, workspace)
    found = differences(experiment_fields(first), experiment_fields(second))
    if as_json:
        same = first.identity == second.identity
        rows = [
            shape_parts.Difference(field=name, a=_unless_dash(one), b=_unless_dash(other)) for name, one, other in found
        ]
        print_json(shapes.Differences(same=same, fields=rows))
        return int(not same)
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


def _unless_dash(value: str) -> str | None:
    return None if value == "-" else value


def _experiment(subject: str, workspace: Path) -> Experiment:
    if is_number(subject):
        return find_job(workspace, subject)[2].experiment
    stored = _stored(subject, workspace)
    if stored is not None and stored[2] is None:
        return stored[1][0].experiment
    held = load(Path(subject))
    if isinstance(held, Suite):
        raise InputError(f"{one_line(subject)} is a suite: expected an experiment file or a job's number")
    return held
