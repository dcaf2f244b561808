"""`lth bundle`: a job or suite as one file that others can check."""

import shutil
from pathlib import Path

from lth_core.bundle.write import planned
from lth_core.cli.console import make_console
from lth_core.cli.subject import job_or_suite
from lth_core.errors import InputError
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from lth_core.text import megabytes, one_line, plural

LARGE = 100_000_000
"""Bytes from which the size is said before anything is written."""


def run(subject: str, out: Path, folder: Path, *, weights: bool) -> None:
    """Write the bundle, and print its files, size and the SHA-256 of its manifest."""
    workspace = Workspace(folder)
    database = Database(workspace.database, writer=False)
    jobs, suite = job_or_suite(subject, folder, database)
    if out.exists():
        raise InputError(f"{one_line(out)} already exists: expected the name of a new file")
    made = planned(workspace, database, jobs, suite, weights=weights)
    free = shutil.disk_usage(out.absolute().parent).free if out.absolute().parent.is_dir() else 0
    if made.size > LARGE:
        _say(f"packing {made.size / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free")
    if out.absolute().parent.is_dir() and free < sum(path.stat().st_size for path, _ in made.weights.values()):
        raise InputError(f"{one_line(out)}: {free:,} bytes are free, too few for the weights: expected a larger disk")
    made.write(out)
    held = f"{plural(len(made.manifest.files), 'file')} of {plural(len(jobs), 'job')}"
    with_weights = "with weights" if weights else "without weights (--weights includes them)"
    _say(f"{out}: {held}, {megabytes(out.stat().st_size)}, {with_weights}")
    _say(f"SHA-256 of its manifest: {made.sha256}")


def _say(line: str) -> None:
    make_console().print(one_line(line), markup=False, highlight=False, soft_wrap=True)
