"""The reserve: a file that is deleted when the disk is full, so that the database can still be written."""

import contextlib
import shutil
from pathlib import Path

NAME = "reserve"
BYTES = 1_000_000
"""Its size in bytes; a disk with less free space counts as full."""


def has_little(folder: Path) -> bool:
    """Whether almost nothing can be written there."""
    return shutil.disk_usage(folder).free < BYTES


def give_up_where_full(folder: Path) -> None:
    """Delete the reserve of a workspace whose disk is full; an engine creates it again when there is space."""
    with contextlib.suppress(OSError):
        if has_little(folder):
            (folder / NAME).unlink(missing_ok=True)
