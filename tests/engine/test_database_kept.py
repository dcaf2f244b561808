"""`lth doctor --repair` makes a lost database again, and never sets one aside that may be whole."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lth_core.cli import app
from lth_core.errors import InputError
from lth_core.store import database as module
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.schema import MIGRATIONS
from lth_core.store.workspace import Workspace
from lth_core.upkeep import health
from tests.engine.experiments import tiny

HOLD = (
    "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
    "c.execute('PRAGMA locking_mode = EXCLUSIVE'); c.execute('BEGIN EXCLUSIVE'); print(flush=True); time.sleep(60)"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One with a job that has never started: no folder tells of it."""
    made = Workspace(tmp_path / "w")
    made.create()
    database = Database(made.database, writer=True)
    with database.transaction() as connection:
        add_job(connection, tiny(), "source", {})
    database.close()
    return made


def doctor(workspace: Workspace, *options: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *options, "-w", str(workspace.folder)])


def assert_kept(workspace: Workspace, names: set[str]) -> None:
    """The same files as before, but for those of SQLite's locks and the lease; none of them empty."""
    now = {path.name for path in workspace.folder.iterdir()}
    assert {name for name in now - names if not name.endswith(("-wal", "-shm")) and name != "engine.lock"} == set()
    assert workspace.database.stat().st_size > 0


def jobs(workspace: Workspace) -> int:
    database = Database(workspace.database, writer=False)
    count = database.rows("SELECT COUNT(*) FROM jobs")[0][0]
    database.close()
    return int(count)


def names(workspace: Workspace) -> set[str]:
    return {path.name for path in workspace.folder.iterdir()}


def test_an_older_database_is_migrated_and_never_made_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = (*MIGRATIONS, "ALTER TABLE events ADD COLUMN extra INTEGER")
    monkeypatch.setattr(module, "MIGRATIONS", newer)
    said = doctor(workspace)
    assert said.exit_code == 0 and "written by an older version" in said.output
    said = doctor(workspace, "--repair")
    assert said.exit_code == 0 and "rebuilt" not in said.output, said.output
    assert jobs(workspace) == 1
    assert len(list(workspace.folder.glob("*.backup"))) == 1 and not list(workspace.folder.glob("*.damaged-*"))


def test_a_newer_database_is_refused_and_left_where_it_is(workspace: Workspace) -> None:
    connection = sqlite3.connect(workspace.database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = names(workspace)
    said = doctor(workspace)
    assert said.exit_code == 1 and "please update" in said.output and "--repair" not in said.output
    said = doctor(workspace, "--repair")
    assert isinstance(said.exception, InputError) and "please update" in str(said.exception)
    assert_kept(workspace, before)


@pytest.fixture
def held(workspace: Workspace) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(workspace.database)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield
    process.kill()
    process.communicate()


@pytest.mark.processes
def test_a_locked_database_is_refused_and_left_where_it_is(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.1}))
    before = names(workspace)
    request.getfixturevalue("held")
    said = doctor(workspace)
    assert said.exit_code == 1 and "locked" in said.output and "--repair" not in said.output
    said = doctor(workspace, "--repair")
    assert isinstance(said.exception, InputError) and "is locked by another process" in str(said.exception)
    assert_kept(workspace, before)


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


@pytest.fixture
def full(tmp_path: Path, workspace: Workspace) -> Iterator[Workspace]:
    """The workspace on a small filesystem that is full; skips where mounting is not permitted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "none", str(disk)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("mounting a small filesystem is not permitted here")
    shutil.copytree(workspace.folder, disk / "w")
    fill(disk)
    yield Workspace(disk / "w")
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_named_and_the_database_left_where_it_is(full: Workspace) -> None:
    before = names(full)
    said = doctor(full)
    assert said.exit_code == 1 and f"disk full: {full.folder}" in said.output and "--repair" not in said.output
    said = doctor(full, "--repair")
    assert isinstance(said.exception, InputError) and str(said.exception).startswith(f"disk full: {full.folder}")
    assert_kept(full, before)
    (full.folder.parent / "filler").unlink()
    assert jobs(full) == 1


@pytest.mark.parametrize("how", ["garbage", "empty", "missing", "another program's", "a trigger", "without a table"])
def test_a_lost_database_is_made_again(workspace: Workspace, how: str) -> None:
    if how in ("garbage", "empty", "another program's"):
        workspace.database.write_bytes(b"garbage " * 1000 if how == "garbage" else b"")
    elif how == "missing":
        workspace.database.unlink()
    acts = {
        "another program's": "CREATE TABLE bookmarks (x)",
        "a trigger": "CREATE TRIGGER evil AFTER INSERT ON commands BEGIN DELETE FROM jobs; END",
        "without a table": "DROP TABLE slots",
    }
    if how in acts:
        connection = sqlite3.connect(workspace.database)
        connection.execute(acts[how])
        connection.close()
    assert "lth doctor --repair" in doctor(workspace).output
    said = doctor(workspace, "--repair")
    assert said.exit_code == 0 and "0 jobs, 0 trials" in said.output, said.output
    assert not list(workspace.folder.glob("*.remade*"))


@pytest.mark.parametrize("where", ["filling it", "putting it in its place"])
def test_a_database_that_cannot_be_made_again_changes_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    workspace.database.write_bytes(b"garbage " * 1000)
    before = names(workspace)

    def fail(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    if where == "filling it":
        monkeypatch.setattr(health, "rebuild", fail)
    else:
        rename = Path.rename
        monkeypatch.setattr(Path, "rename", lambda a, b: fail() if b == workspace.database and a != b and
                            "damaged" not in a.name else rename(a, b))  # fmt: skip
    said = doctor(workspace, "--repair")
    assert isinstance(said.exception, InputError) and "No space left" in str(said.exception)
    assert_kept(workspace, before)
    assert workspace.database.read_bytes() == b"garbage " * 1000


def test_on_a_full_disk_readers_name_it_and_gc_frees_room_from_the_reserve(full: Workspace) -> None:
    (full.folder.parent / "filler").unlink()
    (full.folder / "reserve").write_bytes(b"x" * 1_000_000)
    litter = full.folder / "workspace.sqlite.damaged-1"
    litter.write_bytes(b"x" * 1_000_000)
    fill(full.folder.parent)
    for command in (["jobs"], ["gc"]):
        said = CliRunner().invoke(app, [*command, "-w", str(full.folder)])
        assert isinstance(said.exception, InputError) and str(said.exception).startswith(f"disk full: {full.folder} ")
    assert (full.folder / "reserve").exists(), "readers touch nothing"
    said = CliRunner().invoke(app, ["gc", "--yes", "-w", str(full.folder)])
    assert said.exit_code == 0 and "1.0 MB freed" in said.output, said.exception
    assert not litter.exists()
    assert jobs(full) == 1
