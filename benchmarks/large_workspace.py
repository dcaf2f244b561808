"""`python -m benchmarks.large_workspace`: a workspace of 500 jobs and 5 million points, opened and scrolled through."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.terminal import Terminal
from lth_core.experiment.file import resolve
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.workspace import Workspace


def main() -> None:
    """Make, open, scroll, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_workspace")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--points", type=int, default=5_000_000)
    parser.add_argument("--keys", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lth-bench-") as folder:
        workspace = Workspace(Path(folder))
        workspace.create()
        trials = fill(workspace, options.jobs, options.points)
        size = workspace.database.stat().st_size / 1e6
        print(f"{options.jobs} jobs, {trials:,} trials, {options.points:,} points, {size:.0f} MB")
        opened = [open_once(workspace) for _ in range(3)]
        print("first paint, all jobs listed, newest curve drawn (s): "
              + "; ".join(", ".join(f"{s:.2f}" for s in one) for one in opened))  # fmt: skip
        steps = scroll(workspace, options.keys)
        p50, p95, worst = (1000 * np.quantile(steps, q) for q in (0.5, 0.95, 1.0))
        print(f"scrolling, ms a key: {p50:.0f} median, {p95:.0f} at 95 %, {worst:.0f} at worst")


def fill(workspace: Workspace, jobs: int, points: int) -> int:
    """Finished jobs with curves; returns the number of trials."""
    database = Database(workspace.database, writer=True)
    with database.transaction() as connection:
        for number in range(jobs):
            fields = {"name": f"job-{number:03d}", "seeds": 4, "arms": ["winning", "random"],
                      "pruning": {"rounds": 4, "fraction": 0.4}}  # fmt: skip
            add_job(connection, resolve(fields, "made"), "made", {})
        connection.execute("UPDATE jobs SET state = 'done', started = created, finished = created + 60")
        connection.execute("UPDATE trials SET state = 'done', density = 0.5, score = id * 7919 % 500, step = 60000")
        connection.execute("INSERT INTO metric_names (name) VALUES ('return/train')")
        trials = int(connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0])
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO metrics SELECT t.id, 1, n.i * 200, (t.id * 31 + n.i * 17) % 500 FROM trials t, n",
            (max(1, points // trials),),
        )
    database.close()
    return trials


def open_once(workspace: Workspace) -> tuple[float, float, float]:
    """Seconds until something is on screen, all jobs are, and the curve of the first is."""
    terminal = Terminal([str(workspace.folder), "--view"], 120, 40)
    try:
        begin = terminal.started
        terminal.until("quit")
        first = time.perf_counter() - begin
        terminal.until("job-000")
        listed = time.perf_counter() - begin
        terminal.until("IQM, 95")
        return first, listed, time.perf_counter() - begin
    finally:
        terminal.close()


def scroll(workspace: Workspace, keys: int) -> list[float]:
    """Seconds from a key to its row."""
    terminal = Terminal([str(workspace.folder), "--view"], 120, 40)
    try:
        terminal.until("IQM, 95")
        terminal.read(1)
        found = []
        for number in range(keys):
            terminal.press("j" if number % 10 else "\x04")  # every tenth a page
            found.append(terminal.until("▶"))
            terminal.read(0.02)
        return found
    finally:
        terminal.close()


if __name__ == "__main__":
    main()
