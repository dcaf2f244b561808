"""Queries of a user's own on documented views, read-only and limited."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_core.errors import InputError
from lth_core.store.database import PATIENCE, Database
from lth_core.store.refusal import refusal
from lth_core.store.schema import NEWEST_AUDITS
from lth_core.text import did_you_mean, one_line

_NEWEST = NEWEST_AUDITS.replace("FROM audits", "FROM main.audits").replace("JOIN trials", "JOIN main.trials")
_OF = "t.job, t.arm, t.round, t.seed"
_LIVE = "JOIN main.jobs j ON j.id = t.job AND j.deleted IS NULL"
VIEWS = {
    "jobs": (
        "SELECT id AS job, name, suite, state, priority, created, started, finished, error, source, identity, "
        "experiment FROM main.jobs WHERE deleted IS NULL"
    ),
    "trials": (
        f"SELECT t.id AS trial, {_OF}, t.state, t.step, t.density AS kept, t.model_density AS kept_of_all, t.score, "
        f"t.started, t.finished, t.error FROM main.trials t {_LIVE}"
    ),
    "metrics": (
        f"SELECT m.trial, {_OF}, n.name AS metric, m.step, m.value FROM main.metrics m "
        f"JOIN main.metric_names n ON n.id = m.name JOIN main.trials t ON t.id = m.trial {_LIVE}"
    ),
    "layers": (
        f"SELECT l.trial, {_OF}, l.position, l.layer, l.shape, l.size, l.kept, l.prunable FROM main.layers l "
        f"JOIN main.trials t ON t.id = l.trial {_LIVE}"
    ),
    "audits": (
        f'SELECT a.trial, {_OF}, a.moment, a.name AS "check", a.passed, a.detail FROM {_NEWEST} a '
        f"JOIN main.trials t ON t.id = a.trial {_LIVE}"
    ),
    "events": "SELECT id AS event, at, job, trial, kind, text FROM main.events",
}
"""The views, without deleted jobs. Times are Unix seconds; kept: the share of the prunable parameters."""
_HIDDEN = ("commands", "engine", "slots", "batches", "waits", "attempts", "sqlite_master", "sqlite_temp_master")
_LONGEST_TEXT = 10_000_000
_CHECK_EVERY = 10_000
"""Steps of SQLite's machine between looks at the clock."""


@dataclass(frozen=True)
class Answer:
    """The rows of a query; more: whether there are rows beyond the limit."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool


def query(path: Path, statement: str, limit: int, seconds: float) -> Answer:
    """The first `limit` rows of a SELECT on the views.

    Raises InputError if the statement is not one, reads anything else, or takes longer than `seconds`.
    """
    with _opened(path) as connection:
        end = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > end, _CHECK_EVERY)
        try:
            cursor = connection.execute(statement)
            if cursor.description is None:
                raise InputError("sql: expected a SELECT")
            rows = cursor.fetchmany(limit + 1)
            return Answer([column[0] for column in cursor.description], rows[:limit], len(rows) > limit)
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            raise InputError(_sentence(error, seconds, time.monotonic() > end)) from None


def columns(path: Path) -> dict[str, list[str]]:
    """The columns of each view."""
    return {name: query(path, f"SELECT * FROM {name}", 1, 30.0).columns for name in VIEWS}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read the views."""
    Database(path, writer=False).close()  # refuses what is no workspace of this version
    alone = not os.access(path.parent, os.W_OK)  # then nobody writes, and SQLite can make no file for its locks
    uri = f"{path.resolve().as_uri()}?mode=ro" + "&immutable=1" * alone
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_TEXT)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            for name, select in VIEWS.items():
                connection.execute(f"CREATE TEMP VIEW {name} AS {select}")
            connection.set_authorizer(_may)
            yield connection
    except sqlite3.DatabaseError as error:
        raise refusal(path, error) from None


def _may(action: int, first: str | None, second: str | None, database: str | None, within: str | None) -> int:
    """What a statement may do: select, call functions, read a view, and tables only by a view's own definition."""
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    # Where rows are only counted, no column is named, and sometimes neither database nor view.
    counted = second == "" and first not in _HIDDEN
    named = first in VIEWS if database == "temp" else within in VIEWS
    return sqlite3.SQLITE_OK if action == sqlite3.SQLITE_READ and (named or counted) else sqlite3.SQLITE_DENY


def _sentence(error: Exception, seconds: float, late: bool) -> str:
    said = one_line(error)
    if late:
        return f"sql: not done after {seconds:g} s; --seconds allows more"
    if "not authorized" in said or "cannot modify" in said or "prohibited" in said:
        return "sql: only SELECT on the views is accepted: " + ", ".join(VIEWS)
    if said.startswith("no such table: "):
        name = said.removeprefix("no such table: ")
        return f"sql: there is no view {name}; there are: {', '.join(VIEWS)}{did_you_mean(name, VIEWS)}"
    return f"sql: {said}"
