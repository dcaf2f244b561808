"""What `lth check` says before the start, against what it took: `python -m benchmarks.estimates PRESET ...`.

In seconds of a processor: the estimate's, and those that workers write into their logs, their start included. So both
hold on a busy machine. Options after `--` are of `lth check` and `lth headless` alike, such as `--set seeds=2` and
`--slots 1`. Where the first of them is `--workspace FOLDER`, each preset has a workspace in that folder, and what has
run there is not run again.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from lth_core.batches.spent import cpu_seconds

WITHIN = 0.3
"""Share of what it took that an estimate may be off."""


def main() -> None:
    """A row for each preset; fails where an estimate is further off than it may be."""
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    presets, options = sys.argv[1:cut], sys.argv[cut + 1 :]
    print(f"{'CPU seconds':36}{'estimate':>10}{'taken':>10}{'ratio':>8}", flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if options[:1] == ["--workspace"]:
            folder, options = options[1], options[2:]
        kept = [_row(preset, Path(folder) / preset.replace("/", "-"), options) for preset in presets]
    sys.exit(0 if all(kept) else 1)


def _row(preset: str, workspace: Path, options: list[str]) -> bool:
    estimate = sum(one["cost"]["work"] for one in json.loads(_lth("check", preset, "--json", *options))["experiments"])
    _lth("headless", preset, "--workspace", str(workspace), *options)
    taken = sum(_seconds(path) for path in workspace.glob("batches/*/attempt-*"))
    print(f"{preset:36}{estimate:10.1f}{taken:10.1f}{estimate / taken:8.2f}", flush=True)
    return bool(abs(estimate / taken - 1) <= WITHIN)


def _lth(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lth_core.cli", *words], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"lth {' '.join(words)}: exit code {done.returncode}")
    return done.stdout


def _seconds(attempt: Path) -> float:
    found = cpu_seconds(attempt)
    if found is None:
        sys.exit(f"{attempt}/log.txt: expected the CPU seconds of an attempt that has ended")
    return found


if __name__ == "__main__":
    main()
