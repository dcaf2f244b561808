"""The time left that the interfaces show, against what it took: `python -m benchmarks.time_left PRESET ...`.

Runs each preset whole, or shortened by options after `--` (`--set ...`), and prints a table: shown time over true time
at tenths of the job. On the clock of the wall, and on one that runs only as fast as the workers get processor time: the
same estimate as it would be on a machine of their own.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from lth_core.errors import InputError
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.job_time import job_time
from lth_core.store.refusal import Refused
from lth_core.store.workspace import Workspace
from lth_core.time_left import BatchTime, JobTime, seconds_left

WITHIN = 0.3
"""Share of the true time that the shown one may be off."""
TENTHS = range(1, 10)


@dataclass(frozen=True)
class Moment:
    """A look at the job: the clock, the seconds left as shown, what they are from, processor seconds by worker."""

    at: float
    shown: float | None
    job: JobTime
    busy: dict[int, float]


def main() -> None:
    """A table with two rows a preset; fails where a value is further off than it may be on the workers' clock."""
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    print("shown / true".ljust(34) + "seconds" + "".join(f"{tenth / 10:7.1f}" for tenth in TENTHS), flush=True)
    kept = [_measure(preset, sys.argv[cut + 1 :]) for preset in sys.argv[1:cut]]
    sys.exit(0 if all(kept) else 1)


def _measure(preset: str, options: list[str]) -> bool:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = _watched(preset, Path(folder) / "workspace", options)
    if len(found) < len(TENTHS):
        print(f"{preset}: ended too soon, after {len(found)} s")
        return False
    _row(preset, "wall clock", [(one.at, one.shown) for one in found])
    clock = _workers_clock(found)
    return _row(preset, "workers' clock", [(clock(one.at), _on(clock, one)) for one in found])


def _watched(preset: str, folder: Path, options: list[str]) -> list[Moment]:
    """A look once a second while the job runs."""
    command = [sys.executable, "-m", "lth_core.cli", "headless", preset, "--workspace", str(folder), *options]
    found: list[Moment] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(1)
            with contextlib.suppress(InputError, Refused):  # there is no database yet
                found += _look(Database(Workspace(folder).database, writer=False))
    return found


def _look(database: Database) -> list[Moment]:
    try:
        jobs = [job for job in views.jobs(database) if job.state == "running"]
        busy = {slot.pid: _processor(slot.pid) for slot in views.slots(database) if slot.pid and slot.batch}
        at = time.time()
        return [Moment(at, job.seconds_left, job_time(database, job.id, job.experiment), busy) for job in jobs]
    finally:
        database.close()


def _processor(pid: int) -> float:
    """Seconds of a processor that a process has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _workers_clock(found: list[Moment]) -> Callable[[float], float]:
    """From the clock of the wall to the mean of what the workers that train have used of their processors."""
    passed = [0.0]
    for before, after in pairwise(found):
        most = after.at - before.at  # a worker with several threads is not faster than on a machine of its own
        used = [min(most, max(0.0, seconds - before.busy.get(pid, 0.0))) for pid, seconds in after.busy.items()]
        passed.append(passed[-1] + (sum(used) / len(used) if used else 0.0))
    moments = [one.at for one in found]
    return lambda at: float(np.interp(at, moments, passed))


def _on(clock: Callable[[float], float], one: Moment) -> float | None:
    """What would have been shown, had the machine run on this clock."""

    def moved(batch: BatchTime) -> BatchTime:
        finished = None if batch.finished is None else clock(batch.finished)
        whole, before = batch.whole, batch.before
        if before is not None:
            before *= _speed(clock, batch.started, batch.started + before)
        if whole is not None:
            end = min(batch.finished or one.at, one.at)
            begin = max(batch.started, end - whole * batch.fraction)
            whole *= _speed(clock, begin, end)
        return replace(batch, started=clock(batch.started), finished=finished, whole=whole, before=before)

    return seconds_left(replace(one.job, batches=[moved(batch) for batch in one.job.batches]), clock(one.at))


def _speed(clock: Callable[[float], float], begin: float, end: float) -> float:
    return (clock(end) - clock(begin)) / max(1e-9, end - begin)


def _row(preset: str, clock: str, found: list[tuple[float, float | None]]) -> bool:
    """Print the ratios; whether all are within what is allowed."""
    first, end = found[0][0], found[-1][0]
    ratios = []
    for tenth in TENTHS:
        at, said = min(found, key=lambda one: abs(one[0] - first - (end - first) * tenth / 10))
        ratios.append(None if said is None else said / max(end - at, 1e-9))
    shown = "".join("   none" if ratio is None else f"{ratio:7.2f}" for ratio in ratios)
    print(f"{preset:19}{clock:15}{end - first:7.0f}{shown}", flush=True)
    return all(ratio is not None and abs(ratio - 1) <= WITHIN for ratio in ratios)


if __name__ == "__main__":
    main()
