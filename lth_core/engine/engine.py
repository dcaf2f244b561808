"""The engine: a thread that owns a workspace, keeps its slots busy, and writes the workers' results to the database.

It mostly sleeps, imports no torch and never calls the interface: they share only the database.
"""

import contextlib
import os
import socket
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable

from lth_core.batches.batch import BatchFolder
from lth_core.engine.commands import Commands
from lth_core.engine.disk import Space, mind_shortages, take_up
from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.hook import Hook
from lth_core.engine.intake import Intake
from lth_core.engine.launchers.base import Ended, Notice
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.launchers.slurm import SLOT
from lth_core.engine.lease import Lease, LeaseHeld
from lth_core.engine.purge import purge
from lth_core.engine.scarcity import Scarcity
from lth_core.engine.slots import find_slots
from lth_core.errors import InputError
from lth_core.settings.launcher import launcher_from
from lth_core.store import engine_rows
from lth_core.store.batches import batch_row, running_batches, running_batches_of
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.jobs import (
    add_active,
    adopted_rows,
    job_of_batch,
    live_jobs,
    pause_for_space,
    set_job,
    settle_job,
    waiting_for_space,
)
from lth_core.store.nonsense import NONSENSE
from lth_core.store.reserve import has_little
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

__all__ = ["Engine", "LeaseHeld"]

TICK = 0.1
GLANCE = 0.02
"""Seconds between two checks for commands of an interface, which are then carried out at once."""
FAR_EVERY = 10
"""Turns of the engine between two reads of the records of batches on other machines."""


class Engine(threading.Thread):
    """Owns the workspace from construction until the thread ends.

    Raises LeaseHeld if another engine owns it, InputError for a device or slot count that this machine lacks.
    """

    def __init__(self, workspace: Workspace, device: str = "auto", slots: int | None = None) -> None:
        super().__init__(name="lth-engine", daemon=True)
        self._device, self._slots = device, find_slots(device, slots)
        workspace.create()
        self._workspace, self._identity = workspace, workspace.identity()
        self._lease = Lease(workspace.lease)
        self._stopping = threading.Event()
        self._space, self._scarcity = Space(workspace.folder), Scarcity()
        self._ended: list[Ended] = []
        self._notices: list[Notice] = []
        self._turns = 0
        self._seen = -1
        self._signed_in = False
        self._beat_at = time.monotonic()
        self.error: BaseException | None = None

    def stop(self, timeout: float = 10.0) -> None:
        """Stop workers at a checkpoint; blocks until the engine has ended, at most `timeout` seconds."""
        self._stopping.set()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """The thread."""
        try:
            if has_little(self._workspace.folder):
                self._space.fill("too little is free")  # opening the database needs room
            database = Database(self._workspace.database, writer=True)
            launcher = Launchers(self._workspace, self._slots)
            hook = Hook(self._workspace, database)
            if not self._space.full:
                self._space.keep_reserve()
            try:
                self._work(database, launcher, hook)
            finally:
                self._leave(database, launcher, hook)
        except BaseException as error:
            self.error = _as_sentence(error, self._workspace)
            log = self._workspace.folder / "engine.log"
            with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
                traceback.print_exc(file=file)
        finally:
            self._lease.release()

    def _work(self, database: Database, launcher: Launchers, hook: Hook) -> None:
        intake = Intake(self._workspace, database, self._space)
        take_up(database, self._space)
        dispatcher = Dispatcher(self._workspace, database, launcher, intake.patience)
        commands = Commands(
            database, sorted({slot.device for slot in self._slots}), launcher.stop, self._resizer(launcher)
        )
        purge(self._workspace, database)
        try:
            while not self._stopping.is_set():
                self._unless_full(lambda: self._turn(database, launcher, intake, dispatcher, commands))
                if self._scarcity.unsaid:
                    self._unless_full(lambda: self._mind_scarcity(database, launcher, intake))
                if self._space.full:
                    self._unless_full(lambda: self._mind_the_disk(database, launcher, intake))
                self._unless_full(lambda: hook.tell(database))
                self._pause(database)
        finally:
            dispatcher.close()

    def _pause(self, database: Database) -> None:
        """Wait until the next turn is due, or an interface has written to the database."""
        until = time.monotonic() + TICK
        glance = TICK if database.on_network else GLANCE
        while time.monotonic() < until and not self._stopping.wait(glance):
            seen, self._seen = self._seen, database.version_of_others()
            if self._seen != seen:
                return

    def _turn(
        self, database: Database, launcher: Launchers, intake: Intake, dispatcher: Dispatcher, commands: Commands
    ) -> None:
        """One turn, ten times a second. A full disk may interrupt it anywhere; then it is repeated."""
        self._require_its_place()
        if not self._signed_in:
            self._sign_in(database, intake.recover(self._adopt(database, launcher)))
        commands.obey()
        self._ended += launcher.poll()
        self._require_its_place()  # before attempts that ended because of it count as faults
        far = self._turns % FAR_EVERY == 0  # reading from a file server takes a while
        self._turns += 1
        wanted = {row["id"]: row["slot"] for row in running_batches(database.connection)}
        for batch in set(launcher.running()) - wanted.keys():
            launcher.stop(batch, "kill")  # its job has failed meanwhile
        for batch, slot in wanted.items():
            if far or slot != SLOT:
                intake.ingest(batch, some=True)
        while self._ended:
            intake.end(self._ended[0])
            self._ended.pop(0)
        mind_shortages(database, self._space, launcher.stop)
        self._notices += launcher.notices()
        while self._notices:
            self._note(database, launcher, self._notices[0])
            self._notices.pop(0)
        for batch, sentence in launcher.here.silent():
            self._warn(database, batch, sentence)
        if not self._space.full and not self._scarcity.waits:
            dispatcher.start_batches()
            self._scarcity.over()
        self._beat(database, launcher)

    def _adopt(self, database: Database, launcher: Launchers) -> set[int]:
        """Take over running attempts that an earlier engine started on a cluster."""
        found = set()
        for row in adopted_rows(database, SLOT):
            with contextlib.suppress(*NONSENSE):  # its job fails when the batch is started
                if launcher.adopt(row["id"], row["attempt"], launcher_from(row["launcher"])):
                    found.add(row["id"])
        return found

    def _note(self, database: Database, launcher: Launchers, notice: Notice) -> None:
        """Store a launcher's notice; if the notice says so, its job is paused until it is resumed."""
        with database.transaction() as connection:
            row = job_of_batch(connection, notice.batch)
            add_event(connection, "cluster", notice.text, row["id"])
            if not notice.pause or row["state"] not in ("queued", "running"):
                return
            set_job(connection, row["id"], "paused", notice.text)
            for batch in running_batches_of(connection, row["id"]):
                launcher.stop(batch)

    def _require_its_place(self) -> None:
        """Raise InputError if the workspace was moved: its files must not count as damaged, nor be created anew; or
        if its lock was removed: another engine may have made a new one."""
        where = one_line(self._workspace.folder)
        if self._workspace.moved_from(self._identity):
            raise InputError(f"workspace {where}: was moved or removed while it ran; run it again from where it is now")
        if not self._lease.held():
            name = self._workspace.lease.name
            raise InputError(f"workspace {where}: {name} was removed while it ran, so another engine may own it by now")

    def _unless_full(self, act: Callable[[], None]) -> None:
        """Call `act`; if the disk is full or the machine's resources have run out, remember that instead of raising."""
        try:
            act()
        except (OSError, sqlite3.OperationalError) as fault:
            if self._space.is_full(fault):
                self._space.fill(one_line(fault))
            elif not self._scarcity.met(fault):
                raise

    def _mind_scarcity(self, database: Database, launcher: Launchers, intake: Intake) -> None:
        """Store that nothing can be started; batches that were about to start will be started again."""
        intake.recover({*launcher.running(), *(ended.batch for ended in self._ended)})
        with database.transaction() as connection:
            for job in live_jobs(connection):
                add_event(connection, "warning", self._scarcity.unsaid, job)
        self._scarcity.told()

    def _mind_the_disk(self, database: Database, launcher: Launchers, intake: Intake) -> None:
        """Store that the disk is full, stop the workers, and continue when there is space."""
        if not self._space.told:
            intake.recover({*launcher.running(), *(ended.batch for ended in self._ended)})  # it was about to start
            with database.transaction() as connection:
                told = f"disk full: {self._space.why}; nothing is started until there is room"
                add_event(connection, "warning", told)
                pause_for_space(connection, self._space.why)
            self._space.told = True
            for batch in launcher.running():
                launcher.stop(batch)
        if not launcher.running() and self._space.due() and self._space.room():
            with database.transaction() as connection:
                for job in sorted(set(waiting_for_space(connection)) - self._space.short.keys()):
                    set_job(connection, job, "queued")
                    settle_job(connection, job)
                add_event(connection, "space", "there is room on the disk again")
            self._space.clear()

    def _warn(self, database: Database, batch: int, sentence: str) -> None:
        with database.transaction() as connection:
            row = batch_row(connection, batch)
            assert row is not None  # noqa: S101 it runs
            add_event(connection, "warning", sentence, row["job"])
        BatchFolder(self._workspace.batch(batch)).note(row["attempt"], sentence)

    def _leave(self, database: Database, launcher: Launchers, hook: Hook) -> None:
        self._ended += launcher.close()
        if self._workspace.moved_from(self._identity) or not self._lease.held():
            database.close()  # the next engine reads in the batches' folders how they ended
            return
        # If a full disk prevents this, the next engine reads it in the batches' folders.
        self._unless_full(lambda: self._sign_out(database))
        self._unless_full(lambda: hook.close(database))
        database.close()

    def _sign_out(self, database: Database) -> None:
        intake = Intake(self._workspace, database, self._space)
        for ended in self._ended:
            intake.end(ended)
        with database.transaction() as connection:
            engine_rows.sign_out(connection)

    def _sign_in(self, database: Database, recovered: int) -> None:
        with database.transaction() as connection:
            engine_rows.sign_in(connection, os.getpid(), socket.gethostname())
            self._list_slots(connection)
            if recovered:
                add_event(connection, "recovered", f"{recovered} batches of an earlier engine taken over")
        self._signed_in = True

    def _list_slots(self, connection: sqlite3.Connection) -> None:
        engine_rows.list_slots(connection, [(slot.name, slot.device) for slot in self._slots])

    def _resizer(self, launcher: Launchers) -> Callable[[sqlite3.Connection, int], None]:
        def resize(connection: sqlite3.Connection, count: int) -> None:
            """Run this many workers from now on; raises InputError for a number out of range."""
            self._slots = find_slots(self._device, count)
            launcher.here.resize(self._slots)
            self._list_slots(connection)
            add_event(connection, "slots", f"{count} slots from now on")

        return resize

    def _beat(self, database: Database, launcher: Launchers) -> None:
        """Once a second: store that the engine runs, how long jobs have been active, and what runs on each slot."""
        passed = time.monotonic() - self._beat_at
        if passed < 1.0:
            return
        with database.transaction() as connection:
            engine_rows.beat(connection)
            add_active(connection, passed)
            for slot in self._slots:
                engine_rows.describe_slot(connection, slot.name, launcher.here.pid(slot.name))
            engine_rows.list_remote_slots(connection, SLOT, launcher.shown())
        self._beat_at += passed


def _as_sentence(error: BaseException, workspace: Workspace) -> BaseException:
    """A fault of the database as one sentence for the user; any other fault unchanged."""
    if isinstance(error, sqlite3.DatabaseError):
        return InputError(f"{one_line(workspace.database)}: {one_line(error)}; `lth doctor` says what can be done")
    return error
