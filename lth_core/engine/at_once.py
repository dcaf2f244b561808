"""Carries out commands whether or not an engine is at work: the engine does it, or this process in its place."""

import time
from collections.abc import Sequence
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
"""Seconds to wait for the next answer of an engine that is at work."""
_GLANCE = 0.02


def carry_out(workspace: Workspace, database: Database, wanted: Sequence[Command]) -> list[dict[str, Any] | None]:
    """The answers to commands, see `commands.answer`; None for each that the next engine is to carry out.

    That is so if an engine is at work and busy, or if it has gone while batches ran, which may run still.
    """
    numbers = commands.ask_all(database, wanted)
    until, open_before = time.monotonic() + PATIENCE, len(numbers)
    while open_now := [commands.answer(database, number) for number in numbers].count(None):
        if open_now < open_before:
            until, open_before = time.monotonic() + PATIENCE, open_now
        if time.monotonic() > until:
            break
        try:
            lease = Lease(workspace.lease)
        except LeaseHeld:
            time.sleep(_GLANCE)
            continue
        try:
            if not _is_for_anybody(database):
                break
            Commands(database, sorted({slot.device for slot in find_slots("auto", None)}), _never, _never).obey()
        finally:
            lease.release()
    return [commands.answer(database, number) for number in numbers]


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
