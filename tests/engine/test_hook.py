"""The user's command for notices: what it is given, and what becomes of one that goes wrong."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lth_core.engine.hook import Hook
from lth_core.errors import InputError
from lth_core.notify_settings import notify_settings
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.events import add_event
from lth_core.store.ingest import take_over
from lth_core.store.jobs import add_job, set_job
from lth_core.store.notices import Notices
from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """With a job; the settings are in the test's folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "lth").mkdir()
    made = Workspace(tmp_path / "ws")
    made.create()
    return made


@pytest.fixture
def database(workspace: Workspace) -> Iterator[Database]:
    found = Database(workspace.database, writer=True)
    with found.transaction() as connection:
        add_job(connection, tiny("x" * 80), "x.toml", {})
    yield found
    found.close()


def settings(workspace: Workspace, text: str) -> None:
    (workspace.folder.parent / "lth" / "workbench.toml").write_text(f"theme = 'nord'\n[notify]\n{text}")


def end(database: Database, state: str) -> None:
    with database.transaction() as connection:
        set_job(connection, 1, state)


def test_the_command_has_the_notice_on_its_standard_input(workspace: Workspace, database: Database) -> None:
    given = workspace.folder.parent / "given; rm -rf $HOME"
    settings(workspace, f"command = ['tee', '-a', '{given}']")
    hook = Hook(workspace, database)
    end(database, "running")
    end(database, "done")
    hook.close(database)
    said = json.loads(given.read_text())
    assert (said["version"], said["event"], said["job"], said["state"]) == (1, "done", 1, "done")
    assert said["workspace"] == str(workspace.folder)
    assert time.time() - said["at"] < 60
    assert views.events(database)[-1].kind == "done"  # nothing went wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("command = ['/no/such/program']", "/no/such/program cannot be started: No such file or directory"),
        ("command = ['ls', '/no/such/folder']", "ended with exit code 2: "),
        ("command = ['sleep', '600']", "had not ended after 0.1 s and was killed"),
        ("command = 'mail me'", "notify.command: expected a list such as"),
        ("command = ['./here']", "notify.command: expected a list such as"),
        ("comand = ['ls']", 'there is no comand: expected command, on, bell, title, desktop, did you mean "command"?'),
        ("on = ['never']", "notify.on: expected a list of done, failed, stalled, audit"),
        ("desktop = 9", "notify.desktop: expected one of both, osc9, osc777, off"),
        ("command = ['ls', '/no']\non = ['failed']", None),
        ("", None),
    ],
)
def test_a_command_that_goes_wrong_is_an_event_and_no_more(
    workspace: Workspace, database: Database, text: str, expected: str | None
) -> None:
    settings(workspace, text)
    hook = Hook(workspace, database, limit=0.1)
    end(database, "done")
    hook.tell(database)
    hook.close(database)
    job, last = views.job(database, 1), views.events(database)[-1]
    assert job is not None
    assert job.state == "done"
    assert last.kind == ("notify" if expected else "done")
    assert expected is None or expected in last.text


def test_what_stalls_and_a_failed_audit_are_told_once_until_the_job_goes_on(database: Database) -> None:
    notices = Notices(database)

    def warn() -> None:
        with database.transaction() as connection:
            add_event(connection, "warning", "cpu-0 has shown no sign of life", 1)
            add_event(connection, "warning", "of no job")
            checks = [["nested", False, "3 entries are not"], ["density", True, "0.5"]]
            take_over(connection, 1, {"kind": "audit", "trial": 1, "moment": "before", "checks": checks})

    warn()
    first = notices.new(database)
    assert [(one.kind, one.text) for one in first] == [
        ("stalled", "cpu-0 has shown no sign of life"),
        ("audit", "audit before training: nested: 3 entries are not"),
    ]
    warn()
    end(database, "paused")
    assert notices.new(database) == []
    with database.transaction() as connection:
        set_job(connection, 1, "queued")
        set_job(connection, 1, "paused", "disk full")
    assert [one.kind for one in notices.new(database)] == ["stalled"]


def test_neither_an_experiment_nor_a_workspace_names_a_command(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="notify"):
        tiny(notify={"command": ["touch", "x"]})
    for place in (workspace.folder / "lth", workspace.folder):
        place.mkdir(exist_ok=True)
        (place / "workbench.toml").write_text("[notify]\ncommand = ['touch', 'x']")
    assert notify_settings(workspace.folder.parent / "lth" / "workbench.toml").command == ()
