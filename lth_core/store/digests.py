"""A digest of everything that is stored of a trial except its curves, and one of a job's experiment.

A trial's is a sum: of a hash of its place in the plan, of its densities, its layers, its result, and of each audit. So
whoever stores something new adds its hash, and reads nothing; whoever replaces something subtracts what was there.
Either way the sum changes by what was written alone: what the disk has changed in between stays visible. Earlier
versions stored none (NULL: unchecked), or a hash of everything, which is checked by the rule of its version; where that
matches, the next change begins with a sum.
"""

import hashlib
import itertools
import json
import math
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

SUM = "3:"
"""What a digest that is a sum begins with."""
DENSITIES, RESULT = "densities %s %s", "result %s %s %s %s %s"
LAYER, AUDIT, CHECK = "layer %d %s %s %d %d %d\n", "audit %s %d %d\n", "%s %d %s\n"
_PLACE = "place %d %s %d %d"
_WHOLE = re.compile(f"{SUM}[0-9a-f]{{32}}")
_HASH = "2:"
_TRIALS = """
    SELECT t.id, t.digest, t.job, t.arm, t.round, t.seed, t.density, t.model_density, t.score, t.tensors, t.sha256,
        CASE WHEN t.state = 'done' THEN json_array(t.batch, t.step) END,
        (SELECT json_group_array(json_array(position, layer, shape, size, kept, prunable))
            FROM layers WHERE trial = t.id),
        (SELECT json_group_array(json_array(moment, name, batch, attempt, passed, detail))
            FROM audits WHERE trial = t.id)
    FROM trials t
"""  # both tables are stored in the order of their keys, and so read in it
_SOME = f"{_TRIALS} WHERE t.id IN (SELECT value FROM json_each(?))"
_JOBS = "SELECT id, digest, name, identity, experiment FROM jobs"


def part(form: str, values: tuple[Any, ...]) -> int:
    """The hash of one part of a trial, to be added to its digest; 0 of nothing but None, which is not stored yet.

    form: one of the above, that of rows once for each. Raises TypeError or ValueError for values that no column takes.
    """
    if values.count(None) == len(values):
        return 0
    said = (form % values).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(said).digest()[:16], "big")


def real(value: Any) -> float | None:
    """A number as a column of real numbers gives it back: not-a-number is NULL, and zero has no sign."""
    return None if value is None or math.isnan(value := float(value)) else value + 0.0


def add(connection: sqlite3.Connection, sums: Mapping[int, int]) -> None:
    """Add what was stored of each trial to its digest, if that is a sum; one that the disk has changed may be none."""
    if sums:
        query = "SELECT id, digest FROM trials WHERE id IN (SELECT value FROM json_each(?))"
        rows = connection.execute(query, (json.dumps([*sums]),)).fetchall()
        whole = {trial: digest for trial, digest in rows if digest and _WHOLE.fullmatch(digest)}
        _store(connection, {trial: int(digest[len(SUM) :], 16) + sums[trial] for trial, digest in whole.items()})


def renew(connection: sqlite3.Connection, trials: Collection[int]) -> dict[int, int]:
    """Give trials whose digest is of an earlier version, and matches, one of now. Returns what is stored of each trial
    whose digest is a sum, as a sum."""
    found = {row[0]: row for row in _rows(connection, trials) if row[1] and (row[1].startswith(SUM) or _holds(row))}
    sums = {trial: total for trial, row in found.items() if (total := _sum(row)) is not None}
    _store(connection, {trial: total for trial, total in sums.items() if not found[trial][1].startswith(SUM)})
    return sums


@contextmanager
def kept(connection: sqlite3.Connection, *trials: int) -> Iterator[None]:
    """Around any change of the results, layers or audits of trials, inside the caller's transaction."""
    before = renew(connection, trials)
    try:
        yield
    finally:  # a record that makes no sense may be stored in part
        if before and connection.in_transaction:
            after = {row[0]: _sum(row) for row in _rows(connection, before)}
            add(connection, {trial: total - before[trial] for trial, total in after.items() if total is not None})


@contextmanager
def kept_job(connection: sqlite3.Connection, job: int) -> Iterator[None]:
    """Around a change of a job's experiment, name or identity, inside the caller's transaction."""
    held = job_holds(connection, job)
    yield
    if held:
        seal_job(connection, job)


def seal(connection: sqlite3.Connection, job: int) -> None:
    """Give a job and all its trials a digest of what is stored now, whatever theirs was."""
    _seal(connection, connection.execute(f"{_TRIALS} WHERE t.job = ?", (job,)).fetchall())
    seal_job(connection, job)


def seal_job(connection: sqlite3.Connection, job: int) -> None:
    """Give a job a digest of the experiment that is stored now, whatever its was."""
    row = connection.execute(f"{_JOBS} WHERE id = ?", (job,)).fetchone()
    connection.execute("UPDATE jobs SET digest = ? WHERE id = ?", (_hash(row), job))


def seal_trials(connection: sqlite3.Connection, trials: Collection[int]) -> None:
    """Give trials a digest of what is stored of them now, whatever theirs was."""
    _seal(connection, _rows(connection, trials))


def trials_hold(connection: sqlite3.Connection, job: int) -> dict[int, bool | None]:
    """Whether the digest of each trial of a job is that of what is stored; None where it has none."""
    rows = connection.execute(f"{_TRIALS} WHERE t.job = ?", (job,)).fetchall()
    return {row[0]: _holds(row) for row in rows}


def job_holds(connection: sqlite3.Connection, job: int) -> bool | None:
    """The same of the job's own digest, of its experiment, name and identity."""
    return _holds(connection.execute(f"{_JOBS} WHERE id = ?", (job,)).fetchone())


def is_of_job(connection: sqlite3.Connection, job: int, name: str, identity: str, experiment: str) -> bool:
    """Whether a job's digest was made of these."""
    query = "SELECT id, digest, ?, ?, ? FROM jobs WHERE id = ?"
    return bool(_holds(connection.execute(query, (name, identity, experiment, job)).fetchone()))


def _rows(connection: sqlite3.Connection, trials: Collection[int]) -> list[sqlite3.Row]:
    return connection.execute(_SOME, (json.dumps([*trials]),)).fetchall() if trials else []


def _seal(connection: sqlite3.Connection, rows: list[sqlite3.Row]) -> None:
    _store(connection, {row[0]: total for row in rows if (total := _sum(row)) is not None})


def _store(connection: sqlite3.Connection, sums: Mapping[int, int]) -> None:
    values = [(_said(total), trial) for trial, total in sums.items()]
    connection.executemany("UPDATE trials SET digest = ? WHERE id = ?", values)


def _said(total: int) -> str:
    return f"{SUM}{total % 2**128:032x}"


def _holds(row: sqlite3.Row) -> bool | None:
    digest = row[1]
    if digest is None:
        return None
    if digest.startswith(SUM):
        total = _sum(row)
        return total is not None and bool(digest == _said(total))
    return bool(digest == (_hash(row) if digest.startswith(_HASH) else _earliest(row)))


def _sum(row: sqlite3.Row) -> int | None:
    """Of what is stored of a trial; None if it is nothing that its columns take."""
    end, layers, audits = (json.loads(text or "[null, null]") for text in row[11:])  # no end unless it is done
    try:
        total = part(_PLACE, row[2:6]) + part(DENSITIES, row[6:8]) + part(RESULT, (*row[8:11], *end))
        total += part(LAYER * len(layers), (*itertools.chain(*layers),))
        for group in {(moment, batch, attempt) for moment, _, batch, attempt, _, _ in audits}:
            own = sorted([name, passed, detail] for moment, name, batch, attempt, passed, detail in audits
                         if (moment, batch, attempt) == group)  # fmt: skip
            total += part(AUDIT + CHECK * len(own), (*group, *itertools.chain(*own)))
    except (TypeError, ValueError):
        return None
    return total


def _hash(row: sqlite3.Row) -> str:
    """Of all values behind a row's number and digest; numbers count to their last bit."""
    content = f"{row[2:-2]!r}\n{row[-2]}\n{row[-1]}"  # the last two are texts, and long
    return _HASH + hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _earliest(row: sqlite3.Row) -> str:
    """The same as the first versions made it."""
    return hashlib.blake2b(repr(tuple(row)[2:]).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
