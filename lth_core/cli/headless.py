"""`lth headless`: queue experiments, run or follow an engine, show progress, print table and verdict."""

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from lth_core.batches.processes import run_apart
from lth_core.cli.console import make_console
from lth_core.cli.follower import Follower
from lth_core.cli.job_result import print_job
from lth_core.cli.progress import JsonProgress, LiveProgress, PlainProgress, Progress
from lth_core.cli.suite_result import print_suite
from lth_core.engine import named_code
from lth_core.engine.slots import find_slots
from lth_core.entry.command import INTERRUPTED, Interrupted, interrupt_on
from lth_core.entry.streams import OutputLost, keep_output_apart
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.suite import Suite, load
from lth_core.settings.launcher import launcher_from
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

DONE, TRIAL_FAILED = 0, 1
Wanted = tuple[Experiment, Path, str | None]
"""An experiment, its file, the name of its suite."""


def run(
    files: list[Path],
    folder: Path,
    overrides: list[str],
    device: str,
    slots: int | None,
    *,
    as_json: bool,
    again: bool,
) -> int:
    """Returns the exit code. Raises InputError before anything is queued if any file is invalid."""
    if as_json:
        keep_output_apart()
    workspace = Workspace(folder)
    find_slots(device, slots)
    wanted = checked(files, overrides, workspace)
    workspace.create()
    database = Database(workspace.database, writer=True)
    console = make_console()
    progress = progress_on(console, as_json=as_json)
    found = train(Follower(workspace, database, device, slots, progress), wanted, progress, again=again)
    if found is None:
        return INTERRUPTED
    jobs, gone = found
    ended = [(job, suite) for job, (*_, suite) in zip(jobs, wanted, strict=True) if job not in gone]
    results = _print_results(console, database, ended, as_json=as_json)
    whole = all(job.state == "done" and not job.trials_failed for job in results)
    return DONE if whole and not gone else TRIAL_FAILED


def train(
    follower: Follower, wanted: Sequence[Wanted], progress: Progress, *, again: bool = False
) -> tuple[list[int], set[int]] | None:
    """Queue experiments and follow them to their end: their jobs, and those that were deleted before. None, after a
    word about how to continue, if a signal interrupts."""
    try:
        with stop_signals():
            jobs = [follower.submit(experiment, file, again, suite) for experiment, file, suite in wanted]
            gone = follower.wait(jobs) or set()
    except Interrupted:
        progress.close()
        if follower.close():
            progress.say("interrupted: run the same command to continue from the last checkpoint")
        else:
            progress.say("interrupted: no longer following; the jobs continue in the other process")
        return None
    except OutputLost as lost:
        follower.close()
        lost.code = INTERRUPTED  # the same command continues
        raise
    progress.close()
    follower.close()
    return jobs, gone


def _print_results(
    console: Console, database: Database, jobs: list[tuple[int, str | None]], *, as_json: bool
) -> list[JobView]:
    """Print each job's result, then each suite's; returns the jobs."""
    ended = {job: view for job, _ in jobs if (view := views.job(database, job)) is not None}
    for job, _ in jobs:
        if job in ended:
            print_job(console, database, ended[job], as_json=as_json)
            if ended[job].error and not as_json:
                said = f"job {job} {ended[job].state}: {one_line(ended[job].error)}"
                console.print(said, style="red", markup=False)
    for name in dict.fromkeys(suite for _, suite in jobs if suite is not None):
        # This command's jobs, which need not be the newest of their names.
        own = [ended[job] for job, suite in jobs if suite == name and job in ended]
        print_suite(console, database, name, own, as_json=as_json)
    return list(ended.values())


def checked(files: list[Path], overrides: list[str], workspace: Workspace) -> list[Wanted]:
    """(experiment, file, name of its suite or None) of all experiments of the files; writes nothing.

    Raises InputError if one is invalid, or cannot run here.
    """
    wanted = [one for file in files for one in _experiments(file, overrides)]
    for file in files:
        named_code.check([one for one, its, _ in wanted if its == file], one_line(file))
    check_launchers([experiment for experiment, *_ in wanted], workspace.folder)
    check_tickets([experiment for experiment, *_ in wanted])
    return wanted


def on_launcher(kind: str | None) -> list[str]:
    """The overrides of `--launcher`; fields of that kind come from the file."""
    if kind is None:
        return []
    return ['launcher={kind="local"}'] if kind == "local" else [f"launcher.kind={json.dumps(kind)}"]


def check_launchers(experiments: list[Experiment], folder: Path) -> None:
    """Raises InputError if a cluster cannot provide what the experiments ask for."""
    for launcher in dict.fromkeys(one.launcher.model_dump_json() for one in experiments):
        need = launcher_from(launcher)
        if need.kind == "slurm":
            from lth_core.engine.launchers.slurm_commands import check

            check(need, folder)


def check_tickets(experiments: list[Experiment]) -> None:
    """Raises InputError, naming the layer, if an imported ticket does not fit its experiment's network."""
    for experiment in experiments:
        if experiment.ticket is not None:
            run_apart("lth_core.worker.imported_tickets", experiment=experiment.canonical())


def _experiments(file: Path, overrides: list[str]) -> list[Wanted]:
    """(experiment, file, name of its suite or None) for each experiment of a file."""
    held = load(file, overrides)
    if isinstance(held, Suite):
        return [(experiment, file, held.name) for experiment in held.experiments]
    return [(held, file, None)]


def progress_on(console: Console, *, as_json: bool = False) -> Progress:
    """How progress is shown: live on a terminal, else in lines."""
    if as_json:
        return JsonProgress()
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)


@contextmanager
def stop_signals() -> Iterator[None]:
    """The signals that end a session or a batch job interrupt like Ctrl-C; later ones are ignored."""
    # An ignored signal stays ignored: `nohup` relies on it.
    heard = [n for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    interrupt_on(*heard)
    try:
        yield
    finally:
        # A second Ctrl-C must not cut short the stop at a checkpoint.
        for number in heard:
            signal.signal(number, signal.SIG_IGN)
