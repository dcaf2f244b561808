"""`lth ticket`: a ticket as files that need nothing of this program."""

import json
from pathlib import Path

from lth_core.cli.console import make_console
from lth_core.engine.stored import run_apart, stored_spec
from lth_core.errors import InputError
from lth_core.plan import TrialKey
from lth_core.report.tables import make_folder
from lth_core.report.ticket_card import loading_lines, write_card
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import one_line


def export(number: int, arm: str, round: int, seed: int, out: Path, folder: Path) -> None:
    """Write mask, weights and card of one finished trial."""
    workspace = Workspace(folder)
    database = Database(workspace.database, writer=False)
    job = job_of(database, folder, number)
    key = TrialKey(round, arm, seed)
    spec = stored_spec(database, number, job.experiment, [key])
    (trial,) = [t for t in views.trials(database, number) if (t.round, t.arm, t.seed) == (round, arm, seed)]
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{one_line(out)}: is there already; accepted is a folder that is new or empty")
    make_folder(out)
    answer = run_apart(
        "lth_core.engine.ticket_export", str(workspace.folder), str(out), spec=json.loads(spec.to_json())
    )  # fmt: skip
    write_card(out, job, trial, answer["shapes"])
    console = make_console()
    console.print(f"{one_line(out)}: {one_line(job.name)}, {key}", markup=False, highlight=False, soft_wrap=True)
    for line in loading_lines(answer["shapes"], f"{out}/trained.safetensors"):
        console.print(f"    {one_line(line, 2000)}", markup=False, highlight=False, soft_wrap=True)


def job_of(database: Database, folder: Path, number: int) -> JobView:
    """The job of that number; InputError with the numbers there are."""
    job = views.job(database, number)
    if job is None:
        known = ", ".join(str(one.id) for one in views.jobs(database)) or "none"
        raise InputError(f"{one_line(folder)}: there is no job {number}; there are: {known}")
    return job
