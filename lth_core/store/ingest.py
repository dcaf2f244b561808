"""Stores one record of a worker in the tables. The kinds of records are those that `worker.attempt` writes."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Collection
from typing import Any

from lth_core.store import attempts, metrics
from lth_core.store.digests import kept
from lth_core.store.events import add_event
from lth_core.store.metrics import Point
from lth_core.store.nonsense import NONSENSE
from lth_core.store.record_lines import DAMAGED
from lth_core.store.trials import fail_trial


def take_over_all(connection: sqlite3.Connection, job: int, records: list[dict[str, Any]]) -> None:
    """Store records as `take_over` does; the trials' digests are computed once for all of them."""
    told = {r["trial"] for r in records if r.get("kind") != "metrics" and type(r.get("trial")) is int}
    told = {trial for trial in told if abs(trial) < 2**63}  # SQLite's largest
    with kept(connection, *told):
        for record in records:
            take_over(connection, job, record, sealed=told)


def take_over(connection: sqlite3.Connection, job: int, record: dict[str, Any], sealed: Collection[int] = ()) -> None:
    """Store one record; an invalid one is left out with an event, so that it cannot stop the queue.

    sealed: trials whose digests the caller updates.
    """
    if record is DAMAGED:
        add_event(connection, "bad record", "a record was left out: it is not what a worker wrote", job)
        return
    try:
        ingest(connection, job, record, sealed)
    except NONSENSE as error:
        add_event(connection, "bad record", f"a record was left out: {type(error).__name__} {error}", job)


def ingest(connection: sqlite3.Connection, job: int, record: dict[str, Any], sealed: Collection[int] = ()) -> None:
    """Like `take_over`, but raises NONSENSE for an invalid record."""
    kind = record.get("kind")
    if kind == "ran":
        attempts.take(connection, job, record)
        return
    if kind == "note":
        add_event(connection, "records", str(record["text"]), job)
        return
    trial = int(record["trial"])
    _of_job(connection, job, trial)
    if kind != "metrics":
        with contextlib.nullcontext() if trial in sealed else kept(connection, trial):
            _take(connection, job, trial, record)
    else:
        step = int(record["step"])
        points = [Point(trial, n, step, float("nan") if v is None else v) for n, v in record["values"].items()]
        metrics.write(connection, points)
        connection.execute("UPDATE trials SET step = MAX(step, ?) WHERE id = ? AND state != 'done'", (step, trial))


def _take(connection: sqlite3.Connection, job: int, trial: int, record: dict[str, Any]) -> None:
    kind = record.get("kind")
    if kind == "layers":
        rows = [
            (trial, position, name, json.dumps(shape), size, alive, prunable)
            for position, (name, shape, size, alive, prunable) in enumerate(record["layers"])
        ]
        connection.executemany(
            "INSERT OR REPLACE INTO layers (trial, position, layer, shape, size, kept, prunable) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        densities = (record["density"], record["model_density"], trial)
        connection.execute("UPDATE trials SET density = ?, model_density = ? WHERE id = ?", densities)
    elif kind == "audit":
        connection.executemany(
            "INSERT OR REPLACE INTO audits (trial, moment, batch, attempt, name, passed, detail) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (trial, record["moment"], int(record.get("batch", 0)), int(record.get("attempt", 0)), *check)
                for check in record["checks"]
            ],
        )
        wrong = [f"{name}: {detail}" for name, passed, detail in record["checks"] if not passed]
        if wrong:
            add_event(connection, "audit failed", f"audit {record['moment']} training: {'; '.join(wrong)}", job, trial)
    elif kind == "done":
        _finish_trial(connection, job, trial, record)
    elif kind == "failed":
        row = connection.execute("SELECT state FROM trials WHERE id = ?", (trial,)).fetchone()
        if row["state"] == "running":
            for parent in record.get("damaged", []):
                _of_job(connection, job, int(parent))
                fail_trial(connection, int(parent), "its file is damaged; retry trains it again")
            fail_trial(connection, trial, record["error"])


def _of_job(connection: sqlite3.Connection, job: int, trial: int) -> None:
    """Raise ValueError unless the trial belongs to the job."""
    if connection.execute("SELECT 1 FROM trials WHERE id = ? AND job = ?", (trial, job)).fetchone() is None:
        raise ValueError(f"job {job} has no trial {trial}")


def _finish_trial(connection: sqlite3.Connection, job: int, trial: int, record: dict[str, Any]) -> None:
    changed = connection.execute(
        "UPDATE trials SET state = 'done', score = ?, tensors = ?, sha256 = ?, step = ?, "
        "finished = MAX(?, COALESCE(started, 0)) "
        "WHERE id = ? AND state = 'running'",  # a trial counts once, even if it is published twice
        (record["score"], record["tensors"], record["sha256"], record["step"], time.time(), trial),
    ).rowcount
    if not changed:
        return
    left = connection.execute(
        "SELECT t.round, SUM(o.state NOT IN ('done', 'failed', 'blocked')) AS left FROM trials t "
        "JOIN trials o ON o.job = t.job AND o.round = t.round WHERE t.id = ?",
        (trial,),
    ).fetchone()
    if left["left"] == 0:
        add_event(connection, "round", f"round {left['round']} finished", job)
