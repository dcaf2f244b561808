"""`python -m benchmarks.workbench`: key to screen, bytes to the terminal, idle CPU, a client that stops reading.

Through a pseudo-terminal, with a worker on every core. The budgets are those of `docs/workbench.md`.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.terminal import Terminal
from lth_core.experiment.file import load_experiment
from lth_core.store import commands
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace

SIZES = ((80, 24, 5.0), (120, 40, 15.0), (200, 60, 30.0))
"""Columns, rows, and the budget in kB/s of a live curve."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workbench")
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement of bytes (default: 15)")
    parser.add_argument("--keys", type=int, default=60, help="presses per page (default: 60)")
    parser.add_argument(
        "--stall", type=float, default=30, help="seconds for which nobody reads, at 120x40 (default: 30)"
    )
    parser.add_argument("--size", action="append", help="only this size, such as 120x40")
    options = parser.parse_args()
    print(f"load at the start {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores")
    print("size     key ms p50/p95/max (own CPU)   kB/s queue, job (budget)   idle kB/s, CPU")
    with tempfile.TemporaryDirectory(prefix="lth-bench-") as folder:
        for columns, rows, budget in SIZES:
            if options.size and f"{columns}x{rows}" not in options.size:
                continue
            length = 400_000 if options.stall <= 60 else 2_000_000  # the trainings last longer than nobody reads
            workspace = training(Path(folder) / f"{columns}x{rows}", length)
            live = Live(workspace, columns, rows)
            try:
                queue = live.bytes(options.seconds)
                spent = -live.cpu()
                latencies = live.in_queue(options.keys)
                spent += live.cpu()
                live.open_job()
                job = live.bytes(options.seconds)
                latencies += live.in_job(options.keys)
                if (columns, rows) == (120, 40) and options.stall:
                    live.stall(options.stall)
                own = 1000 * spent / options.keys
                live.pause_all()
                idle, cpu = live.idle(options.seconds)
            finally:
                live.close()
            p50, p95, worst = (1000 * np.quantile(latencies, q) for q in (0.5, 0.95, 1.0))
            size = f"{columns}x{rows}"
            keys = f"{p50:5.0f} {p95:5.0f} {worst:5.0f}    ({own:3.0f})"
            live_bytes = f"{queue:5.1f} {job:5.1f} ({budget:.0f})"
            print(f"{size:<8} {keys}       {live_bytes}             {idle:5.2f}     {cpu:.1%}", flush=True)


def training(folder: Path, length: int) -> Workspace:
    """A workspace in which the quick CartPole experiment is asked for."""
    workspace = Workspace(folder)
    workspace.create()
    database = Database(workspace.database, writer=True)
    experiment = load_experiment(Path("configs/quick/cartpole.toml"), [f"training.length={length}"])
    for _ in range(2):
        commands.ask(database, commands.Submit(experiment=experiment.canonical(), source="benchmark", again=True))
    database.close()
    return workspace


class Live:
    """A workbench with its engine, on a workspace that trains on all cores."""

    def __init__(self, workspace: Workspace, columns: int, rows: int) -> None:
        self._workspace = workspace
        self._terminal = Terminal([str(workspace.folder), "--device", "cpu"], columns, rows)
        self._terminal.until("steps/s", 90)
        end = time.monotonic() + 120
        while not self._steps() and time.monotonic() < end:
            self._terminal.read(0.5)
        self._terminal.read(3)

    def bytes(self, seconds: float) -> float:
        """kB/s that come to the terminal without a key."""
        return len(self._terminal.read(seconds)) / seconds / 1000

    def cpu(self) -> float:
        """CPU seconds of the drawing process so far."""
        times = psutil.Process(self._terminal.process.pid).cpu_times()
        return times.user + times.system

    def in_queue(self, presses: int) -> list[float]:
        """The cursor goes down and up."""
        return [self._press("j" if i % 2 == 0 else "k", "▶") for i in range(presses)]

    def open_job(self) -> None:
        """To the job page."""
        self._terminal.press("\r")
        self._terminal.until("[1 curves]")
        self._terminal.read(3)

    def in_job(self, presses: int) -> list[float]:
        """From one view to the next."""
        views = ("[2 lottery]", "[3 layers]", "[1 curves]")
        return [self._press(views[i % 3][1], views[i % 3]) for i in range(presses)]

    def _press(self, key: str, words: str) -> float:
        self._terminal.read(0.05 + 0.15 * np.random.default_rng().random())  # at any moment of a tick
        self._terminal.press(key)
        return self._terminal.until(words, 10)

    def stall(self, seconds: float) -> None:
        """How much the trials advance while somebody reads, and while nobody does."""
        begin = self._steps()
        self._terminal.read(min(seconds, 20))
        middle = self._steps()
        read = (middle - begin) / min(seconds, 20)
        time.sleep(seconds)
        stalled = (self._steps() - middle) / seconds
        times = stalled / max(read, 1)
        print(f"         nobody reads for {seconds:.0f} s: {stalled:,.0f} steps/s, {times:.2f} times as before")
        self._terminal.read(3)

    def _steps(self) -> int:
        database = Database(self._workspace.database, writer=False)
        row = database.row("SELECT TOTAL(step) FROM trials")
        database.close()
        return int(row[0]) if row else 0

    def pause_all(self) -> None:
        """Nothing changes any more."""
        database = Database(self._workspace.database, writer=True)
        asked = [commands.ask(database, commands.Pause(job=job)) for job in (1, 2)]
        end = time.monotonic() + 30
        while any(commands.answer(database, one) is None for one in asked) and time.monotonic() < end:
            self._terminal.read(0.2)
        database.close()
        self._terminal.read(12)  # workers save and leave

    def idle(self, seconds: float) -> tuple[float, float]:
        """kB/s and the share of a core."""
        before, found = self.cpu(), len(self._terminal.read(seconds))
        return found / seconds / 1000, (self.cpu() - before) / seconds

    def close(self) -> None:
        """The workbench, and then its engine, which ends by itself: all jobs are paused."""
        self._terminal.close()
        time.sleep(5)


if __name__ == "__main__":
    main()
