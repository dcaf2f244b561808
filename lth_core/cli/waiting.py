"""`lth wait`: until jobs have ended."""

import time
from pathlib import Path

from lth_core.cli.console import make_console
from lth_core.cli.follower import ENDED, Follower
from lth_core.cli.headless import DONE, TRIAL_FAILED, stop_signals
from lth_core.cli.progress import LiveProgress, PlainProgress, Progress, QuietProgress
from lth_core.cli.shape_parts import job_shape
from lth_core.cli.shapes import Waited, print_json
from lth_core.cli.subject import find_jobs
from lth_core.engine.slots import find_slots
from lth_core.entry.command import INTERRUPTED, Interrupted
from lth_core.entry.streams import keep_output_apart
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

GAVE_UP = 3


def wait(
    subjects: list[str], folder: Path, device: str, slots: int | None, *, run: bool, give_up: float | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Wait until the jobs have ended, by default all that have not; returns the exit code.

    run: with an engine of this process, if no other works on the workspace.
    """
    until = None if give_up is None else time.monotonic() + give_up
    if as_json:
        keep_output_apart()
    workspace = Workspace(folder)
    find_slots(device, slots)
    Database(workspace.database, writer=False).close()
    database = Database(workspace.database, writer=True)
    every = [job for job in views.jobs(database) if job.state not in ENDED]
    jobs = [job.id for job in (find_jobs(folder, database, subjects) if subjects else every)]
    progress = _progress(as_json)
    follower = Follower(workspace, database, device, slots, progress, runs=run)
    try:
        with stop_signals():
            gone = follower.wait(jobs, until)
    except Interrupted:
        progress.close()
        progress.say("interrupted" + ": the jobs continue from their last checkpoint" * follower.close())
        return INTERRUPTED
    except BaseException:
        progress.close()
        follower.close()
        raise
    progress.close()
    follower.close()
    return _told(database, jobs, gone, as_json)


def _told(database: Database, jobs: list[int], gone: set[int] | None, as_json: bool) -> int:
    """Print how the jobs stand; returns the exit code."""
    views_of = [view for job in jobs if job not in (gone or ()) and (view := views.job(database, job)) is not None]
    if as_json:
        rows = [job_shape(view) for view in views_of]
        print_json(Waited(jobs=rows, gone=sorted(gone or ()), given_up=gone is None))
    else:
        for view in views_of:
            why = f": {one_line(view.error)}" if view.error else ""
            print(f"job {view.id} {one_line(view.name, 80)}: {view.state}{why}")
    if gone is None:
        return GAVE_UP
    whole = all(view.state == "done" and not view.trials_failed for view in views_of)
    return DONE if whole and not gone else TRIAL_FAILED


def _progress(as_json: bool) -> Progress:
    console = make_console()
    if as_json:
        return QuietProgress()
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)
