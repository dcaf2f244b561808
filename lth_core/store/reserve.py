"""The reserve: a file of the workspace that is given up when its disk is full, so that work on it stays possible."""

import contextlib
import shutil
from pathlib import Path

NAME = "reserve"
BYTES = 1_000_000
"""Its size; a disk with less that is free counts as full."""


def has_little(folder: Path) -> bool:
    """Whether next to nothing can be written there."""
    return shutil.disk_usage(folder).free < BYTES


def give_up_where_full(folder: Path) -> None:
    """Remove the reserve of a workspace whose disk is full; an engine makes it again when there is room."""
    with contextlib.suppress(OSError):
        if has_little(folder):
            (folder / NAME).unlink(missing_ok=True)
