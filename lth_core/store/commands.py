"""Commands: an interface writes a row; the engine reads it, carries it out, and writes the answer.

Every kind of command is a class here, with its fields and the states of a job in which it is accepted. The row holds
the kind and, as JSON, the fields.
"""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lth_core.errors import InputError
from lth_core.invalid import reason
from lth_core.settings.launcher import Launcher
from lth_core.store.database import Database
from lth_core.text import one_line

_ANY = ("queued", "running", "paused", "done", "failed", "cancelled")
_RESTING = ("queued", "paused", "done", "failed", "cancelled")


class Command(BaseModel):
    """Base of every command; fields that it does not know, of another version, are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: ClassVar[str]


class Submit(Command):
    """Queue an experiment, given as its canonical JSON.

    source: the file it was read from. again: even if the workspace has it already. suite: the suite that it belongs
    to. replaces: a job that has not started, whose place it takes.
    """

    kind = "submit"
    experiment: str
    source: str
    again: bool = False
    suite: str | None = None
    replaces: int | None = None


class Slots(Command):
    """Set the number of slots."""

    kind = "slots"
    count: int


class JobCommand(Command):
    """A command about a job. accepted: the states of the job in which it is carried out, and offered by interfaces."""

    accepted: ClassVar[tuple[str, ...]]
    job: int


class Pause(JobCommand):
    """Stop at a checkpoint until it is resumed."""

    kind, accepted = "pause", ("queued", "running")


class Resume(JobCommand):
    """Continue a paused job."""

    kind, accepted = "resume", ("paused",)


class Cancel(JobCommand):
    """End a job for good. after_round: when the rounds that have begun are done."""

    kind, accepted = "cancel", ("queued", "running", "paused")
    after_round: bool = False


class Retry(JobCommand):
    """Run failed and cancelled trials again."""

    kind, accepted = "retry", ("running", "failed", "cancelled")


class Move(JobCommand):
    """Move a job among the visible jobs of its priority. by: places, negative towards the front."""

    kind, accepted = "move", _ANY
    by: int


class Priority(JobCommand):
    """Raise a job's priority, or lower it."""

    kind, accepted = "priority", _ANY
    by: int


class Delete(JobCommand):
    """Hide a job; its files are removed a day later."""

    kind, accepted = "delete", _RESTING


class Restore(JobCommand):
    """Bring back a deleted job."""

    kind, accepted = "restore", _RESTING


class Launch(JobCommand):
    """Run the rest of a job on another launcher."""

    kind, accepted = "launch", ("queued", "running", "paused", "failed", "cancelled")
    launcher: Launcher


KINDS: dict[str, type[Command]] = {
    one.kind: one
    for one in (Submit, Slots, Pause, Resume, Cancel, Retry, Move, Priority, Delete, Restore, Launch)
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A row of the command table, as it was written."""

    id: int
    kind: str
    payload: str

    def command(self) -> Command:
        """The command; raises InputError if its kind is unknown or its fields do not fit."""
        found = KINDS.get(self.kind)
        if found is None:
            raise InputError(f"unknown command {one_line(self.kind, 80)}")
        try:
            return found.model_validate_json(self.payload)
        except ValidationError as error:
            raise InputError(f"{self.kind}: {reason(error)}") from None


def ask(database: Database, command: Command) -> int:
    """Store a command; returns its number, for `answer`."""
    return ask_all(database, [command])[0]


def ask_all(database: Database, wanted: Sequence[Command]) -> list[int]:
    """Store commands, all or none; returns their numbers."""
    query = "INSERT INTO commands (at, kind, payload) VALUES (?, ?, ?)"
    with database.transaction() as connection:
        rows = [connection.execute(query, (time.time(), one.kind, one.model_dump_json())) for one in wanted]
    return [int(row.lastrowid or 0) for row in rows]


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


def unanswered(database: Database) -> list[Asked]:
    """Commands without an answer, oldest first."""
    rows = database.rows("SELECT id, kind, payload FROM commands WHERE answer IS NULL ORDER BY id")
    return [Asked(row["id"], row["kind"], row["payload"]) for row in rows]
