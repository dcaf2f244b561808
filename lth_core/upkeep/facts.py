"""What is said of a trial, as facts that can be compared: by the database, and by the records of its batches."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lth_core.batches.batch import BatchFolder
from lth_core.store import metrics, schema
from lth_core.store.ingest import take_over
from lth_core.store.plain import open_plain
from lth_core.store.record_lines import DAMAGED, has_checksum, holds, record_of
from lth_core.store.workspace import Workspace

Facts = dict[tuple[Any, ...], Any]
"""By ("point", name, step), ("layer", position), ("audit", moment, name, batch, attempt), ("result", column) or
("trial", column); a value that is no number is None."""
RESULT = ("state", "batch", "step", "score", "tensors", "sha256", "density", "model_density")
PLACE = ("arm", "round", "seed")


def facts_of(connection: sqlite3.Connection, trial: int) -> Facts:
    """All that a database says of a trial; the state counts only where it is `done`."""
    row = connection.execute("SELECT * FROM trials WHERE id = ?", (trial,)).fetchone()
    found: Facts = {("trial", name): row[name] for name in PLACE}
    found |= {("result", name): row[name] for name in RESULT}
    if row["state"] != "done":
        found["result", "state"] = None
    for layer in connection.execute("SELECT * FROM layers WHERE trial = ?", (trial,)):
        found["layer", layer["position"]] = tuple(layer)[2:]
    for row in connection.execute(
        "SELECT moment, name, batch, attempt, passed, detail FROM audits WHERE trial = ?", (trial,)
    ):
        found["audit", *tuple(row)[:4]] = tuple(row)[4:]
    for (name, step), value in metrics.recorded(connection, trial).items():
        found["point", name, step] = value
    return found


@dataclass
class Recorded:
    """The records of a job's batches, read again into a database in memory.

    batches: those that have records; damaged: files with damaged lines, by batch; unchecked: batches of which a line
    has no checksum.
    """

    connection: sqlite3.Connection
    batches: set[int] = field(default_factory=set)
    damaged: dict[int, list[Path]] = field(default_factory=dict)
    unchecked: set[int] = field(default_factory=set)


@contextlib.contextmanager
def recorded(workspace: Workspace, database: sqlite3.Connection, job: int) -> Iterator[Recorded]:
    """What the records of a job say, by the same code that takes them over into the database."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        for script in schema.MIGRATIONS:
            connection.executescript(script)
        for table in ("jobs", "trials", "batches"):
            own = "id = ?" if table == "jobs" else "job = ?"
            rows = [tuple(row) for row in database.execute(f"SELECT * FROM {table} WHERE {own}", (job,))]
            if rows:  # a job that waits has no batches
                connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        connection.execute(
            "UPDATE trials SET state = 'waiting', batch = NULL, step = 0, digest = NULL, score = NULL, tensors = NULL, "
            "sha256 = NULL, density = NULL, model_density = NULL"
        )
        found = Recorded(connection)
        connection.execute("BEGIN")
        for row in database.execute("SELECT id FROM batches WHERE job = ? ORDER BY id", (job,)).fetchall():
            _read_batch(found, workspace, job, row["id"])
        connection.execute("COMMIT")
        yield found


def _read_batch(found: Recorded, workspace: Workspace, job: int, batch: int) -> None:
    begun: set[int] = set()
    for _, folder in sorted(BatchFolder(workspace.batch(batch)).attempts().items()):
        path = folder / "records.jsonl"
        lines = lines_of(path)
        sound = sound_lines(lines)
        found.batches |= {batch} if lines else set()
        if len(sound) < len(lines) or holds(b"\n".join((*lines, b"")), 0) is False:
            found.damaged.setdefault(batch, []).append(path)
        if not all(map(has_checksum, sound)):
            found.unchecked.add(batch)
        for record in map(record_of, sound):
            trial = record.get("trial")
            if isinstance(trial, int) and trial not in begun:
                begun.add(trial)
                _begin(found.connection, trial, batch)
            take_over(found.connection, job, record)


def _begin(connection: sqlite3.Connection, trial: int, batch: int) -> None:
    """A batch trains its trials from scratch: what one before it had counts no more."""
    connection.execute(
        "UPDATE trials SET state = 'running', batch = ?, score = NULL, tensors = NULL, sha256 = NULL, step = 0 "
        "WHERE id = ?", (batch, trial)
    )  # fmt: skip
    for table in ("layers", "metrics"):
        connection.execute(f"DELETE FROM {table} WHERE trial = ?", (trial,))


def sound_lines(lines: list[bytes]) -> list[bytes]:
    """The lines of a file of records that are what was written: one without a checksum among others that have one is
    not."""
    checked = any(map(has_checksum, lines))
    return [line for line in lines if record_of(line) is not DAMAGED and has_checksum(line) == checked]


def lines_of(path: Path) -> list[bytes]:
    """Whole lines of a file; none where there is no regular one."""
    try:
        with open_plain(path, follow=False) as file:
            content = file.read()
    except FileNotFoundError:
        return []
    return [line for line in content[: content.rfind(b"\n") + 1].split(b"\n") if line]
