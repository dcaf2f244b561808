"""The logs that workers write beside their batches: which say something of a job, and their last lines."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from lth_core.store import glances
from lth_core.store.database import Database
from lth_core.store.plain import open_plain
from lth_core.store.workspace import Workspace

_TAIL = 65_536
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}")


def newest_logs(database: Database, workspace: Workspace, job: int) -> list[Path]:
    """The logs of a job's running batches; if none runs, that of its newest batch that has one."""
    found: list[Path] = []
    for row in glances.newest_attempts(database, job):
        if row["state"] == "running" or not found:
            found += _log(workspace, row["id"], row["attempt"])
    return found


def failed_logs(database: Database, workspace: Workspace, job: int) -> list[Path]:
    """The logs of the newest attempts at batches with a failed trial, the oldest batch first."""
    rows = glances.failed_attempts(database, job)
    return [path for row in rows for path in _log(workspace, row["id"], row["attempt"])]


def _log(workspace: Workspace, batch: int, newest: int) -> list[Path]:
    """The log of a batch's newest attempt, or of the one before while that has none yet; none where neither has one."""
    logs = (workspace.batch(batch) / f"attempt-{attempt}" / "log.txt" for attempt in (newest, newest - 1))
    return [path for path in logs if path.is_file()][:1]


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
