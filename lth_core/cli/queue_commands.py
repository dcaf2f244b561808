"""The commands that change the queue, wait for jobs and query the database: how they look on the command line."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lth_core.cli.options import WORKSPACE, Device, Files, Folder, Json, Kind, Set, Slots, Subjects, whole
from lth_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lth_core.store.commands import JobCommand

queue = typer.Typer()


@queue.command()
def add(
    files: Files, workspace: Folder = WORKSPACE, set_: Set = None,
    again: Annotated[bool, typer.Option(help="Queue experiments again that the workspace already has.")] = False,
    launcher: Kind = None, json: Json = False,
) -> None:  # fmt: skip
    """Queue experiments, and print the numbers of their jobs; `lth wait --run` or a workbench trains them."""
    from lth_core.cli.headless import on_launcher
    from lth_core.cli.queueing import add as run

    run(files, workspace, [*(set_ or []), *on_launcher(launcher)], again=again, as_json=json)


@queue.command()
def pause(jobs: Subjects, workspace: Folder = WORKSPACE, json: Json = False) -> None:
    """Pause jobs at their next checkpoint."""
    from lth_core.store.commands import Pause

    _command(lambda job: Pause(job=job), jobs, workspace, json)


@queue.command()
def resume(jobs: Subjects, workspace: Folder = WORKSPACE, json: Json = False) -> None:
    """Continue paused jobs."""
    from lth_core.store.commands import Resume

    _command(lambda job: Resume(job=job), jobs, workspace, json)


@queue.command()
def cancel(
    jobs: Subjects, workspace: Folder = WORKSPACE,
    after_round: Annotated[bool, typer.Option(help="Finish the rounds that have started.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """End jobs for good; finished trials are kept."""
    from lth_core.store.commands import Cancel

    _command(lambda job: Cancel(job=job, after_round=after_round), jobs, workspace, json)


@queue.command()
def retry(jobs: Subjects, workspace: Folder = WORKSPACE, json: Json = False) -> None:
    """Run failed and cancelled trials again."""
    from lth_core.store.commands import Retry

    _command(lambda job: Retry(job=job), jobs, workspace, json)


_Places = typer.Option(
    parser=whole, metavar="N", help="Places, among the jobs of the same priority.", show_default=False
)


@queue.command()
def move(
    jobs: Subjects, workspace: Folder = WORKSPACE, up: Annotated[int | None, _Places] = None,
    down: Annotated[int | None, _Places] = None,
    first: Annotated[bool, typer.Option("--first", help="To the front.")] = False,
    last: Annotated[bool, typer.Option("--last", help="To the end.")] = False, json: Json = False,
) -> None:  # fmt: skip
    """Move jobs up or down the queue."""
    from lth_core.store.commands import Move

    for option, places in (("--up", up), ("--down", down)):
        if places is not None and places < 1:
            raise InputError(f"move: {option} {places}: expected a whole number from 1")
    end = 10**9
    ways = [-up if up else 0, down or 0, -end * first, end * last]
    if sum(way != 0 for way in ways) != 1:
        raise InputError("move: expected one of --up N, --down N, --first, --last")
    by = sum(ways)
    # Of several jobs the first named stays before the others.
    _command(lambda job: Move(job=job, by=by), jobs, workspace, json, backwards=first or bool(down))


@queue.command()
def wait(
    jobs: Annotated[
        list[str] | None,
        typer.Argument(help="Jobs or suites, by number or name; by default all that have not ended.", metavar="JOB..."),
    ] = None,
    workspace: Folder = WORKSPACE,
    run: Annotated[bool, typer.Option("--run", help="Train them here, unless an engine is at work.")] = False,
    give_up: Annotated[
        float | None, typer.Option(min=0, help="Stop waiting after so many seconds.", metavar="SECONDS")
    ] = None,
    device: Device = "auto", slots: Slots = None, json: Json = False,
) -> None:  # fmt: skip
    """Wait until jobs have ended.

    Exit codes: 0 all are done, 1 one failed, was cancelled or deleted, 2 bad input, 3 gave up, 130 interrupted.
    """
    from lth_core.cli.waiting import wait as act

    sys.exit(act(jobs or [], workspace, device, slots, run=run, give_up=give_up, as_json=json))


@queue.command()
def sql(
    query: Annotated[
        str | None, typer.Argument(help="A SELECT statement; without one, the views are listed.", show_default=False)
    ] = None,
    workspace: Folder = WORKSPACE,
    limit: Annotated[int, typer.Option(min=1, help="Print at most so many rows.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="Stop the query after so many seconds.")] = 30.0,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead.")] = False,
    long: Annotated[bool, typer.Option("--long", help="Print each value whole, on lines of its own.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Query the workspace's database, read-only: jobs, trials, metrics, layers, audits, events."""
    from lth_core.cli.sql import run

    run(query, workspace, limit, seconds, as_csv=csv, as_json=json, long=long)


def _command(
    make: "Callable[[int], JobCommand]", subjects: list[str], workspace: Folder, as_json: bool, backwards: bool = False
) -> None:
    from lth_core.cli.queueing import change

    change(make, subjects, workspace, as_json=as_json, backwards=backwards)
