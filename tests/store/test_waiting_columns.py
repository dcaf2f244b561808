"""What a job or batch waits for is a column of its own; earlier versions said it by how its error begins."""

import contextlib
import sqlite3
from pathlib import Path

from lth_core.store import queue
from lth_core.store.database import Database
from lth_core.store.schema import MIGRATIONS
from tests.engine.experiments import tiny

BEFORE = 8
"""Migrations of the last version that matched prefixes."""


def _made_before(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as old:
        for script in MIGRATIONS[:BEFORE]:
            old.executescript(script)
        old.execute(f"PRAGMA user_version = {BEFORE}")
        jobs = [
            ("paused", "disk full: no room; it goes on by itself when there is room"),
            ("paused", "the cluster's queue is closed"),
            ("paused", None),
            ("failed", "disk full"),
            ("running", None),
        ]
        old.executemany(
            "INSERT INTO jobs (name, identity, experiment, provenance, source, state, position, created, error) "
            "VALUES ('old', 'i', ?, '{}', '', ?, 0, 0, ?)",
            [(tiny("old").canonical(), *job) for job in jobs],
        )
        batches = [
            (5, "failed", "stack too large: out of memory: 5 GB asked for"),
            (5, "running", None),
            (5, "pending", "out of memory: to be run alone"),
            (4, "failed", "out of memory: one ticket does not fit, even alone"),
        ]
        old.executemany("INSERT INTO batches (job, state, error) VALUES (?, ?, ?)", batches)
        old.executemany(
            "INSERT INTO trials (job, arm, round, seed, state, batch) VALUES (5, 'dense', 0, ?, 'running', 2)",
            [(seed,) for seed in range(3)],
        )
        old.commit()


def test_a_workspace_of_the_last_version_waits_for_the_same(tmp_path: Path) -> None:
    _made_before(tmp_path / "w.sqlite")
    database = Database(tmp_path / "w.sqlite", writer=True)
    assert queue.waiting_for_space(database.connection) == [1]
    assert [tuple(row) for row in database.rows("SELECT id, alone, split, error FROM batches")] == [
        (1, 0, 1, "stack too large: out of memory: 5 GB asked for"),
        (2, 0, 0, None),
        (3, 1, 0, None),
        (4, 0, 0, "out of memory: one ticket does not fit, even alone"),
    ]
    assert queue.largest_stack(database.connection, 5) == 3
    assert queue.largest_stack(database.connection, 4) is None
    with database.transaction() as connection:
        queue.set_job(connection, 1, "queued")
    assert queue.waiting_for_space(database.connection) == []
    database.close()


def test_the_words_of_an_error_decide_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    with database.transaction() as connection:
        job = queue.add_job(connection, tiny("a"), "", {})
        queue.set_job(connection, job, "paused", "disk full, says the cluster")
        first = queue.add_batch(connection, job, [1])
        queue.end_batch(connection, first, "stack too large for the cluster")
        queue.return_batch(connection, queue.add_batch(connection, job, [2]), alone=True)
        queue.return_batch(connection, 2)
    assert queue.waiting_for_space(database.connection) == []
    assert queue.largest_stack(database.connection, job) is None
    assert database.row("SELECT alone, error FROM batches WHERE id = 2")[:] == (1, None)
    database.close()
