"""Digests of what is stored: every writer carries them on, and nothing seals what the disk has changed."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lth_core.store import digests
from lth_core.store.batches import add_batch, begin_batch, end_batch
from lth_core.store.database import Database
from lth_core.store.ingest import take_over, take_over_all
from lth_core.store.jobs import add_job
from lth_core.store.trials import cancel_trials, fail_trial, ready_trials, requeue_unfinished
from lth_core.store.workspace import Workspace
from lth_core.upkeep import garbage
from lth_core.upkeep.garbage import Garbage
from tests.small import experiment

RECORDS: tuple[dict[str, Any], ...] = (
    {"kind": "layers", "layers": [["a", [4, 2], 8, 5, True]], "density": 5 / 8, "model_density": 0.7},
    {"kind": "audit", "moment": "before", "batch": 1, "attempt": 1, "checks": [["nested", True, "in all"]]},
    {"kind": "metrics", "step": 512, "values": {"games": 3.0}},
    {"kind": "done", "step": 512, "score": 0.1 + 0.2, "tensors": "x", "sha256": "y"},
)
NUMBERS = st.sampled_from([0.0, -0.0, 1, True, None, 5e-324, 2**53 + 1, 10**400, float("inf"), 0.1 + 0.2])
COUNTS, TEXTS = st.sampled_from([0, 1, False, 2**53 + 1, 2**70]), st.sampled_from(["", "a", "\0b", "\ud800", '["%s"]'])
LAYERS = st.lists(st.tuples(TEXTS, st.just([2]), COUNTS, COUNTS, st.booleans()), max_size=3)
OWN = {"trial": st.sampled_from([1, 2])}
ANY_RECORDS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("layers"), "layers": LAYERS, "density": NUMBERS, "model_density": NUMBERS, **OWN}
    ),
    st.fixed_dictionaries({
        "kind": st.just("audit"), "moment": st.sampled_from(["before", "after"]), "batch": st.just(1),
        "attempt": st.just(1), "checks": st.lists(st.tuples(TEXTS, st.booleans(), TEXTS), max_size=3), **OWN,
    }),
    st.fixed_dictionaries(
        {"kind": st.just("done"), "step": COUNTS, "score": NUMBERS, "tensors": TEXTS, "sha256": TEXTS, **OWN}
    ),
    st.fixed_dictionaries({"kind": st.just("failed"), "error": st.just("it broke"), **OWN}),
)  # fmt: skip
CHANGES = (
    "trials SET seed = seed + 7 WHERE id = 1", "trials SET density = 0.25 + (density IS 0.25) WHERE id = 1",
    "trials SET state = CASE state WHEN 'done' THEN 'failed' ELSE 'done' END WHERE id = 1",
    "layers SET kept = kept + 1 WHERE trial = 1", "audits SET passed = 1 - passed WHERE trial = 1",
    "audits SET detail = detail || 'x' WHERE trial = 1",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    """A database with one job, whose first three trials run as batch 1."""
    database = Database(tmp_path / "w.sqlite", writer=True)
    with database.transaction() as connection:
        add_job(connection, experiment(), "x.toml", {})
        begin_batch(connection, add_batch(connection, 1, [1, 2, 3]), "cpu/0")
    yield database
    database.close()


def take(database: Database, trial: int, *records: dict[str, Any]) -> None:
    with database.transaction() as connection:
        for record in records:
            take_over(connection, 1, {**record, "trial": trial})


def broken(database: Database) -> list[int]:
    assert digests.job_holds(database.connection, 1) is True
    found = digests.trials_hold(database.connection, 1)
    assert None not in found.values()
    return [trial for trial, holds in found.items() if not holds]


def test_every_writer_carries_the_digest_on(store: Database, tmp_path: Path) -> None:
    assert broken(store) == []
    for record in RECORDS:
        take(store, 1, record)
        assert broken(store) == [], record
    assert store.rows("SELECT COUNT(DISTINCT digest) FROM trials WHERE id IN (1, 2)")[0][0] == 2
    take(store, 1, {**RECORDS[1], "checks": [["score", True, "the same"]]})  # another check of the same attempt
    assert broken(store) == []
    take(store, 1, *RECORDS)  # published again
    take(store, 1, {"kind": "metrics", "step": 600, "values": {}})
    take(store, 2, {"kind": "layers", "layers": [["a", [1], 1, 1, True], ["b"]], "density": 1, "model_density": 1})
    assert broken(store) == []
    take(store, 2, RECORDS[1], {"kind": "failed", "error": "it broke", "damaged": [1]})
    assert broken(store) == []
    for writer in (
        lambda connection: end_batch(connection, 1, "gone"),
        lambda connection: requeue_unfinished(connection, 1),
        lambda connection: cancel_trials(connection, 1),
    ):
        with store.transaction() as connection:
            writer(connection)
        assert broken(store) == []
    take(
        store, 2, RECORDS[0], {**RECORDS[1], "attempt": 2}, {**RECORDS[1], "attempt": 2, "checks": [["nested", 0, ""]]}
    )
    assert broken(store) == []
    with store.transaction() as connection:
        requeue_unfinished(connection, 1)
        begin_batch(connection, add_batch(connection, 1, [1]), "cpu/0")
    take(store, 1, *({**record, "batch": 2, "score": 1} for record in RECORDS))  # it had a score before it failed
    assert broken(store) == []
    assert store.rows("SELECT state, score FROM trials WHERE id = 1")[0][:] == ("done", 1.0)
    garbage.remove(Workspace(tmp_path), store, [Garbage(tmp_path / "none", 0, "", 1)])
    assert broken(store) == []


@pytest.mark.parametrize("change", [
    "UPDATE trials SET score = score + 1e-16 WHERE id = 1", "UPDATE trials SET state = 'failed' WHERE id = 1",
    "UPDATE trials SET density = 0.5 WHERE id = 1", "UPDATE trials SET seed = 77 WHERE id = 1",
    "UPDATE trials SET sha256 = 'z' WHERE id = 1", "UPDATE layers SET kept = 4", "UPDATE layers SET shape = '[2, 4]'",
    "UPDATE audits SET passed = 0", "UPDATE audits SET detail = 'in some'", "DELETE FROM audits",
])  # fmt: skip
def test_what_the_disk_changes_is_noticed_and_not_sealed_by_a_later_write(store: Database, change: str) -> None:
    take(store, 1, *RECORDS)
    store.connection.execute(change)
    assert broken(store) == [1]
    take(store, 1, {**RECORDS[1], "attempt": 2})
    with store.transaction() as connection:
        fail_trial(connection, 1, "its file is damaged")
    assert broken(store) == [1]


@pytest.mark.parametrize("change", [
    "UPDATE trials SET seed = 77 WHERE id = 1", "UPDATE trials SET density = 0.25 WHERE id = 1",
    "UPDATE layers SET kept = 4", "DELETE FROM layers", "UPDATE audits SET passed = 0",
])  # fmt: skip
def test_neither_what_is_new_nor_what_is_replaced_seals_what_the_disk_has_changed(store: Database, change: str) -> None:
    take(store, 1, *RECORDS[:2])
    store.connection.execute(change)
    take(store, 1, *RECORDS[2:])
    assert broken(store) == [1]
    take(store, 1, *RECORDS)  # what the disk has changed is replaced, but nobody has looked at what else it did
    assert broken(store) == [1]


def test_numbers_count_as_the_database_gives_them_back(store: Database) -> None:
    odd = {"kind": "layers", "layers": [["\x85 \u00e9", [], 4, 3, False]], "density": 1, "model_density": None}
    take(store, 1, odd, {**RECORDS[1], "checks": [["b", 0, ""], ["a", False, "%s"]]}, {**RECORDS[3], "score": -0.0})
    take(store, 2, {**RECORDS[0], "density": float("nan")}, {**RECORDS[3], "score": None, "step": 512.0})
    assert broken(store) == []
    assert store.rows("SELECT COUNT(*) FROM trials WHERE state = 'done'")[0][0] == 2


def test_what_makes_no_sense_is_not_stored_in_part(store: Database) -> None:
    layers, checks = [["a", [1], 1, 1, True], ["b", [1], 1, 2**70, True]], [["a", True, ""], ["b", True, []]]
    take(store, 1, {**RECORDS[0], "layers": layers}, {**RECORDS[1], "checks": checks}, {**RECORDS[3], "step": 2**70})
    take(store, 2, {**RECORDS[1], "checks": [["a", True, ""], ["b", True]]}, {**RECORDS[1], "moment": "between"})
    assert store.rows("SELECT (SELECT COUNT(*) FROM layers) + (SELECT COUNT(*) FROM audits)")[0][0] == 0
    assert broken(store) == []
    assert store.rows("SELECT COUNT(*) FROM events WHERE kind = 'bad record'")[0][0] == 5


@pytest.mark.parametrize("changed", [
    "3:z61b79a9b5d2a2f0c3f0d5b9c8a4e710", "3:", "3:61b79a9b", "c1cc9c4d1f7a9d536e0eb67300417337", "4:", "",
])  # fmt: skip
def test_a_digest_that_the_disk_has_changed_stays_as_it_is_and_stops_nothing(store: Database, changed: str) -> None:
    take(store, 1, *RECORDS[:2])
    store.connection.execute("UPDATE trials SET digest = ? WHERE id = 1", (changed,))
    take(store, 1, *RECORDS[1:], {**RECORDS[1], "attempt": 2})
    assert broken(store) == [1]
    assert store.rows("SELECT state, digest FROM trials WHERE id = 1")[0][:] == ("done", changed)


def test_the_experiment_of_a_job_has_a_digest(store: Database) -> None:
    assert digests.job_holds(store.connection, 1) is True
    with store.transaction() as connection, digests.kept_job(connection, 1):
        connection.execute("UPDATE jobs SET experiment = experiment || ' '")
    assert digests.job_holds(store.connection, 1) is True
    store.connection.execute("UPDATE jobs SET experiment = replace(experiment, '1', '3')")
    assert digests.job_holds(store.connection, 1) is False


def test_a_job_of_an_earlier_version_is_unchecked(store: Database) -> None:
    store.connection.execute("UPDATE trials SET digest = NULL")
    take(store, 1, *RECORDS)
    assert set(digests.trials_hold(store.connection, 1).values()) == {None}


def test_a_turn_of_several_trials_seals_none_that_the_disk_has_changed(store: Database) -> None:
    take(store, 1, *RECORDS)
    store.connection.execute("UPDATE trials SET seed = 77 WHERE id = 1")
    with store.transaction() as connection:
        take_over_all(connection, 1, [{**record, "trial": trial} for record in RECORDS for trial in (1, 2, 2**70)])
    assert store.rows("SELECT COUNT(*) FROM trials WHERE state = 'done'")[0][0] == 2
    assert broken(store) == [1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    turns=st.lists(st.tuples(st.lists(ANY_RECORDS, max_size=4), st.sampled_from(["COMMIT", "ROLLBACK"])), max_size=6),
    retried=st.sets(st.integers(0, 5)), change=st.sampled_from(CHANGES), at=st.integers(0, 6),
)  # fmt: skip
def test_whatever_is_stored_or_rolled_back_only_a_change_of_the_disk_breaks_the_digest_and_for_good(
    store: Database, turns: list[tuple[list[dict[str, Any]], str]], retried: set[int], change: str, at: int
) -> None:
    changed = 0
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        store.connection.backup(connection)
        for place, (records, end) in enumerate(turns):
            if place == at:
                changed = connection.execute(f"UPDATE {change}").rowcount
            connection.execute("BEGIN")
            take_over_all(connection, 1, records)
            if place in retried and requeue_unfinished(connection, 1):
                waiting = [row["id"] for row in ready_trials(connection, 1)]
                begin_batch(connection, add_batch(connection, 1, waiting), "cpu/0")
            connection.execute(end)
            assert [trial for trial, holds in digests.trials_hold(connection, 1).items() if not holds] == [1][:changed]


@pytest.mark.parametrize("change", ["", "UPDATE trials SET score = 0.5 WHERE id = 1"])
@pytest.mark.parametrize("earlier", ["380c2c1475348892ae26db8f22e65d85", "2:c5f6221ad5920c99861e28bf7000513c"])
def test_a_digest_as_earlier_versions_made_it_is_checked_and_followed_by_one_of_now(
    store: Database, earlier: str, change: str
) -> None:
    take(store, 1, *RECORDS)
    store.connection.execute("UPDATE trials SET digest = ? WHERE id = 1", (earlier,))
    digest = "c1cc9c4d1f7a9d536e0eb67300417337"
    store.connection.execute("UPDATE jobs SET name = 'a', identity = 'b', experiment = '{}', digest = ?", (digest,))
    assert broken(store) == []
    store.connection.execute(change)
    take(store, 1, {**RECORDS[1], "attempt": 2})
    assert broken(store) == [1] * bool(change)
    now = store.rows("SELECT digest FROM trials WHERE id = 1")[0][0]
    assert now == earlier if change else now.startswith(digests.SUM)
