"""What a job or batch waits for is a column of its own; earlier versions said it by how its error begins."""

import contextlib
import sqlite3
from pathlib import Path

from lth_core.store.batches import add_batch, end_batch, largest_stack, return_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job, set_job, waiting_for_space
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
    assert waiting_for_space(database.connection) == [1]
    assert [tuple(row) for row in database.rows("SELECT id, alone, split, error FROM batches")] == [
        (1, 0, 1, "stack too large: out of memory: 5 GB asked for"),
        (2, 0, 0, None),
        (3, 1, 0, None),
        (4, 0, 0, "out of memory: one ticket does not fit, even alone"),
    ]
    assert largest_stack(database.connection, 5) == 3
    assert largest_stack(database.connection, 4) is None
    with database.transaction() as connection:
        set_job(connection, 1, "queued")
    assert waiting_for_space(database.connection) == []
    database.close()


def test_the_words_of_an_error_decide_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    with database.transaction() as connection:
        job = add_job(connection, tiny("a"), "", {})
        set_job(connection, job, "paused", "disk full, says the cluster")
        first = add_batch(connection, job, [1])
        end_batch(connection, first, "stack too large for the cluster")
        return_batch(connection, add_batch(connection, job, [2]), alone=True)
        return_batch(connection, 2)
    assert waiting_for_space(database.connection) == []
    assert largest_stack(database.connection, job) is None
    assert database.row("SELECT alone, error FROM batches WHERE id = 2")[:] == (1, None)
    database.close()
