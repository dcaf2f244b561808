"""Commands: an interface writes a row; the engine reads it, carries it out, and writes the answer."""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lth_core.store.database import Database

CommandKind = Literal[
    "submit", "pause", "resume", "cancel", "retry", "move", "priority", "delete", "restore", "slots", "launch"
]

ACCEPTED: dict[str, tuple[str, ...]] = {
    "pause": ("queued", "running"),
    "resume": ("paused",),
    "cancel": ("queued", "running", "paused"),
    "retry": ("running", "failed", "cancelled"),
    "launch": ("queued", "running", "paused", "failed", "cancelled"),
    "move": ("queued", "running", "paused", "done", "failed", "cancelled"),
    "priority": ("queued", "running", "paused", "done", "failed", "cancelled"),
    "delete": ("queued", "paused", "done", "failed", "cancelled"),
    "restore": ("queued", "paused", "done", "failed", "cancelled"),
}
"""States of a job in which a command is accepted; interfaces offer it only in these."""


@dataclass(frozen=True)
class Command:
    """A command of an interface.

    submit {experiment, source, again, suite, replaces (the last two optional)}; pause, resume, retry, delete,
    restore {job}; cancel {job, after_round (optional)}; move, priority {job, by}; slots {count};
    launch {job, launcher}.
    `payload` is JSON text.
    """

    id: int
    kind: str
    payload: str


def ask(database: Database, kind: CommandKind, **payload: Any) -> int:
    """Store a command; returns its number, for `answer`."""
    with database.transaction() as connection:
        row = connection.execute(
            "INSERT INTO commands (at, kind, payload) VALUES (?, ?, ?)",
            (time.time(), kind, json.dumps(payload)),
        )
    return int(row.lastrowid or 0)


def answer(database: Database, command: int) -> dict[str, Any] | None:
    """The engine's answer to a command (`{"job": 3}` or `{"error": "..."}`); None if there is none yet."""
    row = database.row("SELECT answer FROM commands WHERE id = ?", command)
    if row is None or row["answer"] is None:
        return None
    found: dict[str, Any] = json.loads(row["answer"])
    return found


def reply(connection: sqlite3.Connection, command: int, said: Mapping[str, Any]) -> None:
    """Store the engine's answer to a command, inside the caller's transaction."""
    connection.execute("UPDATE commands SET answer = ? WHERE id = ?", (json.dumps(said), command))


def unanswered(database: Database) -> list[Command]:
    """Commands without an answer, oldest first."""
    rows = database.rows("SELECT id, kind, payload FROM commands WHERE answer IS NULL ORDER BY id")
    return [Command(row["id"], row["kind"], row["payload"]) for row in rows]
