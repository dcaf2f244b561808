"""The time left that the interfaces show, against what it took: `python -m benchmarks.time_left PRESET ...`.

Runs each preset whole, or shortened by options after `--` (`--set ...`); prints the estimate at tenths of the job.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace


def main() -> None:
    """A line per tenth: estimate, what it took, and their ratio."""
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    for preset in sys.argv[1:cut]:
        with tempfile.TemporaryDirectory() as folder:
            print(preset)
            _report(_watched(preset, Path(folder) / "workspace", sys.argv[cut + 1 :]))


def _watched(preset: str, folder: Path, options: list[str]) -> list[tuple[float, float | None]]:
    """(seconds of the clock, seconds left as shown) once a second while the job runs."""
    command = [sys.executable, "-m", "lth_core.cli", "headless", preset, "--workspace", str(folder), *options]
    found: list[tuple[float, float | None]] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(1)
            if Workspace(folder).database.exists():
                database = Database(Workspace(folder).database, writer=False)
                found += [(time.time(), job.seconds_left) for job in views.jobs(database) if job.state == "running"]
                database.close()
    return found


def _report(found: list[tuple[float, float | None]]) -> None:
    if not found:
        print("  ended too soon")
        return
    first, end = found[0][0], found[-1][0]
    for tenth in range(1, 10):
        at, said = min(found, key=lambda one: abs(one[0] - first - (end - first) * tenth / 10))
        took = max(end - at, 1e-9)
        print(
            f"  {tenth}/10: "
            + ("nothing said" if said is None else f"{said:.0f} s, took {took:.0f} s ({said / took:.2f})")
        )


if __name__ == "__main__":
    main()
