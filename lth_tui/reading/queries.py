"""Small queries of the workbench, on top of the store's. Read only."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lth_core.store import glances, views
from lth_core.store.database import Database
from lth_core.store.plain import open_plain
from lth_core.store.views import SlotView
from lth_core.store.workspace import Workspace

_TAIL = 65_536
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}")


def slots(database: Database) -> tuple[SlotView, ...]:
    """The engine's slots; one whose batch has no trial left to train is idle until the engine says what comes next."""
    return tuple(
        slot if slot.trials else replace(slot, batch=None, job=None, fraction=0.0, rate=None)
        for slot in views.slots(database)
    )


def newest_logs(database: Database, workspace: Workspace, job: int) -> list[Path]:
    """The logs of a job's running batches; if none runs, that of its newest batch that has one."""
    found: list[Path] = []
    for row in glances.newest_attempts(database, job):
        for attempt in (row["attempt"], row["attempt"] - 1):
            path = workspace.batch(row["id"]) / f"attempt-{attempt}" / "log.txt"
            if (row["state"] == "running" or not found) and path.is_file():
                found.append(path)
                break
    return found


def merged(logs: Sequence[Sequence[str]]) -> list[str]:
    """The lines of several logs in the order of their times; a line without a time stays below the one before."""
    blocks: list[tuple[str, list[str]]] = []
    for lines in logs:
        time = ""
        for line in lines:
            stamp = _STAMP.match(line)
            time = stamp.group() if stamp else time
            if stamp or not blocks or blocks[-1][0] != time:
                blocks.append((time, []))
            blocks[-1][1].append(line)
    return [line for _, block in sorted(blocks, key=lambda one: one[0]) for line in block]


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
