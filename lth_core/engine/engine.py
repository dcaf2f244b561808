"""The engine: a thread that owns a workspace, keeps its slots busy, and brings the store in step with the workers.

It mostly sleeps, imports no torch, and never calls the interface: both sides see only the store.
"""

import os
import socket
import sqlite3
import threading
import time
import traceback

from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.intake import Intake
from lth_core.engine.launchers.base import Notice
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.launchers.slurm import SLOT
from lth_core.engine.lease import Lease, LeaseHeld
from lth_core.engine.slots import find_slots
from lth_core.engine.wishes import Wishes
from lth_core.settings.launcher import launcher_from
from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace

__all__ = ["Engine", "LeaseHeld"]

TICK = 0.1
FAR_EVERY = 10
"""Turns of the engine between two reads of what batches on other machines have recorded."""


class Engine(threading.Thread):
    """Owns the workspace from construction until the thread ends.

    Raises LeaseHeld where another engine owns it, InputError for a device or slot count that is not there.
    """

    def __init__(self, workspace: Workspace, device: str = "auto", slots: int | None = None) -> None:
        super().__init__(name="lth-engine", daemon=True)
        self._slots = find_slots(device, slots)
        workspace.create()
        self._workspace = workspace
        self._lease = Lease(workspace.lease)
        self._stopping = threading.Event()
        self._turns = 0
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
            launcher = Launchers(self._workspace, self._slots)
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

    def _work(self, database: Database, launcher: Launchers) -> None:
        intake = Intake(self._workspace, database)
        self._sign_in(database, intake.recover(self._adopt(database, launcher)))
        dispatcher = Dispatcher(self._workspace, database, launcher)
        wishes = Wishes(database, launcher, sorted({slot.device for slot in self._slots}))
        while not self._stopping.is_set():
            wishes.obey()
            ended = launcher.poll()
            for row in database.rows("SELECT id, slot FROM batches WHERE state = 'running'"):
                if row["slot"] != SLOT or self._far_is_due():
                    intake.ingest(row["id"])
            self._turns += 1
            for one in ended:
                intake.end(one)
            for notice in launcher.notices():
                self._note(database, launcher, notice)
            dispatcher.start_batches()
            self._beat(database, launcher)
            self._stopping.wait(TICK)

    def _adopt(self, database: Database, launcher: Launchers) -> set[int]:
        """Batches of an earlier engine whose attempts run on without it."""
        rows = database.rows(
            "SELECT b.id, b.attempt, b.slot, json_extract(j.experiment, '$.launcher') AS launcher "
            "FROM batches b JOIN jobs j ON j.id = b.job WHERE b.state = 'running'"
        )
        return {r["id"] for r in rows if launcher.adopt(r["slot"], r["id"], r["attempt"], launcher_from(r["launcher"]))}

    def _far_is_due(self) -> bool:
        """Folders of batches on other machines are read once a second: each read may ask a file server."""
        return self._turns % FAR_EVERY == 0

    def _note(self, database: Database, launcher: Launchers, notice: Notice) -> None:
        """Write down what a launcher has to say; where it says so, the job waits until it is resumed."""
        with database.transaction() as connection:
            row = connection.execute(
                "SELECT j.id, j.state FROM batches b JOIN jobs j ON j.id = b.job WHERE b.id = ?", (notice.batch,)
            ).fetchone()
            queue.add_event(connection, "cluster", notice.text, row["id"])
            if not notice.pause or row["state"] not in ("queued", "running"):
                return
            queue.set_job(connection, row["id"], "paused", notice.text)
            batches = connection.execute("SELECT id FROM batches WHERE job = ? AND state = 'running'", (row["id"],))
            for batch in batches.fetchall():
                launcher.stop(batch["id"])

    def _leave(self, database: Database, launcher: Launchers) -> None:
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
            connection.execute("DELETE FROM slots")
            rows = [(slot.name, slot.device) for slot in self._slots]
            connection.executemany("INSERT INTO slots (name, device) VALUES (?, ?)", rows)
            if recovered:
                queue.add_event(connection, "recovered", f"{recovered} batches of an earlier engine taken over")
        self._beat_at = time.monotonic()

    def _beat(self, database: Database, launcher: Launchers) -> None:
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
            connection.execute("DELETE FROM slots WHERE name LIKE ?", (f"{SLOT}/%",))
            connection.executemany("INSERT INTO slots (name, device, batch) VALUES (?, ?, ?)", launcher.shown())
        self._beat_at += passed

    def _describe(self, connection: sqlite3.Connection, slot: str, pid: int | None) -> None:
        row = connection.execute("SELECT id FROM batches WHERE slot = ? AND state = 'running'", (slot,)).fetchone()
        connection.execute(
            "UPDATE slots SET pid = ?, batch = ? WHERE name = ?", (pid, row["id"] if row else None, slot)
        )
