"""`lth log`: why trials of a job failed, and the newest lines of its workers' logs."""

from collections.abc import Iterator
from pathlib import Path

from lth_core.cli.console import make_console
from lth_core.cli.subject import find_job
from lth_core.store import logs, views
from lth_core.text import clean, one_line, plural


def run(subject: str, folder: Path, lines: int) -> None:
    """Print them: of a job with failed trials the logs of their batches, then those of what runs or ran last."""
    workspace, database, job = find_job(folder, subject)
    failed = [trial for trial in views.trials(database, job.id) if trial.state == "failed"]
    found = logs.failed_logs(database, workspace, job.id) if failed else []
    found = list(dict.fromkeys([*found, *logs.newest_logs(database, workspace, job.id)]))
    console = make_console()
    for line in _lines(failed, [(str(path.relative_to(workspace.folder)), logs.tail(path, lines)) for path in found]):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(failed: list[views.TrialView], found: list[tuple[str, list[str]]]) -> Iterator[str]:
    if failed:
        yield f"{plural(len(failed), 'trial')} failed:"
        for trial in failed:
            cause = one_line(trial.error or "no cause is known")
            yield f"- round {trial.round}, {trial.arm}, seed {trial.seed}: {cause}"
    if not found:
        yield "no worker has written a log yet"
    for name, lines in found:
        yield f"== {one_line(name)}"
        yield from map(clean, lines)
