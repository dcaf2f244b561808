"""`lth doctor`: check a workspace and the machine; with --repair, restore what can be restored."""

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from lth_core.analysis.inspection import inspect
from lth_core.cli import shape_parts
from lth_core.cli.console import make_console, print_finding
from lth_core.cli.shapes import Findings, print_json
from lth_core.engine.lease import owned
from lth_core.errors import InputError
from lth_core.report.record import job_record
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.glances import job_numbers
from lth_core.store.workspace import Workspace
from lth_core.text import one_line, plural
from lth_core.upkeep import health, specifications
from lth_core.upkeep.health import Finding
from lth_core.upkeep.mend import mend
from lth_core.upkeep.rescore import rescore

Tell = Callable[[Finding], None]


def doctor(folder: Path, *, repair: bool, rescored: int = 0, as_json: bool = False) -> int:
    """Print the findings; returns 0 if no problems are left, else 1."""
    console = make_console()
    told: list[Finding] = []

    def tell(finding: Finding) -> None:
        told.append(finding)
        if not as_json:
            print_finding(console, finding.state, f"{finding.what:<9} {one_line(finding.sentence, 4000)}")

    findings = _examine(Workspace(folder), tell, repair, rescored)
    if as_json:
        print_json(Findings(findings=[shape_parts.Finding(**asdict(finding)) for finding in told]))
    elif not folder.is_dir():
        console.print(f"{one_line(folder)}: no workspace exists here yet", markup=False, highlight=False)
    elif any(finding.repairable for finding in findings) and not repair:
        console.print("`lth doctor --repair` restores what can be restored", markup=False, highlight=False)
    return int(any(finding.state == "bad" for finding in findings))


def _examine(workspace: Workspace, tell: Tell, repair: bool, rescored: int) -> list[Finding]:
    """Tell every finding, each when it is known; returns those about the workspace."""
    for finding in health.machine():
        tell(finding)
    if not workspace.folder.is_dir():
        return []
    if repair:
        _repair(tell, workspace)
    findings = []
    for finding in itertools.chain([health.disk(workspace)], health.database(workspace), _refused(workspace)):
        tell(finding)
        findings.append(finding)
    return findings + (_rescored(tell, workspace, rescored) if rescored else [])


def _rescored(tell: Tell, workspace: Workspace, count: int) -> list[Finding]:
    """Stored tickets evaluated again; each job's findings are printed when it is done."""
    found = []
    with contextlib.closing(Database(workspace.database, writer=False)) as database:
        for finding in rescore(workspace, database, count):
            tell(finding)
            found.append(finding)
    return found


def _refused(workspace: Workspace) -> Iterator[Finding]:
    """Jobs that `lth show`, `report`, `export` and `inspect` cannot read."""
    try:
        database = Database(workspace.database, writer=False)
    except InputError:
        return  # already a finding
    with contextlib.closing(database):
        for number in job_numbers(database):
            try:
                job = views.job(database, number)
                if job is not None:
                    record = job_record(database, job)
                    list(inspect(workspace, database, job.id, record.experiment))
            except (InputError, sqlite3.DatabaseError, ValueError, TypeError) as error:
                yield Finding("results", "bad", f"job {number} cannot be shown: {one_line(error)}")


def _repair(tell: Tell, workspace: Workspace) -> None:
    with owned(workspace, "repair"):
        if health.lost(workspace):
            found = health.remake_database(workspace)
            for sentence in found.unreadable:
                tell(Finding("rebuilt", "note", f"left out: {sentence}"))
            if found.unconfirmed:
                tell(Finding("rebuilt", "note", found.unconfirmed))
            tell(Finding("rebuilt", "good", (
                f"{plural(found.jobs, 'job')}, {plural(found.trials, 'trial')} ({found.done} done), "
                f"{plural(found.points, 'point')} of curves, "
                f"{found.from_tensorboard:,} of them from TensorBoard's files; unfinished jobs are paused"
            )))  # fmt: skip
        database = Database(workspace.database, writer=True)
        try:
            mended = mend(workspace, database) + specifications.restore(workspace, database)
            count = health.fail_damaged(workspace, database)
        finally:
            database.close()
    for sentence in mended[: health.SHOWN]:
        tell(Finding("repaired", "good", f"restored: {sentence}"))
    if len(mended) > health.SHOWN:
        tell(Finding("repaired", "good", f"and {len(mended) - health.SHOWN} more values"))
    if count:
        sentence = f"{plural(count, 'trial')} with damaged files marked as failed; retry the job to train them again"
        tell(Finding("repaired", "good", sentence))
