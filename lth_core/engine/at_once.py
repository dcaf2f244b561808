"""Carries out a command whether or not an engine is at work: the engine does it, or this process in its place."""

import time
from typing import Any, NoReturn

from lth_core.engine.commands import Commands
from lth_core.engine.lease import Lease, LeaseHeld
from lth_core.engine.slots import find_slots
from lth_core.store import commands
from lth_core.store.batches import running_batches
from lth_core.store.commands import Command, Slots
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace

PATIENCE = 30.0
"""Seconds to wait for the answer of an engine that is at work."""
_GLANCE = 0.02


def carry_out(workspace: Workspace, database: Database, command: Command) -> dict[str, Any] | None:
    """The answer to a command, see `commands.answer`; None if the next engine is to carry it out.

    That is so if an engine is at work and busy, or if it has gone while batches ran, which may run still.
    """
    number = commands.ask(database, command)
    until = time.monotonic() + PATIENCE
    while (said := commands.answer(database, number)) is None and time.monotonic() < until:
        try:
            lease = Lease(workspace.lease)
        except LeaseHeld:
            time.sleep(_GLANCE)
            continue
        try:
            if not _is_for_anybody(database):
                return None
            Commands(database, sorted({slot.device for slot in find_slots("auto", None)}), _never, _never).obey()
        finally:
            lease.release()
    return said


def is_at_work(workspace: Workspace) -> bool:
    """Whether an engine, of any process, owns the workspace."""
    try:
        Lease(workspace.lease).release()
    except LeaseHeld:
        return True
    return False


def _is_for_anybody(database: Database) -> bool:
    """Whether the commands need no engine: no batch is to be stopped, no slot to be added."""
    stored = commands.unanswered(database)
    return not running_batches(database.connection) and all(asked.kind != Slots.kind for asked in stored)


def _never(*_: object) -> NoReturn:
    raise AssertionError("nothing runs")
