"""What is refused is refused before anything is queued, and what is not ours is read without harm."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lth_core.cli import app
from lth_core.experiment import presets
from lth_core.report import write
from lth_core.store import views
from lth_core.store.database import Database
from tests.command import lth
from tests.engine.experiments import as_toml, tiny
from tests.once import copied


@pytest.fixture(scope="module")
def held(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment and a workspace in which it is done."""
    folder = tmp_path_factory.mktemp("held")
    copied(trained / "workspace", folder / "ws")
    shutil.copy(trained / "tiny.toml", folder / "good.toml")
    return folder


@pytest.fixture
def changed(held: Path, tmp_path: Path) -> Path:
    """A copy of its database that a test may spoil."""
    with sqlite3.connect(held / "ws" / "workspace.sqlite") as source:
        source.execute("VACUUM INTO ?", (str(tmp_path / "workspace.sqlite"),))
    return tmp_path


def spoil(folder: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(folder / "workspace.sqlite") as connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("asked", [("--device", "gpu9"), ("--slots", "0"), ("--slots", -1), ("--slots", 10**22)])
def test_a_device_that_is_not_there_queues_nothing(held: Path, asked: tuple[str, object], tmp_path: Path) -> None:
    done = lth("headless", "good.toml", "-w", tmp_path / "ws", *asked, cwd=held)
    assert done.returncode == 2 and "expected" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize("command", [("headless", "x.toml", "--slots", "x"), ("move", "1", "--up", "1.5")])
def test_a_number_that_is_none_is_named_with_its_option(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and f"'{command[-2]}': {command[-1]}: expected a whole number" in done.output


@pytest.mark.parametrize("places", [("--up", "0"), ("--down", "-1"), ("--first", "--up", "0")])
def test_a_job_moves_by_at_least_one_place(places: tuple[str, ...]) -> None:
    refused = CliRunner().invoke(app, ["move", "1", *places]).exception
    assert str(refused) == f"move: {places[-2]} {places[-1]}: expected a whole number from 1"


@pytest.mark.parametrize("command", [
    ("inspect", 10**20), ("ticket", "export", 10**20, "out"), ("jobs", "-w", "n" * 300),
    ("inspect", 1, "--barriers", "--device", "foo"), ("headless", "good.toml", "-w", "n" * 300),
])  # fmt: skip
def test_odd_arguments_are_one_sentence(held: Path, command: tuple[object, ...]) -> None:
    words = command if "-w" in command else (*command, "-w", "ws")
    done = lth(*words, cwd=held)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("lth: ") and "Error" not in done.stderr


def test_escape_sequences_of_a_stored_path_reach_no_terminal(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "FORMATS", ("svg",))
    spoil(changed, "UPDATE trials SET tensors = ?", "\x1b[31mEVIL\x08")
    for command in (("inspect", 1), ("report", 1, "-o", changed / "r"), ("export", 1, "-o", changed / "e")):
        done = lth(*command, "-w", changed, cwd=changed)
        assert "\x1b[31m" not in done.stdout + done.stderr and "\x08" not in done.stdout + done.stderr


def test_a_job_that_cannot_be_read_hides_no_other(changed: Path) -> None:
    with sqlite3.connect(changed / "workspace.sqlite") as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
    names = ", ".join(name for name in columns if name not in ("id", "experiment"))
    spoil(changed, f"INSERT INTO jobs (experiment, {names}) SELECT '{{}}', {names} FROM jobs WHERE id = 1")
    done = lth("jobs", "-w", changed)
    assert done.returncode == 0 and "tiny" in done.stdout and "job 2 cannot be read" in done.stdout
    said = lth("show", 2, "-w", changed)
    assert said.returncode == 2 and "a stored experiment cannot be read" in said.stderr


@pytest.mark.parametrize("statement", [
    "UPDATE jobs SET provenance = 'x'", f"UPDATE jobs SET provenance = '{'[' * 50_000}'",
    "UPDATE layers SET shape = 'x'", "UPDATE layers SET shape = '5'",
])  # fmt: skip
def test_stored_json_that_is_none_is_no_traceback(changed: Path, statement: str) -> None:
    spoil(changed, statement)
    for command in (("show", 1), ("export", 1, "-o", changed / "e")):
        done = lth(*command, "-w", changed)
        assert "Traceback" not in done.stderr and done.returncode in (0, 2)


def test_show_says_why_a_trial_failed(changed: Path) -> None:
    spoil(changed, "UPDATE trials SET state = 'failed', error = 'the simulator lost its physics' WHERE round = 1")
    assert "winning round 1 seeds 0, 1: the simulator lost its physics" in lth("show", 1, "-w", changed).stdout


@pytest.mark.processes
def test_a_preset_by_name_is_remembered_as_its_file(tmp_path: Path) -> None:
    small = {"seeds": 1, "arms": "['winning']", "pruning.rounds": 1, "training.length": 2_000}
    small["training.evaluation_episodes"] = 1
    overrides = [word for name, value in small.items() for word in ("--set", f"{name}={value}")]
    done = lth("headless", "quick/cartpole", "--device", "cpu", "--slots", 1, *overrides, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    job = views.job(Database(tmp_path / "workspace" / "workspace.sqlite", writer=False), 1)
    assert job is not None and Path(job.source) == presets.folder() / "quick" / "cartpole.toml"


@pytest.mark.processes
def test_python_files_of_the_current_folder_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(as_toml(tiny(pruning={"rounds": 1}, arms=["winning"], seeds=1)))
    for name in ("torch", "json", "numpy", "gymnasium"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'RUN')!r}, 'w').write('{name}')\n")
    command = [sys.executable, "-P", "-m", "lth_core.cli", "headless", "good.toml", "--slots=1"]
    done = subprocess.run([*command, "-w", "ws"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "RUN").exists()


def test_brackets_in_the_help_are_shown() -> None:
    """They are markup to the library that prints it, unless escaped."""
    from typer.main import get_command

    def texts(command: Any) -> Iterator[str]:
        yield command.help or ""
        yield from (option.help or "" for option in command.params if hasattr(option, "help"))
        for part in getattr(command, "commands", {}).values():
            yield from texts(part)

    assert not [text for text in texts(get_command(app)) if re.search(r"(?<!\\)\[[a-z]", text)]
