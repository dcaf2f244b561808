"""Stores one record of a worker in the tables. The kinds of records are those that `worker.attempt` writes."""

import contextlib
import functools
import itertools
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from lth_core.store import attempts, digests, metrics
from lth_core.store.events import add_event
from lth_core.store.metrics import Point
from lth_core.store.nonsense import NONSENSE
from lth_core.store.record_lines import DAMAGED
from lth_core.store.trials import fail_trial

Sums = Counter[int]
"""What to add to the digests of trials."""


def take_over_all(connection: sqlite3.Connection, job: int, records: Iterable[dict[str, Any]]) -> None:
    """Store records; an invalid one is left out with an event, so that it cannot stop the queue."""
    sums: Sums = Counter()
    for record in records:
        if record is DAMAGED:
            add_event(connection, "bad record", "a record was left out: it is not what a worker wrote", job)
            continue
        try:
            ingest(connection, job, record, sums)
        except NONSENSE as error:
            add_event(connection, "bad record", f"a record was left out: {type(error).__name__} {error}", job)
    digests.add(connection, sums)


def take_over(connection: sqlite3.Connection, job: int, record: dict[str, Any]) -> None:
    """Store one record as `take_over_all` does."""
    take_over_all(connection, job, [record])


def ingest(connection: sqlite3.Connection, job: int, record: dict[str, Any], sums: Sums) -> None:
    """Store a record, and add what is new of trials to `sums`. Raises NONSENSE for an invalid record."""
    kind = record.get("kind")
    if kind == "ran":
        attempts.take(connection, job, record)
        return
    if kind == "note":
        add_event(connection, "records", str(record["text"]), job)
        return
    trial = int(record["trial"])
    batch, digest = _of_job(connection, job, trial)
    if kind == "metrics":
        step = int(record["step"])
        points = [Point(trial, n, step, float("nan") if v is None else v) for n, v in record["values"].items()]
        metrics.write(connection, points)
        connection.execute("UPDATE trials SET step = MAX(step, ?) WHERE id = ? AND state != 'done'", (step, trial))
        return
    if digest is not None and not digest.startswith(digests.SUM):
        digests.renew(connection, [trial])
    if kind == "layers":
        _take_layers(connection, trial, record, sums)
    elif kind == "audit":
        _take_audit(connection, job, trial, record, sums)
    elif kind == "done":
        _take_result(connection, job, trial, batch, record, sums)
    elif kind == "failed":
        _take_failure(connection, job, trial, record)


def _take_layers(connection: sqlite3.Connection, trial: int, record: dict[str, Any], sums: Sums) -> None:
    rows = [
        (position, name, json.dumps(shape), size, alive, prunable)
        for position, (name, shape, size, alive, prunable) in enumerate(record["layers"])
    ]
    densities = digests.real(record["density"]), digests.real(record["model_density"])
    if rows:
        values = (*itertools.chain(*rows),)
        new = _insertion("layers (trial, position, layer, shape, size, kept, prunable)", 1, 6, len(rows))
        part = digests.part(digests.LAYER * len(rows), values)
        _store(connection, trial, (new, _replacing(new)), (trial, *values), part, sums)
    again = "UPDATE trials SET density = ?, model_density = ? WHERE id = ?"
    new = f"{again} AND density IS NULL AND model_density IS NULL"
    part = digests.part(digests.DENSITIES, densities)
    _store(connection, trial, (new, again), (*densities, trial), part, sums)


def _take_audit(connection: sqlite3.Connection, job: int, trial: int, record: dict[str, Any], sums: Sums) -> None:
    group = record["moment"], int(record.get("batch", 0)), int(record.get("attempt", 0))
    checks = sorted(record["checks"])
    wrong = [f"{name}: {detail}" for name, passed, detail in record["checks"] if not passed]
    values = (*group, *itertools.chain(*checks))
    if checks:
        new = _insertion("audits (trial, moment, batch, attempt, name, passed, detail)", 4, 3, len(checks))
        part = digests.part(digests.AUDIT + digests.CHECK * len(checks), values)
        query = "SELECT 1 FROM audits WHERE trial = ? AND moment = ? AND batch = ? AND attempt = ?"
        more = connection.execute(query, (trial, *group)).fetchone() is not None  # the score's comes by itself
        _store(connection, trial, (None if more else new, _replacing(new)), (trial, *values), part, sums)
    if wrong:
        told = f"audit {record['moment']} training: {'; '.join(wrong)}"
        add_event(connection, "audit failed", told, job, trial)


def _take_failure(connection: sqlite3.Connection, job: int, trial: int, record: dict[str, Any]) -> None:
    row = connection.execute("SELECT state FROM trials WHERE id = ?", (trial,)).fetchone()
    if row["state"] == "running":
        for parent in record.get("damaged", []):
            _of_job(connection, job, int(parent))
            fail_trial(connection, int(parent), "its file is damaged; retry trains it again")
        fail_trial(connection, trial, record["error"])


def _take_result(
    connection: sqlite3.Connection, job: int, trial: int, batch: int | None, record: dict[str, Any], sums: Sums
) -> None:
    result = digests.real(record["score"]), record["tensors"], record["sha256"]
    step = int(record["step"])
    again = (
        "UPDATE trials SET state = 'done', score = ?, tensors = ?, sha256 = ?, step = ?, "
        "finished = MAX(?, COALESCE(started, 0)) WHERE id = ? AND state = 'running'"
    )  # a trial counts once, even if it is published twice
    new = f"{again} AND score IS NULL AND tensors IS NULL AND sha256 IS NULL"
    part = digests.part(digests.RESULT, (*result, batch, step))
    if not _store(connection, trial, (new, again), (*result, step, time.time(), trial), part, sums):
        return
    left = connection.execute(
        "SELECT t.round, SUM(o.state NOT IN ('done', 'failed', 'blocked')) AS left FROM trials t "
        "JOIN trials o ON o.job = t.job AND o.round = t.round WHERE t.id = ?",
        (trial,),
    ).fetchone()
    if left["left"] == 0:
        add_event(connection, "round", f"round {left['round']} finished", job)


def _store(
    connection: sqlite3.Connection, trial: int, statements: tuple[str | None, str], values: tuple[Any, ...], part: int,
    sums: Sums,
) -> bool:  # fmt: skip
    """Whether something was stored, all of it or nothing.

    statements: one that stores what is new, and does not where there was something (None: there is); and one that
    replaces that.
    """
    new, again = statements
    with contextlib.suppress(sqlite3.IntegrityError):
        if new is not None and connection.execute(new, values).rowcount > 0:
            sums[trial] += part
            return True
    with digests.kept(connection, trial):
        return connection.execute(again, values).rowcount > 0


@functools.lru_cache
def _insertion(table: str, same: int, each: int, many: int) -> str:
    """One statement for many rows, which begin with the same values: faster than one by one, and all or nothing."""
    first = "".join(f"?{n}, " for n in range(1, same + 1))
    starts = range(same + 1, same + 1 + each * many, each)
    rows = (first + ", ".join(f"?{n}" for n in range(start, start + each)) for start in starts)
    return f"INSERT INTO {table} VALUES ({'), ('.join(rows)})"


def _replacing(insertion: str) -> str:
    return insertion.replace("INSERT", "INSERT OR REPLACE", 1)


def _of_job(connection: sqlite3.Connection, job: int, trial: int) -> tuple[int | None, str | None]:
    """Batch and digest of a trial; raises ValueError unless it belongs to the job."""
    row = connection.execute("SELECT batch, digest FROM trials WHERE id = ? AND job = ?", (trial, job)).fetchone()
    if row is None:
        raise ValueError(f"job {job} has no trial {trial}")
    return row[0], row[1]
