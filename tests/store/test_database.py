"""The SQLite file: made, migrated, refused, shared."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lth_core.errors import InputError
from lth_core.store import database as module
from lth_core.store import metrics
from lth_core.store.database import Database
from lth_core.store.metrics import Point
from lth_core.store.schema import MIGRATIONS


def test_a_new_database_has_the_newest_schema_and_durable_settings(tmp_path: Path) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    assert database.row("PRAGMA user_version")[0] == len(MIGRATIONS)
    assert database.row("PRAGMA journal_mode")[0] == "wal"
    assert database.row("PRAGMA synchronous")[0] == 2
    assert database.row("PRAGMA foreign_keys")[0] == 1
    database.close()
    again = Database(tmp_path / "w.sqlite", writer=False)
    assert again.rows("SELECT * FROM jobs") == []
    again.close()


def test_on_a_network_filesystem_the_rollback_journal_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "on_network_filesystem", lambda path: True)
    database = Database(tmp_path / "w.sqlite", writer=True)
    assert database.row("PRAGMA journal_mode")[0] == "delete"
    database.close()


def test_readers_neither_make_nor_migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.sqlite"
    with pytest.raises(InputError, match="no workspace here yet"):
        Database(path, writer=False)
    assert not path.exists()
    Database(path, writer=True).close()
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE extra (x INTEGER) STRICT"))
    with pytest.raises(InputError, match="written by an older version"):
        Database(path, writer=False)


def test_an_older_database_is_backed_up_and_migrated_with_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.sqlite"
    database = Database(path, writer=True)
    with database.transaction() as connection:
        connection.execute("INSERT INTO events (at, kind, text) VALUES (1.0, 'k', 't')")
    database.close()
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "ALTER TABLE events ADD COLUMN extra INTEGER"))
    database = Database(path, writer=True)
    assert database.row("SELECT text, extra FROM events")[:] == ("t", None)
    assert database.row("PRAGMA user_version")[0] == len(MIGRATIONS) + 1
    database.close()
    (backup,) = tmp_path.glob("*.backup")
    old = sqlite3.connect(backup)
    assert old.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert old.execute("SELECT text FROM events").fetchall() == [("t",)]
    old.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.sqlite"
    Database(path, writer=True).close()
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE extra (x INTEGER); NONSENSE"))
    with pytest.raises(InputError):
        Database(path, writer=True)
    monkeypatch.undo()
    database = Database(path, writer=True)
    assert database.row("SELECT COUNT(*) FROM sqlite_master WHERE name = 'extra'")[0] == 0
    assert database.row("PRAGMA user_version")[0] == len(MIGRATIONS)
    database.close()


@pytest.mark.parametrize("writer", [True, False])
def test_a_newer_database_is_refused_in_a_sentence(tmp_path: Path, writer: bool) -> None:
    path = tmp_path / "w.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"written by a newer version .*schema 999.*please update"):
        Database(path, writer=writer)
    assert path.read_bytes() == before


@pytest.mark.parametrize("writer", [True, False])
@pytest.mark.parametrize("content", [b"garbage " * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, writer: bool, content: bytes) -> None:
    path = tmp_path / "w.sqlite"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be used as a database"):
        Database(path, writer=writer)
    assert path.read_bytes() == content


def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (x)")
    connection.commit()
    connection.close()
    with pytest.raises(InputError):
        Database(path, writer=True)


@pytest.mark.processes
def test_many_processes_may_make_the_database_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lth_core.store.database import Database\n"
        "sys.stdin.readline()\n"
        "d = Database(Path(sys.argv[1]), writer=True)\n"
        "with d.transaction() as c: c.execute(\"INSERT INTO events (at, kind, text) VALUES (0, 'k', 't')\")\n"
        "print(d.row('SELECT COUNT(*) FROM jobs')[0])"
    )
    for turn in range(2):
        path = tmp_path / f"{turn}.sqlite"
        started = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(4)
        ]  # fmt: skip
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60) for process in started]
        assert [out.strip() for out, _ in said] == ["0"] * 4, said
        database = Database(path, writer=False)
        assert database.row("SELECT COUNT(*) FROM events")[0] == 4
        database.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    insert = "INSERT INTO events (at, kind, text) VALUES (0, 'k', 't')"
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        connection.execute(insert)
        _ = 1 / 0
    assert database.rows("SELECT * FROM events") == []
    with database.transaction() as connection:
        connection.execute(insert)
    assert len(database.rows("SELECT * FROM events")) == 1
    database.close()


# Curves


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "w.sqlite", writer=True)


def test_curves_come_back_with_their_nan_and_in_order(database: Database) -> None:
    with database.transaction() as connection:
        metrics.write(
            connection,
            [Point(1, "a", 20, 2.0), Point(1, "a", 10, float("nan")), Point(2, "a", 10, 5.0), Point(1, "b", 10, 7.0)],
        )
    found = metrics.curves(database, [1, 2, 3], "a")
    assert found.keys() == {1, 2}
    assert found[1].steps.tolist() == [10, 20]
    assert repr(found[1].values.tolist()) == "[nan, 2.0]"
    assert metrics.curves(database, [1], "a", after_step=10)[1].steps.tolist() == [20]
    assert metrics.curves(database, [1], "nothing") == {}
    assert metrics.curves(database, [], "a") == {}


def test_a_step_that_is_written_again_keeps_its_newest_value(database: Database) -> None:
    for value in (1.0, 2.0):
        with database.transaction() as connection:
            metrics.write(connection, [Point(1, "a", 10, value)])
    assert metrics.curves(database, [1], "a")[1].values.tolist() == [2.0]


def test_infinite_values_come_back(database: Database) -> None:
    with database.transaction() as connection:
        metrics.write(connection, [Point(1, "a", 1, float("inf")), Point(1, "a", 2, -float("inf"))])
    assert metrics.curves(database, [1], "a")[1].values.tolist() == [float("inf"), -float("inf")]


def test_a_name_whose_transaction_was_rolled_back_is_made_again(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        metrics.write(connection, [Point(1, "a", 1, 1.0)])
        _ = 1 / 0
    with database.transaction() as connection:
        metrics.write(connection, [Point(1, "a", 1, 1.0)])
    assert metrics.curves(database, [1], "a")[1].values.tolist() == [1.0]
