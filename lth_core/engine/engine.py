"""The engine: a thread that owns a workspace, batches ready trials onto slots, and takes over what workers record.

It mostly sleeps, imports no torch, and never calls the interface: both sides see only the store.
"""

import json
import math
import os
import socket
import sqlite3
import threading
import time
import traceback
from typing import Any

from lth_core.engine.batch import (
    CHECKPOINTED,
    DONE,
    ENGINE_GONE,
    SUPERSEDED,
    BatchFolder,
    BatchSpec,
    ParentSpec,
    TrialSpec,
    read_json,
)  # fmt: skip
from lth_core.engine.launchers.local import Ended, LocalLauncher
from lth_core.engine.lease import Lease, LeaseHeld
from lth_core.engine.provenance import provenance
from lth_core.engine.slots import find_slots
from lth_core.errors import InputError
from lth_core.experiment import Experiment
from lth_core.plan import TrialKey
from lth_core.store import commands, queue
from lth_core.store.commands import Command
from lth_core.store.database import Database
from lth_core.store.records import read_from
from lth_core.store.workspace import Workspace

__all__ = ["Engine", "LeaseHeld"]

TICK = 0.1
LARGEST_STACK = 64
MOST_DEATHS = 3
"""A batch whose worker died this often is failed."""

_ACCEPTED = {
    "pause": ("queued", "running"),
    "resume": ("paused",),
    "cancel": ("queued", "running", "paused"),
    "retry": ("running", "failed", "cancelled"),
    "move": ("queued", "running", "paused", "done", "failed", "cancelled"),
}
"""States of a job in which a command makes sense."""


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
        self.error: BaseException | None = None

    def stop(self, timeout: float = 15.0) -> None:
        """Workers checkpoint and leave; blocks until the engine has ended, at most `timeout` seconds."""
        self._stopping.set()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """The thread."""
        try:
            self._database = Database(self._workspace.database, writer=True)
            self._launcher = LocalLauncher(self._workspace, self._slots)
            self._beat_at = 0.0
            self._recover()
            while not self._stopping.is_set():
                self._tick()
                self._stopping.wait(TICK)
        except BaseException as error:
            self.error = error
            traceback_file = self._workspace.folder / "engine.log"
            with traceback_file.open("a") as file:
                traceback.print_exc(file=file)
        finally:
            self._close()

    def _close(self) -> None:
        try:
            if hasattr(self, "_launcher"):
                for ended in self._launcher.close():
                    self._end(ended)
                with self._database.transaction() as connection:
                    connection.execute("UPDATE engine SET state = 'stopped', beat = ?", (time.time(),))
                    connection.execute("DELETE FROM slots")
                self._database.close()
        except sqlite3.Error as error:
            self.error = self.error or error
        finally:
            self._lease.release()

    def _recover(self) -> None:
        """Take over what an engine that died has left: read what its workers wrote, then run again what they had."""
        card = (os.getpid(), socket.gethostname(), time.time(), time.time())
        running = self._database.rows("SELECT id, attempt FROM batches WHERE state = 'running'")
        for row in running:
            self._ingest(row["id"])
            exit = read_json(BatchFolder(self._workspace.batch(row["id"])).attempt(row["attempt"]) / "exit.json")
            self._end(Ended(row["id"], int(exit["code"]) if exit else ENGINE_GONE, str((exit or {}).get("error", ""))))
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO engine VALUES (1, ?, ?, ?, ?, 'running')", card)
            connection.execute("DELETE FROM slots")
            connection.executemany(
                "INSERT INTO slots (name, device) VALUES (?, ?)", [(s.name, s.device) for s in self._slots]
            )
            if running:
                queue.add_event(connection, "recovered", f"{len(running)} batches of an earlier engine taken over")

    def _tick(self) -> None:
        for command in commands.unanswered(self._database):
            self._obey(command)
        ended = self._launcher.poll()
        for row in self._database.rows("SELECT id FROM batches WHERE state = 'running'"):
            self._ingest(row["id"])
        for one in ended:
            self._end(one)
        self._start_batches()
        self._beat()

    # Commands

    def _obey(self, command: Command) -> None:
        try:
            with self._database.transaction() as connection:
                reply = self._act(connection, command)
                connection.execute("UPDATE commands SET answer = ? WHERE id = ?", (json.dumps(reply), command.id))
        except (KeyError, ValueError, TypeError, InputError) as error:
            with self._database.transaction() as connection:
                reply = {"error": f"{command.kind}: {type(error).__name__}: {error}"}
                connection.execute("UPDATE commands SET answer = ? WHERE id = ?", (json.dumps(reply), command.id))

    def _act(self, connection: sqlite3.Connection, command: Command) -> dict[str, Any]:
        payload = command.payload
        if command.kind == "submit":
            return self._submit(connection, payload)
        job = int(payload["job"])
        row = connection.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None:
            return {"error": f"there is no job {job}"}
        accepted = _ACCEPTED.get(command.kind)
        if accepted is None:
            return {"error": f"unknown command {command.kind}"}
        if row["state"] not in accepted:
            return {
                "error": f"job {job} is {row['state']}: {command.kind} is for jobs that are {' or '.join(accepted)}"
            }
        getattr(self, f"_{command.kind}")(connection, job, payload)
        return {"job": job}

    def _submit(self, connection: sqlite3.Connection, payload: dict[str, Any]) -> dict[str, Any]:
        experiment = Experiment.from_json(payload["experiment"])
        suite = payload.get("suite")
        known = None if payload.get("again") else queue.known_job(connection, experiment.identity, suite)
        if known is not None:
            if suite is not None:
                queue.adopt_job(connection, known, suite)
            return {"job": known, "known": True}
        facts = provenance(payload["source"], sorted({slot.device for slot in self._slots}))
        return {"job": queue.add_job(connection, experiment, payload["source"], facts, suite)}

    def _pause(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        queue.set_job(connection, job, "paused")
        self._stop_batches(connection, job)

    def _resume(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        queue.set_job(connection, job, "queued")

    def _cancel(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        self._stop_batches(connection, job)
        queue.cancel_trials(connection, job)
        queue.set_job(connection, job, "cancelled")

    def _retry(self, connection: sqlite3.Connection, job: int, _payload: dict[str, Any]) -> None:
        count = queue.requeue_unfinished(connection, job)
        queue.set_job(connection, job, "queued")
        queue.add_event(connection, "retry", f"{count} trials wait again", job)

    def _move(self, connection: sqlite3.Connection, job: int, payload: dict[str, Any]) -> None:
        order = [r[0] for r in connection.execute("SELECT id FROM jobs ORDER BY position, id").fetchall()]
        here = order.index(job)
        order.insert(min(max(here + int(payload["by"]), 0), len(order) - 1), order.pop(here))
        connection.executemany("UPDATE jobs SET position = ? WHERE id = ?", list(enumerate(order)))

    def _stop_batches(self, connection: sqlite3.Connection, job: int) -> None:
        for row in connection.execute("SELECT id FROM batches WHERE job = ? AND state = 'running'", (job,)).fetchall():
            self._launcher.stop(row["id"])

    # Batches

    def _start_batches(self) -> None:
        free = self._launcher.free()
        jobs = self._database.rows(
            "SELECT id, state FROM jobs WHERE state IN ('queued', 'running') ORDER BY position, id"
        )
        while free:
            batch = self._next_batch([row["id"] for row in jobs], len(free))
            if batch is None:
                return
            self._begin(batch, free.pop(0))

    def _next_batch(self, jobs: list[int], free: int) -> int | None:
        """A batch to run now: one that waits to go on, or ready trials of the first job that has any."""
        for job in jobs:
            pending = self._database.row("SELECT id FROM batches WHERE job = ? AND state = 'pending' ORDER BY id", job)
            if pending is not None:
                return int(pending["id"])
            ready = queue.ready_trials(self._database.connection, job)
            if ready:
                # Spread over the free slots: several small stacks side by side end sooner than a large one.
                count = min(LARGEST_STACK, math.ceil(len(ready) / free))
                with self._database.transaction() as connection:
                    return queue.add_batch(connection, job, [row["id"] for row in ready[:count]])
        return None

    def _begin(self, batch: int, slot: str) -> None:
        folder = BatchFolder(self._workspace.batch(batch))
        if not (folder.folder / "spec.json").exists():
            folder.create(self._spec(batch))
        with self._database.transaction() as connection:
            attempt = queue.begin_batch(connection, batch, slot)
            job = connection.execute(
                "SELECT j.id, j.state FROM batches b JOIN jobs j ON j.id = b.job WHERE b.id = ?", (batch,)
            ).fetchone()
            if job["state"] == "queued":
                queue.set_job(connection, job["id"], "running")
        folder.begin(attempt)
        self._launcher.submit(slot, batch, attempt)

    def _spec(self, batch: int) -> BatchSpec:
        row = self._database.row(
            "SELECT j.id, j.experiment, j.name FROM batches b JOIN jobs j ON j.id = b.job WHERE b.id = ?",
            batch,
        )
        assert row is not None  # noqa: S101 foreign key
        trials = self._database.rows("SELECT id, arm, round, seed FROM trials WHERE batch = ? ORDER BY seed, id", batch)
        parents = self._database.rows(
            "SELECT DISTINCT p.arm, p.round, p.seed, p.tensors, p.sha256 FROM trials t JOIN waits w ON w.trial = t.id "
            "JOIN trials p ON p.id = w.waits_for WHERE t.batch = ? ORDER BY p.id",
            batch,
        )
        return BatchSpec(
            batch=batch,
            job=row["id"],
            experiment=Experiment.from_json(row["experiment"]),
            trials=tuple(TrialSpec(t["id"], TrialKey(t["round"], t["arm"], t["seed"])) for t in trials),
            parents=tuple(
                ParentSpec(TrialKey(p["round"], p["arm"], p["seed"]), p["tensors"], p["sha256"]) for p in parents
            ),
            tensorboard=str(self._workspace.tensorboard(row["id"], row["name"]).relative_to(self._workspace.folder)),
        )

    def _ingest(self, batch: int) -> None:
        """Take over new records of a batch's current attempt, exactly once: the offset is stored with them."""
        row = self._database.row("SELECT job, attempt, records_read, fraction, rate FROM batches WHERE id = ?", batch)
        assert row is not None  # noqa: S101 the caller has just read its number
        folder = BatchFolder(self._workspace.batch(batch)).attempt(row["attempt"])
        offset = row["records_read"]
        while True:
            records, end = read_from(folder / "records.jsonl", offset)
            if end == offset:
                break
            with self._database.transaction() as connection:
                for record in records:
                    self._take_over(connection, row["job"], record)
                connection.execute("UPDATE batches SET records_read = ? WHERE id = ?", (end, batch))
            offset = end
        beat = read_json(folder / "beat.json") or {}
        if beat and (beat["fraction"], beat["rate"]) != (row["fraction"], row["rate"]):
            with self._database.transaction() as connection:
                connection.execute(
                    "UPDATE batches SET fraction = ?, rate = ? WHERE id = ?",
                    (beat["fraction"], beat["rate"], batch),
                )

    def _take_over(self, connection: sqlite3.Connection, job: int, record: dict[str, Any]) -> None:
        """One record; one that makes no sense is noted and left, so that it cannot stop the queue."""
        try:
            queue.ingest(connection, job, record)
        except (KeyError, TypeError, ValueError, sqlite3.IntegrityError) as error:
            queue.add_event(connection, "bad record", f"a record was left out: {type(error).__name__} {error}", job)

    def _end(self, ended: Ended) -> None:
        """Act on the end of an attempt, after its last records are taken over."""
        self._ingest(ended.batch)
        with self._database.transaction() as connection:
            row = connection.execute("SELECT job, state, failures FROM batches WHERE id = ?", (ended.batch,)).fetchone()
            if row["state"] == "cancelled":
                return
            if ended.code == DONE:
                queue.end_batch(connection, ended.batch, None)
            elif ended.code in (CHECKPOINTED, ENGINE_GONE, SUPERSEDED):
                queue.return_batch(connection, ended.batch)
            elif ended.code is None and row["failures"] + 1 < MOST_DEATHS:
                connection.execute("UPDATE batches SET failures = failures + 1 WHERE id = ?", (ended.batch,))
                queue.return_batch(connection, ended.batch)
                queue.add_event(connection, "retry", f"{ended.error}; trying again from its checkpoint", row["job"])
            else:
                queue.end_batch(connection, ended.batch, ended.error or "failed without saying why")
            state = connection.execute("SELECT state FROM jobs WHERE id = ?", (row["job"],)).fetchone()["state"]
            if state in ("queued", "running"):
                queue.settle_job(connection, row["job"])

    def _beat(self) -> None:
        now = time.monotonic()
        passed = now - self._beat_at
        if passed < 1.0:
            return
        with self._database.transaction() as connection:
            connection.execute("UPDATE engine SET beat = ?", (time.time(),))
            if self._beat_at:
                connection.execute(
                    "UPDATE jobs SET active = active + ? WHERE id IN (SELECT job FROM batches WHERE state = 'running')",
                    (passed,),
                )
            for slot in self._slots:
                running = connection.execute(
                    "SELECT id FROM batches WHERE slot = ? AND state = 'running'", (slot.name,)
                ).fetchone()
                connection.execute(
                    "UPDATE slots SET pid = ?, batch = ? WHERE name = ?",
                    (self._launcher.pid(slot.name), running["id"] if running else None, slot.name),
                )
        self._beat_at = now
