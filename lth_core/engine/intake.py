"""Copies what workers publish into the database: records, exactly once, and the ends of attempts."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from lth_core.batches.batch import BatchFolder, Exit, read_exit, read_json
from lth_core.batches.exit_codes import ENGINE_GONE
from lth_core.engine.disk import Space
from lth_core.engine.failures import ODD, Decision, decide, fail_job_of
from lth_core.engine.launchers.base import Ended
from lth_core.store.batches import (
    batch_row,
    count_failure,
    end_batch,
    return_batch,
    running_batches,
    set_progress,
    set_records_read,
    split_batch,
)
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.ingest import take_over_all
from lth_core.store.jobs import settle_job
from lth_core.store.nonsense import NONSENSE
from lth_core.store.records import RecordReader, read_all
from lth_core.store.trials import unfinished_trials
from lth_core.store.workspace import Workspace

SOME = 130_000
"""Bytes of a batch's records read in one turn, so that commands and other batches do not wait long."""


class Patience:
    """Batches that wait before their next attempt. Kept in memory only: a new engine tries at once."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}

    def wait(self, batch: int, seconds: float) -> None:
        """Let a batch wait this many seconds from now."""
        self._until[batch] = time.monotonic() + seconds

    def waits(self, batch: int) -> bool:
        """Whether a batch must still wait."""
        return time.monotonic() < self._until.get(batch, 0.0)


class Intake:
    """Updates the database from the batches' folders."""

    def __init__(self, workspace: Workspace, database: Database, space: Space) -> None:
        self._workspace, self._database, self._space = workspace, database, space
        self._patience = Patience()
        self._readers: dict[tuple[int, int], RecordReader] = {}

    @property
    def patience(self) -> Patience:
        """Which batches must not be tried yet."""
        return self._patience

    def ingest(self, batch: int, *, some: bool = False) -> None:
        """Store new records of a batch's current attempt, exactly once: the offset is stored in the same transaction.

        some: only a part of them, because others wait. A damaged folder fails its job.
        """
        try:
            self._ingest(batch, some)
        except ODD as error:
            fail_job_of(self._database, batch, error)

    def _ingest(self, batch: int, some: bool) -> None:
        row = batch_row(self._database.connection, batch)
        if row is None:
            return
        folder = self._folder(batch, row["attempt"]).attempt(row["attempt"])
        reader = self._readers.get((batch, row["attempt"]))
        if reader is None:
            reader = self._readers[batch, row["attempt"]] = RecordReader(folder / "records.jsonl")
        offset = row["records_read"]
        while True:
            records, end = reader.read(offset, SOME if some else None)
            if end == offset:
                break
            with self._database.transaction() as connection:
                take_over_all(connection, row["job"], records)
                set_records_read(connection, batch, end)
            offset = end
            if some:
                break
        beat = read_json(folder / "beat.json") or {}
        costs = json.dumps(beat["costs"]) if "costs" in beat else None
        said = (beat.get("fraction"), beat.get("rate"), beat.get("whole"), beat.get("before"), costs)
        if said[0] is not None and said != tuple(
            row[name] for name in ("fraction", "rate", "whole", "before", "costs")
        ):
            with contextlib.suppress(*NONSENSE), self._database.transaction() as connection:
                set_progress(connection, batch, *said)

    def end(self, ended: Ended) -> None:
        """Handle the end of an attempt, after storing its last records; a damaged folder fails its job."""
        try:
            self._end(ended)
        except ODD as error:
            fail_job_of(self._database, ended.batch, error)

    def _end(self, ended: Ended) -> None:
        row = batch_row(self._database.connection, ended.batch)
        if row is None or row["state"] != "running":
            return  # cancelled: another batch may already train its trials anew
        folder = self._folder(ended.batch, row["attempt"])
        self._ingest(ended.batch, some=False)
        self._readers.pop((ended.batch, row["attempt"]), None)
        late = list(self._late_results(folder, ended.batch, row["attempt"]))
        with self._database.transaction() as connection:
            take_over_all(connection, row["job"], late)
            decision = self._settle(connection, ended)
        folder.delete_half_written()
        if decision.step == "disk full" and ended.needed > 0:
            self._space.refuse(row["job"], decision.why, ended.needed)
        elif decision.step == "disk full":
            self._space.fill(decision.why)
        if decision.why:
            folder.note(row["attempt"], decision.why)
        if decision.step == "again":
            self._patience.wait(ended.batch, decision.delay)
        elif decision.step in ("over", "failed", "split"):
            folder.delete_checkpoints()

    def _late_results(self, folder: BatchFolder, batch: int, attempt: int) -> Iterator[dict[str, Any]]:
        """All records of trials that have no result in the database but one in an earlier attempt's folder.

        Their worker outlived its engine and published after that attempt was last read.
        """
        missing = set(unfinished_trials(self._database.connection, batch))
        for number, earlier in folder.attempts().items() if missing else ():
            if number >= attempt:
                continue  # just read, or of a later database
            path = earlier / "records.jsonl"
            own = [record for record in read_all(path) if _is_of(record, missing)]
            late = {record["trial"] for record in own if record.get("kind") in ("done", "failed")}
            yield from (record for record in own if record["trial"] in late)
            missing -= late

    def _settle(self, connection: sqlite3.Connection, ended: Ended) -> Decision:
        """Store what follows the end."""
        row = batch_row(connection, ended.batch)
        assert row is not None  # noqa: S101 it was found a moment ago
        unfinished = unfinished_trials(connection, ended.batch)
        decision = decide(ended.code, ended.error, failures=row["failures"], tickets=len(unfinished))
        if decision.step == "over":
            end_batch(connection, ended.batch, None)
        elif decision.step == "failed":
            end_batch(connection, ended.batch, decision.why)
        elif decision.step == "split":
            split_batch(connection, ended.batch, unfinished, ended.error)
        else:
            return_batch(connection, ended.batch, alone=decision.step == "alone")
        if decision.step in ("again", "alone"):
            count_failure(connection, ended.batch)
        if decision.why and decision.step in ("again", "alone", "split"):
            add_event(connection, "retry", decision.why, row["job"])
        settle_job(connection, row["job"])
        return decision

    def recover(self, present: set[int]) -> int:
        """Take over running batches without a worker of this engine (those in `present` have one); returns how many."""
        rows = running_batches(self._database.connection)
        running = [row for row in rows if row["id"] not in present]
        for row in running:
            try:
                folder = self._folder(row["id"], row["attempt"])
                # An orphaned worker must not publish after its records were last read.
                folder.fence()
                said = read_exit(folder.attempt(row["attempt"])) or Exit(ENGINE_GONE, "", 0)
                self._end(Ended(row["id"], said.code, said.error, said.needed))
            except ODD as error:
                fail_job_of(self._database, row["id"], error)
        return len(running)

    def _folder(self, batch: int, attempt: int) -> BatchFolder:
        """The batch's folder; raises LeadsElsewhere if it, or the attempt's folder, is a link."""
        folder = BatchFolder(self._workspace.batch(batch))
        self._workspace.own(folder.attempt(attempt))
        return folder


def _is_of(record: dict[str, Any], trials: set[int]) -> bool:
    trial = record.get("trial")
    return isinstance(trial, int) and trial in trials
