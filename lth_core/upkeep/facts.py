"""Facts about a trial in a form that can be compared: from the database, and from the records of its batches."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lth_core.batches.batch import BatchFolder
from lth_core.store import metrics, replay
from lth_core.store.batches import batches_of
from lth_core.store.ingest import take_over
from lth_core.store.plain import open_plain
from lth_core.store.record_lines import DAMAGED, chained, has_chain, has_checksum, record_of
from lth_core.store.workspace import Workspace

Facts = dict[tuple[Any, ...], Any]
"""By ("point", name, step), ("layer", position), ("audit", moment, name, batch, attempt), ("result", column) or
("trial", column); a value that is not a number is None."""
RESULT = ("state", "batch", "step", "score", "tensors", "sha256", "density", "model_density")
PLACE = ("arm", "round", "seed")


def facts_of(connection: sqlite3.Connection, trial: int) -> Facts:
    """All facts of a trial in a database; the state is a fact only if it is `done`."""
    row = replay.trial_row(connection, trial)
    found: Facts = {("trial", name): row[name] for name in PLACE}
    found |= {("result", name): row[name] for name in RESULT}
    if row["state"] != "done":
        found["result", "state"] = None
    for layer in replay.layer_rows(connection, trial):
        found["layer", layer["position"]] = tuple(layer)[2:]
    for row in replay.audit_rows(connection, trial):
        found["audit", *tuple(row)[:4]] = tuple(row)[4:]
    for (name, step), value in metrics.recorded(connection, trial).items():
        found["point", name, step] = value
    return found


@dataclass
class Recorded:
    """The records of a job's batches, read again into a database in memory.

    batches: those with records; damaged: files with damaged lines, by batch; unchecked: batches in which a line has no
    checksum.
    """

    connection: sqlite3.Connection
    batches: set[int] = field(default_factory=set)
    damaged: dict[int, list[Path]] = field(default_factory=dict)
    unchecked: set[int] = field(default_factory=set)


@contextlib.contextmanager
def recorded(workspace: Workspace, database: sqlite3.Connection, job: int) -> Iterator[Recorded]:
    """Facts of a job's records, read by the same code that stores them in the database."""
    with replay.in_memory(database, job) as connection:
        found = Recorded(connection)
        for batch in batches_of(database, job):
            _read_batch(found, workspace, job, batch)
        yield found


def _read_batch(found: Recorded, workspace: Workspace, job: int, batch: int) -> None:
    begun: set[int] = set()
    for _, folder in sorted(BatchFolder(workspace.batch(batch)).attempts().items()):
        path = folder / "records.jsonl"
        lines = lines_of(path)
        sound = sound_lines(lines)
        found.batches |= {batch} if lines else set()
        content = b"\n".join((*lines, b""))
        if len(sound) < len(lines) or (has_chain(content) and chained(content, lines[-1], 0) is None):
            found.damaged.setdefault(batch, []).append(path)
        if not all(map(has_checksum, sound)):
            found.unchecked.add(batch)
        for record in map(record_of, sound):
            trial = record.get("trial")
            if isinstance(trial, int) and trial not in begun:
                begun.add(trial)
                replay.begin_again(found.connection, trial, batch)
            take_over(found.connection, job, record)


def sound_lines(lines: list[bytes]) -> list[bytes]:
    """The undamaged lines of a file of records. A line without a checksum among others that have one is damaged."""
    checked = any(map(has_checksum, lines))
    return [line for line in lines if record_of(line) is not DAMAGED and has_checksum(line) == checked]


def lines_of(path: Path) -> list[bytes]:
    """Complete lines of a file; none if it is no regular file."""
    try:
        with open_plain(path, follow=False) as file:
            content = file.read()
    except FileNotFoundError:
        return []
    return [line for line in content[: content.rfind(b"\n") + 1].split(b"\n") if line]
