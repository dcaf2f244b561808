"""What attempts ran with: stored as workers say it, an event and a note where it changes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.batches.provenance import attempt_facts
from lth_core.report.answers import job_answers
from lth_core.report.card import card
from lth_core.report.record import job_record
from lth_core.report.table import result
from lth_core.store import attempts, views
from lth_core.store.batches import add_batch, end_batch
from lth_core.store.database import Database
from lth_core.store.ingest import take_over
from lth_core.store.jobs import add_job, fix_threads
from tests.engine.experiments import tiny


class Store:
    """A job with a batch per round."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, writer=True)
        with self.database.transaction() as connection:
            self.job = add_job(connection, tiny(pruning={"rounds": 3}), "x.toml", {"lth": "0"})
            for round in range(4):
                rows = connection.execute("SELECT id FROM trials WHERE round = ?", (round,)).fetchall()
                add_batch(connection, self.job, [row["id"] for row in rows])

    def ran(self, batch: int, attempt: int = 1, **changed: Any) -> None:
        facts = {**json.loads(json.dumps(attempt_facts("a processor", 1))), **changed}
        with self.database.transaction() as connection:
            take_over(connection, self.job, {"kind": "ran", "batch": batch, "attempt": attempt, "facts": facts})

    def events(self, kind: str) -> list[str]:
        return [event.text for event in views.events(self.database) if event.kind == kind]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "workspace.sqlite")
    yield made
    made.database.close()


def torch(version: str) -> dict[str, Any]:
    return {"packages": {"torch": version, "numpy": "2.3.1"}}


def test_other_versions_are_an_event_and_a_note_in_table_and_card(store: Store) -> None:
    for batch in (1, 2):
        store.ran(batch, **torch("2.13.0"))
    assert not store.events("versions") and attempts.changes(attempts.runs(store.database, 1)) == ""
    store.ran(3, **torch("2.14.0"))
    store.ran(4, **torch("2.14.0"))
    note = "rounds 0-1 with torch 2.13.0, 2-3 with torch 2.14.0"
    assert store.events("versions") == ["goes on with torch 2.14.0 (before: torch 2.13.0)"]
    assert attempts.changes(attempts.runs(store.database, 1)) == note
    job = views.job(store.database, 1)
    assert job is not None
    told = dict(card(job_record(store.database, job)))
    assert told["Workers"] == f"Not all ran with the same: {note}"
    assert note in [str(part) for part in result(job_answers(store.database, job))]


def test_another_version_of_an_environment_that_begins_alike_is_an_event_and_what_failed_is_forgotten(
    store: Store,
) -> None:
    same, other = {"first observations": "alike"}, {"first observations": "unlike"}
    store.ran(1, packages={"minigrid": "2.3"}, trained_on=other)
    with store.database.transaction() as connection:
        end_batch(connection, 1, None)  # in which nothing was trained
        connection.execute("UPDATE trials SET state = 'failed' WHERE batch = 1")
    assert attempts.trained_on(store.database, 1) == ()
    store.ran(2, packages={"minigrid": "2.3"}, trained_on=same)
    store.ran(3, packages={"minigrid": "2.4"}, trained_on=same | {"ROM": "x"})
    store.ran(4, packages={"minigrid": "2.4"}, trained_on=None)
    assert store.events("versions") == ["goes on with minigrid 2.4 (before: minigrid 2.3)"]
    assert attempts.trained_on(store.database, 1) == (("ROM", "x"), ("first observations", "alike"))


def test_a_round_that_two_attempts_trained_is_of_both(store: Store) -> None:
    store.ran(1)
    store.ran(2, threads=1)
    store.ran(2, attempt=2, threads=2)
    assert attempts.changes(attempts.runs(store.database, 1)) == "rounds 0-1 with 1 thread, 1 with 2 threads"


def test_one_round_is_named_as_one(store: Store) -> None:
    store.ran(1, threads=1)
    store.ran(2, threads=2)
    assert attempts.changes(attempts.runs(store.database, 1)) == "round 0 with 1 thread, 1 with 2 threads"


@pytest.mark.parametrize("facts", [None, [], {}, {"lth": 1, "python": 1, "packages": 7, "threads": "x", "device": 1}])
def test_facts_that_make_no_sense_are_left_out_and_said(store: Store, facts: Any) -> None:
    with store.database.transaction() as connection:
        take_over(connection, 1, {"kind": "ran", "batch": 1, "attempt": 1, "facts": facts})
        take_over(connection, 1, {"kind": "ran", "batch": 99, "attempt": 1, "facts": attempt_facts("x", 1)})
    assert len(store.events("bad record")) == 2 and not attempts.runs(store.database, 1)


def test_a_job_keeps_the_threads_of_its_first_attempt(store: Store) -> None:
    with store.database.transaction() as connection:
        assert fix_threads(connection, 1, 2) == 2
        assert fix_threads(connection, 1, 1) == 2, "one slot, then two"
        connection.execute("UPDATE jobs SET threads = NULL")
    store.ran(1, threads=3)
    with store.database.transaction() as connection:
        attempts.threads_again(connection, 1)
        assert fix_threads(connection, 1, 1) == 3, "made again"
