"""Taking over what workers publish: their records, exactly once, and the end of their attempts."""

import sqlite3
from typing import Any

from lth_core.engine.batch import CHECKPOINTED, DONE, ENGINE_GONE, SUPERSEDED, BatchFolder, read_json
from lth_core.engine.launchers.local import Ended
from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.records import read_from
from lth_core.store.workspace import Workspace

MOST_DEATHS = 3
"""A batch whose worker died this often is failed."""


class Intake:
    """Brings the store in step with the batches' folders."""

    def __init__(self, workspace: Workspace, database: Database) -> None:
        self._workspace, self._database = workspace, database

    def ingest(self, batch: int) -> None:
        """Take over new records of a batch's current attempt, exactly once: the offset is stored with them."""
        row = self._database.row("SELECT job, attempt, records_read, fraction, rate FROM batches WHERE id = ?", batch)
        if row is None:
            return
        folder = self._folder(batch).attempt(row["attempt"])
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
        fraction, rate = beat.get("fraction"), beat.get("rate")
        if fraction is not None and (fraction, rate) != (row["fraction"], row["rate"]):
            with self._database.transaction() as connection:
                connection.execute("UPDATE batches SET fraction = ?, rate = ? WHERE id = ?", (fraction, rate, batch))

    def _take_over(self, connection: sqlite3.Connection, job: int, record: dict[str, Any]) -> None:
        """One record; one that makes no sense is noted and left, so that it cannot stop the queue."""
        try:
            queue.ingest(connection, job, record)
        except (KeyError, TypeError, ValueError, sqlite3.IntegrityError) as error:
            queue.add_event(connection, "bad record", f"a record was left out: {type(error).__name__} {error}", job)

    def end(self, ended: Ended) -> None:
        """Act on the end of an attempt, after its last records are taken over."""
        state = self._database.row("SELECT state FROM batches WHERE id = ?", ended.batch)
        if state is None or state["state"] != "running":
            return  # cancelled: its trials may already be trained anew by another batch
        self.ingest(ended.batch)
        with self._database.transaction() as connection:
            over = self._settle(connection, ended)
        if over:
            self._folder(ended.batch).delete_checkpoints()

    def _settle(self, connection: sqlite3.Connection, ended: Ended) -> bool:
        """Whether the batch is over."""
        row = connection.execute("SELECT job, failures FROM batches WHERE id = ?", (ended.batch,)).fetchone()
        unfinished = connection.execute(
            "SELECT COUNT(*) FROM trials WHERE batch = ? AND state = 'running'", (ended.batch,)
        ).fetchone()[0]
        over = True
        if ended.code == DONE or not unfinished:
            queue.end_batch(connection, ended.batch, None)
        elif ended.code in (CHECKPOINTED, ENGINE_GONE, SUPERSEDED):
            queue.return_batch(connection, ended.batch)
            over = False
        elif ended.code is None and row["failures"] + 1 < MOST_DEATHS:
            connection.execute("UPDATE batches SET failures = failures + 1 WHERE id = ?", (ended.batch,))
            queue.return_batch(connection, ended.batch)
            queue.add_event(connection, "retry", f"{ended.error}; trying again from its checkpoint", row["job"])
            over = False
        else:
            queue.end_batch(connection, ended.batch, ended.error or "failed without saying why")
        queue.settle_job(connection, row["job"])
        return over

    def recover(self, present: set[int]) -> int:
        """Take over the running batches that nobody runs any more, as somebody does `present`; returns how many."""
        rows = self._database.rows("SELECT id, attempt FROM batches WHERE state = 'running'")
        running = [row for row in rows if row["id"] not in present]
        for row in running:
            folder = self._folder(row["id"])
            # Before its records are read for the last time, an orphaned worker must not publish any more.
            folder.fence()
            exit = read_json(folder.attempt(row["attempt"]) / "exit.json") or {"code": ENGINE_GONE}
            self.end(Ended(row["id"], int(exit["code"]), str(exit.get("error", ""))))
        return len(running)

    def _folder(self, batch: int) -> BatchFolder:
        return BatchFolder(self._workspace.batch(batch))
