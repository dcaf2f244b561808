"""Which suite a job belongs to: stored, migrated, found again, shown."""

import sqlite3
from pathlib import Path

from lth_core.cli.subject import find_job
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.jobs import add_job, adopt_job, known_job, set_job
from lth_core.store.schema import MIGRATIONS
from tests.engine.experiments import tiny


def add(database: Database, suite: str | None, name: str = "tiny", seeds: int = 2) -> int:
    with database.transaction() as connection:
        return add_job(connection, tiny(name, seeds=seeds), "file", {}, suite)


def test_jobs_of_an_older_workspace_belong_to_no_suite(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    old = sqlite3.connect(path)
    old.executescript(MIGRATIONS[0])
    made = tiny()
    old.execute(
        "INSERT INTO jobs (name, identity, experiment, provenance, source, state, position, created) "
        "VALUES ('tiny', ?, ?, '{}', '', 'done', 1, 0)",
        (made.identity, made.canonical()),
    )
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    database = Database(path, writer=True)
    view = views.job(database, 1)
    assert view is not None and view.suite is None and view.experiment == made
    assert views.suites(database) == []
    database.close()


def test_a_suite_finds_its_own_job_then_one_without_a_suite_never_anothers(tmp_path: Path) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    connection, identity = database.connection, tiny().identity
    other = add(database, "other")
    assert known_job(connection, identity) == other
    assert known_job(connection, identity, "mine") is None
    single = add(database, None)
    assert known_job(connection, identity, "mine") == single
    mine = add(database, "mine")
    newer = add(database, None)
    assert known_job(connection, identity, "mine") == mine
    assert known_job(connection, identity) == newer
    for job in (newer, mine):
        adopt_job(connection, job, "third")
    assert [job.suite for job in views.jobs(database)] == ["other", None, "mine", "third"]
    database.close()


def test_a_suites_jobs_are_the_newest_of_each_name_and_cancelled_ones_only_where_there_is_no_other(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    first, edited, b = add(database, "s", "s-a"), add(database, "s", "s-a", seeds=1), add(database, "s", "s-b")
    add(database, None, "s-a")
    assert [job.id for job in views.suite_jobs(database, "s")] == [edited, b]
    for job in (edited, b):
        with database.transaction() as connection:
            set_job(connection, job, "cancelled")
    assert [job.id for job in views.suite_jobs(database, "s")] == [first, b]
    assert views.suites(database) == ["s"]
    assert views.suite_jobs(database, "absent") == []
    database.close()


def test_a_job_that_has_the_name_of_a_suite_is_found_by_its_name(tmp_path: Path) -> None:
    database = Database(tmp_path / "workspace.sqlite", writer=True)
    add(database, "digits", "digits-a")
    named = add(database, "digits", "digits")
    assert find_job(tmp_path, "digits")[2].id == named
    database.close()
