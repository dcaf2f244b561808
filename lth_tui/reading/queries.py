"""Small queries of the workbench, on top of the store's. Read only."""

import os
from dataclasses import replace
from pathlib import Path

from lth_core.store import glances, views
from lth_core.store.database import Database
from lth_core.store.plain import open_plain
from lth_core.store.views import SlotView
from lth_core.store.workspace import Workspace

_TAIL = 16_384


def slots(database: Database) -> tuple[SlotView, ...]:
    """The engine's slots; one whose batch has no trial left to train is idle until the engine says what comes next."""
    return tuple(
        slot if slot.trials else replace(slot, batch=None, job=None, fraction=0.0, rate=None)
        for slot in views.slots(database)
    )


def newest_log(database: Database, workspace: Workspace, job: int) -> Path | None:
    """The log of the newest attempt of a job's newest batch that has one."""
    for row in glances.newest_attempts(database, job):
        for attempt in (row["attempt"], row["attempt"] - 1):
            path = workspace.batch(row["id"]) / f"attempt-{attempt}" / "log.txt"
            if path.is_file():
                return path
    return None


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a text file of any size; none if it is no regular file."""
    try:
        with open_plain(path, follow=False) as file:  # a workspace may be foreign
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            text = file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]
