"""What attempts ran with, recorded by their workers: versions, threads, device, revision; and where that changed."""

import contextlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.nonsense import NONSENSE
from lth_core.text import one_line, ranges

_MOST = 8
"""The most groups of rounds that a note names."""


@dataclass(frozen=True)
class Run:
    """An attempt: the rounds of its trials, and its facts in words, by subject."""

    rounds: frozenset[int]
    facts: Mapping[str, str]


def take(connection: sqlite3.Connection, job: int, record: Mapping[str, Any]) -> None:
    """Store what an attempt ran with; an event says so if no earlier attempt of the job ran with the same.

    Raises ValueError, KeyError or TypeError for an invalid record.
    """
    batch, attempt, facts = int(record["batch"]), int(record["attempt"]), in_words(record["facts"])
    if connection.execute("SELECT 1 FROM batches WHERE id = ? AND job = ?", (batch, job)).fetchone() is None:
        raise ValueError(f"job {job} has no batch {batch}")
    rows = connection.execute(
        "SELECT a.facts FROM attempts a JOIN batches b ON b.id = a.batch WHERE b.job = ? "
        "GROUP BY a.facts ORDER BY MAX(a.batch)",
        (job,),
    ).fetchall()
    earlier = [_read(row["facts"]) for row in rows]
    connection.execute(
        "INSERT OR REPLACE INTO attempts (batch, attempt, facts) VALUES (?, ?, ?)",
        (batch, attempt, json.dumps(record["facts"], sort_keys=True)),
    )
    if earlier and facts not in earlier:
        add_event(connection, "versions", f"goes on with {_difference(earlier[-1], facts)}", job)


def in_words(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts that results may depend on, in words; without the host."""
    named = {"lth": facts["lth"], "Python": facts["python"], **facts["packages"]}
    found = {name: one_line(f"{name} {version}", 80) for name, version in named.items() if version is not None}
    threads = int(facts["threads"])
    found["threads"] = f"{threads} thread{'s' * (threads != 1)}"
    found["device"] = one_line(facts["device"], 120)
    git = facts.get("git")
    if git is not None:
        found["revision"] = one_line(f"revision {git['commit']:.12}{' with changes' * bool(git['changed'])}", 80)
    return found


def _read(facts: str) -> dict[str, str]:
    try:
        return in_words(json.loads(facts))
    except NONSENSE:
        return {"facts": "what cannot be read"}


def runs(database: Database, job: int) -> list[Run]:
    """All attempts of a job whose trials still belong to them, in the order of their batches."""
    rows = database.rows(
        "SELECT a.facts, GROUP_CONCAT(DISTINCT t.round) AS rounds FROM attempts a JOIN batches b ON b.id = a.batch "
        "JOIN trials t ON t.batch = b.id WHERE b.job = ? GROUP BY a.batch, a.attempt ORDER BY a.batch, a.attempt",
        job,
    )
    return [Run(frozenset(map(int, row["rounds"].split(","))), _read(row["facts"])) for row in rows]


def same_bits(database: Database, job: int, facts: Mapping[str, Any]) -> bool:
    """Whether all attempts of a job ran with these facts but for this program's own version and revision: then the same
    work gives the same bits."""

    def alike(words: Mapping[str, str]) -> dict[str, str]:
        return {name: fact for name, fact in words.items() if name not in ("lth", "revision")}

    here = alike(in_words(facts))
    return all(alike(run.facts) == here for run in runs(database, job))


def packages(database: Database, job: int) -> dict[str, str]:
    """Versions of packages that a job's last attempt ran with, and revisions of downloads, by name."""
    row = database.row(
        "SELECT json_extract(a.facts, '$.packages') AS found FROM attempts a JOIN batches b ON b.id = a.batch "
        "WHERE b.job = ? ORDER BY a.batch DESC, a.attempt DESC LIMIT 1", job
    )  # fmt: skip
    try:
        return {} if row is None else {str(n): str(v) for n, v in json.loads(row["found"]).items() if v is not None}
    except NONSENSE:
        return {}


def trained_on(database: Database, job: int) -> tuple[tuple[str, str], ...]:
    """The data of a job's trials that are done or continue from a checkpoint, from the records of the first.

    See `tasks.trained_on`.
    """
    rows = database.rows(
        "SELECT DISTINCT json_extract(a.facts, '$.trained_on') AS found FROM attempts a "
        "JOIN batches b ON b.id = a.batch JOIN trials t ON t.batch = b.id "
        "WHERE b.job = ? AND t.state != 'failed' ORDER BY a.batch DESC, a.attempt DESC",
        job,
    )
    found: dict[str, str] = {}
    for row in rows:
        with contextlib.suppress(*NONSENSE):
            found |= {str(what): str(value) for what, value in json.loads(row["found"]).items()}
    return tuple(sorted(found.items()))


def said(runs: Sequence[Run]) -> str:
    """What all attempts ran with, in a sentence; facts that differ are left to `changes`."""
    names = list(dict.fromkeys(name for run in runs for name in run.facts))
    same = [runs[0].facts[name] for name in names if len({run.facts.get(name) for run in runs}) == 1]
    return ", ".join(same)


def changes(runs: Sequence[Run]) -> str:
    """`rounds 0-4 with torch 2.13.0, 5-8 with torch 2.14.0`; empty if all attempts ran with the same."""
    names = list(dict.fromkeys(name for run in runs for name in run.facts))
    other = [name for name in names if len({run.facts.get(name) for run in runs}) > 1]
    groups: dict[str, set[int]] = {}
    for run in runs if other else ():
        what = ", ".join(run.facts.get(name, f"no {name}") for name in other)
        groups.setdefault(what, set()).update(run.rounds)
    parts = [f"{ranges(rounds)} with {what}" for what, rounds in groups.items()]
    word = "round" if len(next(iter(groups.values()), ())) == 1 else "rounds"
    return f"{word} {', '.join(parts[:_MOST])}" + ", ..." * (len(parts) > _MOST) if parts else ""


def threads_again(connection: sqlite3.Connection, job: int) -> None:
    """For a rebuilt database: set the threads of a job's workers to those of its last attempt."""
    row = connection.execute(
        "SELECT json_extract(a.facts, '$.threads') AS threads FROM attempts a JOIN batches b ON b.id = a.batch "
        "WHERE b.job = ? ORDER BY a.batch DESC, a.attempt DESC LIMIT 1", (job,)
    ).fetchone()  # fmt: skip
    if row is not None:
        connection.execute("UPDATE jobs SET threads = ? WHERE id = ?", (row["threads"], job))


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    names = [name for name in dict.fromkeys((*new, *old)) if old.get(name) != new.get(name)]
    return ", ".join(f"{new.get(name, f'no {name}')} (before: {old.get(name, 'none')})" for name in names)
