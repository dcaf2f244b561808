"""A job that asks for more disk than is free waits alone. No worker is started."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lth_core.batches.exit_codes import DISK_FULL
from lth_core.engine.disk import ROOM, Space, mind_shortages, take_up
from lth_core.engine.intake import Intake
from lth_core.engine.launchers.base import Ended
from lth_core.store import views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job, set_job
from lth_core.store.trials import ready_trials
from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny

WHY = "disk full: about 416,481 MB are needed and 61,000 MB are free"
NEEDED = 416_481_000_000


class Disk(Space):
    """As much is free as a test says."""

    bytes_free = NEEDED // 2

    def free(self) -> int:
        return self.bytes_free


class Desk:
    """A store in which jobs run, without an engine."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder)
        self.workspace.create()
        self.database = Database(self.workspace.database, writer=True)
        self.space = Disk(folder)
        self.stopped: list[int] = []

    def run(self, name: str, batches: int = 1) -> int:
        """A job with running batches; batches are numbered from 1 on."""
        with self.database.transaction() as connection:
            job = add_job(connection, tiny(name), "x.toml", {})
            set_job(connection, job, "running")
            ready = ready_trials(connection, job)
            for trial in ready[:batches]:
                begin_batch(connection, add_batch(connection, job, [trial["id"]]), "cpu/0")
        return job

    def refuse(self, batch: int, needed: int = NEEDED) -> None:
        """An attempt says that it needs so much, and the engine has its turn."""
        self.workspace.batch(batch).mkdir(exist_ok=True)
        Intake(self.workspace, self.database, self.space).end(Ended(batch, DISK_FULL, WHY, needed))
        self.turn()

    def turn(self) -> None:
        mind_shortages(self.database, self.space, self.stopped.append)

    def states(self) -> list[str]:
        return [job.state for job in views.jobs(self.database)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.database.close()


@pytest.mark.parametrize("needed", [NEEDED, 10**18, 10**400])
def test_only_the_job_that_asks_for_too_much_waits(desk: Desk, needed: int) -> None:
    desk.run("small")
    desk.run("big", batches=2)
    desk.refuse(2, needed)
    assert desk.states() == ["running", "paused"] and not desk.space.full
    assert views.jobs(desk.database)[1].error == f"{WHY}; it continues by itself when there is space"
    assert desk.stopped == [3], "its other batch leaves"


def test_a_disk_that_is_full_still_stops_everything(desk: Desk) -> None:
    desk.run("small")
    desk.refuse(1, needed=0)
    assert desk.space.full and not desk.space.short


def test_it_goes_on_when_there_is_room_for_it_and_not_before(desk: Desk) -> None:
    desk.run("big")
    desk.refuse(1)
    desk.space.bytes_free = NEEDED
    desk.turn()
    assert desk.states() == ["paused"], "the reserve must fit too"
    desk.space.bytes_free = NEEDED + ROOM
    desk.turn()
    assert desk.states() == ["queued"] and not desk.space.short
    assert views.events(desk.database, job=1)[-2].text == "there is room on the disk again"


@pytest.mark.parametrize("state", ["queued", "cancelled"])
def test_what_a_user_did_with_it_meanwhile_stays(desk: Desk, state: str) -> None:
    desk.run("big")
    desk.refuse(1)
    with desk.database.transaction() as connection:
        set_job(connection, 1, state)
    desk.space.bytes_free = 10 * NEEDED
    desk.turn()
    assert desk.states() == [state] and not desk.space.short, "what it asked for is forgotten"


def test_a_job_that_was_paused_before_its_batch_said_so_stays_the_users(desk: Desk) -> None:
    desk.run("big")
    with desk.database.transaction() as connection:
        set_job(connection, 1, "paused")
    desk.refuse(1)
    assert views.jobs(desk.database)[0].error is None and not desk.space.short


def test_the_next_engine_tries_it_again_and_stops_nothing_else(desk: Desk) -> None:
    desk.run("big")
    desk.refuse(1)
    space = Disk(desk.workspace.folder)
    take_up(desk.database, space)
    assert not space.full
    mind_shortages(desk.database, space, desk.stopped.append)
    assert desk.states() == ["queued"], "only its start can tell what it needs"


def test_the_next_engine_on_a_full_disk_waits_with_everything(desk: Desk) -> None:
    desk.run("big")
    desk.refuse(1)
    desk.space.short.clear()
    desk.space.bytes_free = ROOM
    take_up(desk.database, desk.space)
    assert desk.space.full and not desk.space.short
