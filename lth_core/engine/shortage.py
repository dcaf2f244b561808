"""Jobs that ask for more disk than is free: each is paused alone, and goes on alone when there is room for it."""

from collections.abc import Callable

from lth_core.engine.space import ROOM, Shortage, Space
from lth_core.store import queue
from lth_core.store.database import Database


def take_up(database: Database, space: Space) -> None:
    """What an earlier engine left waiting: for a full disk, or each for a room that only its next start can tell."""
    waiting = queue.waiting_for_space(database.connection)
    if waiting and not space.room():
        space.fill("an earlier engine found it so")
    else:
        space.short |= {job: Shortage("", ROOM, told=True) for job in waiting}


def mind_shortages(database: Database, space: Space, stop: Callable[[int], None]) -> None:
    """Write down which jobs wait for room of their own, have their batches leave, and let go on what fits by now."""
    for job, shortage in space.short.items():
        if not shortage.told:
            _pause(database, job, shortage, stop)
    waiting = queue.waiting_for_space(database.connection) if space.short else []
    for job, shortage in list(space.short.items()):
        if job not in waiting:  # resumed, cancelled or paused by a user
            del space.short[job]
        elif space.room(shortage.needed):
            _go_on(database, job)
            del space.short[job]


def _pause(database: Database, job: int, shortage: Shortage, stop: Callable[[int], None]) -> None:
    with database.transaction() as connection:
        queue.wait_for_space(connection, job, shortage.why)
        batches = connection.execute("SELECT id FROM batches WHERE job = ? AND state = 'running'", (job,)).fetchall()
    shortage.told = True
    for batch in batches:
        stop(batch["id"])


def _go_on(database: Database, job: int) -> None:
    with database.transaction() as connection:
        queue.add_event(connection, "space", "there is room on the disk again", job)
        queue.set_job(connection, job, "queued")
        queue.settle_job(connection, job)
