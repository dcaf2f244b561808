"""`lth add`, `pause`, `resume`, `cancel`, `retry`, `move`: commands for a workspace, with an engine at work or not."""

from collections.abc import Callable
from pathlib import Path

from lth_core.cli.headless import checked
from lth_core.cli.shape_parts import Asked
from lth_core.cli.shapes import Commanded, print_json
from lth_core.cli.subject import find_jobs
from lth_core.engine.at_once import carry_out
from lth_core.errors import InputError
from lth_core.experiment import presets
from lth_core.store import views
from lth_core.store.commands import JobCommand, Submit
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

_LATER = "stored; the next engine that opens the workspace does it"


def add(files: list[Path], folder: Path, overrides: list[str], *, again: bool, as_json: bool) -> None:
    """Queue the experiments of the files.

    Raises InputError before any is queued if one is invalid, and with what the engine refused, after the others.
    """
    workspace = Workspace(folder)
    wanted = checked(files, overrides, workspace)
    workspace.create()
    database = Database(workspace.database, writer=True)
    submits = [
        Submit(
            experiment=experiment.canonical(), source=one_line(presets.find(file).resolve()), again=again, suite=suite
        )
        for experiment, file, suite in wanted
    ]  # fmt: skip
    asked, refused = [], []
    for (experiment, file, _), answer in zip(wanted, carry_out(workspace, database, submits), strict=True):
        if answer is not None and "error" in answer:
            refused.append(f"{one_line(file)}: {answer['error']}")
            continue
        known = bool(answer and answer.get("known"))
        job = int(answer["job"]) if answer else None
        asked.append(Asked(job=job, name=experiment.name, known=known, carried_out=answer is not None))
        if not as_json:
            said = "already has this experiment; --again queues it again" if known else "queued"
            print(f"{experiment.name}: {_LATER}" if job is None else f"job {job} {experiment.name}: {said}")
    if as_json:
        print_json(Commanded(command="add", jobs=asked))
    if refused:
        raise InputError("; ".join(refused))


def change(
    make: Callable[[int], JobCommand], subjects: list[str], folder: Path, *, as_json: bool, backwards: bool = False
) -> None:
    """Send a command about each of the jobs; raises InputError with what was refused, after the others.

    backwards: the last job first.
    """
    workspace = Workspace(folder)
    Database(workspace.database, writer=False).close()
    database = Database(workspace.database, writer=True)
    jobs, asked, refused = find_jobs(folder, database, subjects), [], []
    if backwards:
        jobs.reverse()
    kind = make(0).kind
    answers = carry_out(workspace, database, [make(job.id) for job in jobs])
    for job, answer in zip(jobs, answers, strict=True):
        if answer is not None and "error" in answer:
            refused.append(str(answer["error"]))
            continue
        asked.append(Asked(job=job.id, name=job.name, known=True, carried_out=answer is not None))
        if not as_json:
            found = views.job(database, job.id)
            now = f"now {found.state}" if found is not None and found.state != job.state else "carried out"
            print(f"{kind}: job {job.id} {one_line(job.name, 80)}: {_LATER if answer is None else now}")
    if as_json:
        print_json(Commanded(command=kind, jobs=asked))
    if refused:
        raise InputError("; ".join(refused))
