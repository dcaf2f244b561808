"""The engine: a thread that owns a workspace, keeps its slots busy, and brings the store in step with the workers.

It mostly sleeps, imports no torch, and never calls the interface: both sides see only the store.
"""

import os
import socket
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable

from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.intake import Intake
from lth_core.engine.launchers.local import LocalLauncher
from lth_core.engine.lease import Lease, LeaseHeld
from lth_core.engine.purge import purge
from lth_core.engine.slots import find_slots
from lth_core.engine.wishes import Wishes
from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace

__all__ = ["Engine", "LeaseHeld"]

TICK = 0.1


class Engine(threading.Thread):
    """Owns the workspace from construction until the thread ends.

    Raises LeaseHeld where another engine owns it, InputError for a device or slot count that is not there.
    """

    def __init__(self, workspace: Workspace, device: str = "auto", slots: int | None = None) -> None:
        super().__init__(name="lth-engine", daemon=True)
        self._device, self._slots = device, find_slots(device, slots)
        workspace.create()
        self._workspace = workspace
        self._lease = Lease(workspace.lease)
        self._stopping = threading.Event()
        self.error: BaseException | None = None

    def stop(self, timeout: float = 10.0) -> None:
        """Workers checkpoint and leave; blocks until the engine has ended, at most `timeout` seconds."""
        self._stopping.set()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """The thread."""
        try:
            database = Database(self._workspace.database, writer=True)
            launcher = LocalLauncher(self._workspace, self._slots)
            try:
                self._work(database, launcher)
            finally:
                self._leave(database, launcher)
        except BaseException as error:
            self.error = error
            with (self._workspace.folder / "engine.log").open("a") as file:
                traceback.print_exc(file=file)
        finally:
            self._lease.release()

    def _work(self, database: Database, launcher: LocalLauncher) -> None:
        intake = Intake(self._workspace, database)
        self._sign_in(database, intake.recover())
        dispatcher = Dispatcher(self._workspace, database, launcher)
        wishes = Wishes(database, sorted({slot.device for slot in self._slots}), launcher.stop, self._resizer(launcher))
        purge(self._workspace, database)
        while not self._stopping.is_set():
            wishes.obey()
            ended = launcher.poll()
            for row in database.rows("SELECT id FROM batches WHERE state = 'running'"):
                intake.ingest(row["id"])
            for one in ended:
                intake.end(one)
            dispatcher.start_batches()
            self._beat(database, launcher)
            self._stopping.wait(TICK)

    def _leave(self, database: Database, launcher: LocalLauncher) -> None:
        intake = Intake(self._workspace, database)
        for ended in launcher.close():
            intake.end(ended)
        with database.transaction() as connection:
            connection.execute("UPDATE engine SET state = 'stopped', beat = ?", (time.time(),))
            connection.execute("DELETE FROM slots")
        database.close()

    def _sign_in(self, database: Database, recovered: int) -> None:
        now = time.time()
        with database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO engine VALUES (1, ?, ?, ?, ?, 'running')",
                (os.getpid(), socket.gethostname(), now, now),
            )
            self._list_slots(connection)
            if recovered:
                queue.add_event(connection, "recovered", f"{recovered} batches of an earlier engine taken over")
        self._beat_at = time.monotonic()

    def _list_slots(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM slots")
        rows = [(slot.name, slot.device) for slot in self._slots]
        connection.executemany("INSERT INTO slots (name, device) VALUES (?, ?)", rows)

    def _resizer(self, launcher: LocalLauncher) -> Callable[[sqlite3.Connection, int], None]:
        def resize(connection: sqlite3.Connection, count: int) -> None:
            """Run this many workers from now on; raises InputError for a number that is not accepted."""
            self._slots = find_slots(self._device, count)
            launcher.resize(self._slots)
            self._list_slots(connection)
            queue.add_event(connection, "slots", f"{count} slots from now on")

        return resize

    def _beat(self, database: Database, launcher: LocalLauncher) -> None:
        """Once a second: that the engine lives, how long jobs have been active, and what runs on each slot."""
        passed = time.monotonic() - self._beat_at
        if passed < 1.0:
            return
        with database.transaction() as connection:
            connection.execute("UPDATE engine SET beat = ?", (time.time(),))
            connection.execute(
                "UPDATE jobs SET active = active + ? WHERE id IN (SELECT job FROM batches WHERE state = 'running')",
                (passed,),
            )
            for slot in self._slots:
                self._describe(connection, slot.name, launcher.pid(slot.name))
        self._beat_at += passed

    def _describe(self, connection: sqlite3.Connection, slot: str, pid: int | None) -> None:
        row = connection.execute("SELECT id FROM batches WHERE slot = ? AND state = 'running'", (slot,)).fetchone()
        connection.execute(
            "UPDATE slots SET pid = ?, batch = ? WHERE name = ?", (pid, row["id"] if row else None, slot)
        )
