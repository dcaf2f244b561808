"""Curves: (trial, name, step, value), written in order, read from any step on."""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lth_core.store.database import Database


@dataclass(frozen=True)
class Point:
    """One recorded value. step: environment steps or updates of the trial."""

    trial: int
    name: str
    step: int
    value: float


@dataclass(frozen=True)
class Curve:
    """Values of one trial and name against steps; both arrays have the same length, steps ascend."""

    steps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def write(connection: sqlite3.Connection, points: Sequence[Point]) -> None:
    """Store points inside the caller's transaction; a repeated step keeps its newest value."""
    ids = dict(connection.execute("SELECT name, id FROM metric_names").fetchall())
    if new := {(point.name,) for point in points if point.name not in ids}:
        connection.executemany("INSERT INTO metric_names (name) VALUES (?)", new)
        ids = dict(connection.execute("SELECT name, id FROM metric_names").fetchall())
    connection.executemany(
        "INSERT OR REPLACE INTO metrics (trial, name, step, value) VALUES (?, ?, ?, ?)",
        [(p.trial, ids[p.name], p.step, None if math.isnan(p.value) else p.value) for p in points],
    )


def recorded(connection: sqlite3.Connection, trial: int) -> dict[tuple[str, int], float | None]:
    """All points of a trial by name and step; None is not-a-number."""
    rows = connection.execute(
        "SELECT n.name, m.step, m.value FROM metrics m JOIN metric_names n ON n.id = m.name WHERE m.trial = ?", (trial,)
    ).fetchall()
    return {(name, step): value for name, step, value in rows}


def at_end(database: Database, job: int, names: Sequence[str]) -> dict[int, list[tuple[str, float]]]:
    """What the finished trials of a job recorded with their last step under these names, by trial; numbers only."""
    rows = database.connection.execute(
        "SELECT t.id, n.name, m.value FROM trials t "
        f"JOIN metric_names n ON n.name IN ({','.join('?' * len(names))}) "
        "JOIN metrics m ON m.trial = t.id AND m.name = n.id AND m.step = t.step "
        "WHERE t.job = ? AND t.state = 'done' AND m.value NOT NULL ORDER BY t.id, n.name",
        (*names, job),
    ).fetchall()
    found: dict[int, list[tuple[str, float]]] = {}
    for trial, name, value in rows:
        found.setdefault(trial, []).append((name, value))
    return found


def curves(database: Database, trials: Sequence[int], name: str, after_step: int = -1) -> dict[int, Curve]:
    """Curves of several trials, only points later than `after_step`; trials without points are absent."""
    if not trials:
        return {}
    marks = ",".join("?" * len(trials))
    rows = database.connection.execute(
        f"SELECT trial, step, value FROM metrics WHERE trial IN ({marks}) "
        "AND name = (SELECT id FROM metric_names WHERE name = ?) AND step > ? ORDER BY trial, step",
        (*trials, name, after_step),
    ).fetchall()
    grouped: dict[int, list[tuple[int, float]]] = {}
    for trial, step, value in rows:
        grouped.setdefault(trial, []).append((step, math.nan if value is None else value))
    return {
        trial: Curve(np.array([s for s, _ in points], np.int64), np.array([v for _, v in points], np.float64))
        for trial, points in grouped.items()
    }
