"""`lth` as a user meets it: help, bad input, check, show, diff, and a run in a pipe and on a terminal."""

import json
import os
import pty
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from lth_core.cli.fields import lines
from lth_core.experiment.presets import brief
from lth_core.store import commands
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from tests.command import lth, lth_apart
from tests.engine.experiments import as_toml, tiny
from tests.once import copied

ROOT = Path(__file__).parent.parent.parent
QUICK = ROOT / "configs" / "quick" / "cartpole.toml"


@pytest.fixture(scope="module")
def finished(trained: Path) -> tuple[Path, str]:
    """A folder with a finished run of a tiny experiment, and what the run printed."""
    return trained, (trained / "out.txt").read_text()


@pytest.mark.processes
def test_help_names_the_commands() -> None:
    done = lth_apart("--help")
    assert done.returncode == 0
    for command in ("headless", "check", "show", "diff", "jobs"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("pruning.rouds=3", 'pruning.rouds is not a field: expected one of fraction, rounds'),
        ("pruning.rouds=3", 'did you mean "rounds"?'),
        ("pruning.fraction=1.5", "pruning.fraction = 1.5: expected less than 1"),
        ("task.environment='CartPol-v1'", 'did you mean "CartPole-v1"?'),
        ("arms=['winning', 'randm']", 'did you mean "random"?'),
        ("rewinding.weights=-1", "rewinding.weights = -1"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_exit_code_2(override: str, expected: str, tmp_path: Path) -> None:
    done = lth("headless", QUICK, "--set", override, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert str(QUICK) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "workspace").exists()


def test_a_missing_file_and_a_broken_file_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[task\nkind = 3")
    assert "no such file" in lth("check", tmp_path / "absent.toml").stderr
    assert "not valid TOML" in lth("check", tmp_path / "broken.toml").stderr


def test_a_folder_that_cannot_be_a_workspace_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = lth("headless", QUICK, "--workspace", tmp_path / "file")
    assert done.returncode == 2 and "workspace" in done.stderr and "Traceback" not in done.stderr


def test_a_database_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "workspace.sqlite").write_bytes(b"this is no database, but long enough to look at" * 30)
    done = lth("jobs", "--workspace", tmp_path)
    assert done.returncode == 2 and "cannot be used as a database" in done.stderr


@pytest.mark.processes
def test_check_says_whether_a_games_tickets_train_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("lth_core.cli.price"), "MEASURE_SECONDS", 0.2)
    (tmp_path / "pong.toml").write_text(
        'seeds = 8\n[task]\nkind = "atari"\ngame = "Pong"\nsize = [36, 36]\nmax_frames = 40\n'
        '[model]\narchitecture = "small"\n'
        "[training]\nlength = 1000\nenvironments = 1\nn_steps = 8\nevaluation_episodes = 1\n[pruning]\nrounds = 1\n"
    )
    done = lth("check", tmp_path / "pong.toml", "--device", "cpu", "--slots", "1")
    assert done.returncode == 0, done.stderr
    assert "a stack of 4 trains at" in done.stdout
    assert "times the rate of one per slot (measured): " in done.stdout
    assert 'game = "pong"' in done.stdout


@pytest.mark.processes
def test_check_prints_experiment_trials_and_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("lth_core.cli.price"), "MEASURE_SECONDS", 0.2)
    done = lth("check", QUICK, "--device", "cpu", "--slots", "1")
    assert done.returncode == 0
    assert "pruning.rounds = 8" in done.stdout
    assert "396 trials: 12 dense, 96 winning" in done.stdout
    assert "47,520,000 environment steps" in done.stdout
    assert "measured" in done.stdout and "B on disk" in done.stdout


def test_a_run_in_a_pipe_prints_plain_lines_table_and_verdict(finished: tuple[Path, str]) -> None:
    _, out = finished
    assert "\x1b" not in out
    assert "round 2 finished" in out
    assert "winning minus arm" in out
    assert "49." in out
    assert "2 seeds cannot decide" in out
    assert "0 failed" in out


def test_the_same_file_again_prints_its_table_at_once(finished: tuple[Path, str]) -> None:
    folder, first = finished
    done = lth("headless", "tiny.toml", cwd=folder)
    assert done.returncode == 0
    assert "job 1 already has this experiment (done)" in done.stdout
    assert done.stdout.splitlines()[-4:] == first.splitlines()[-4:]


def test_show_and_jobs_print_what_is_stored(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    shown = lth("show", "1", cwd=folder).stdout
    for expected in ('task.environment = "CartPole-v1"', "packages.torch", "identity = ", "host", "winning"):
        assert expected in shown
    listed = lth("jobs", cwd=folder).stdout
    assert "tiny" in listed and "took 0:" in listed
    assert lth("show", "tiny", cwd=folder).stdout == shown, "by name, unless a file or preset has it"
    assert lth("diff", "tiny", "1", cwd=folder).returncode == 0
    done = lth("show", "9", cwd=folder)
    assert done.returncode == 2 and "there is no job 9; there are: 1" in done.stderr
    done = lth("show", "tinny", cwd=folder)
    assert done.returncode == 2 and 'job or suite of workspace, did you mean "tiny"?' in done.stderr


def test_diff_names_the_fields_that_differ(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    assert lth("diff", "1", "tiny.toml", cwd=folder).returncode == 0
    done = lth("diff", "1", QUICK, cwd=folder)
    assert done.returncode == 1
    assert "pruning.rounds" in done.stdout and "task.environment" not in done.stdout


@pytest.mark.processes
def test_a_failed_trial_gives_exit_code_1(tmp_path: Path) -> None:
    broken = tiny(training={"learning_rate": 1e37, "optimizer": "rmsprop"}, seeds=1)
    (tmp_path / "broken.toml").write_text(as_toml(broken))
    done = lth("headless", "broken.toml", "--json", "--slots", 1, cwd=tmp_path)
    assert done.returncode == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert any(e["event"] == "trial failed" and "diverged" in e["text"] for e in events)


@pytest.mark.processes
def test_a_job_that_is_deleted_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(as_toml(tiny("one", seeds=1, pruning={"rounds": 1})))
    (tmp_path / "two.toml").write_text(as_toml(tiny("two", seeds=3)))
    process = subprocess.Popen(
        [sys.executable, "-m", "lth_core.cli", "headless", "one.toml", "two.toml", "--device=cpu", "--slots=1"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        while "two: queued with" not in (line := process.stdout.readline()):
            assert line, "it ended"
        database = Database(Workspace(tmp_path / "workspace").database, writer=True)
        commands.ask(database, commands.Delete(job=2))
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert [row["state"] for row in database.rows("SELECT state FROM jobs")] == ["done", "queued"]
    database.close()
    assert process.returncode == 1 and "job 2 was deleted before it ended" in out, out
    assert out.count("audit: ") == 1, "the other one's table"


@pytest.mark.processes
def test_a_run_on_a_terminal_shows_progress(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(as_toml(tiny(seeds=1, arms=["winning"])))
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lth_core.cli", "headless", "tiny.toml", "--device", "cpu"],
        cwd=tmp_path, stdin=child, stdout=child, stderr=child, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(child)
    seen, deadline = b"", time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            seen += os.read(parent, 65536)
        except OSError:
            break
    assert process.wait(timeout=120) == 0
    text = seen.decode(errors="replace")
    assert "trials" in text and "left" in text and "winning minus arm" in text


def test_what_cannot_run_is_refused_before_it_is_queued(tmp_path: Path) -> None:
    for override, expected in (
        ("task.environment='phys2d/CartPole-v1'", "cannot be made"),
        ("name=1979-05-27", "dates and times are not accepted"),
    ):
        done = lth("headless", QUICK, "--set", override, cwd=tmp_path)
        assert done.returncode == 2 and expected in done.stderr, done.stderr
    assert not (tmp_path / "workspace").exists()


def test_odd_subjects_are_sentences(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    for subject in ("\u00b2", "99999999999999999999", "/dev/zero"):
        done = lth("show", subject, cwd=folder)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr


@pytest.mark.processes
def test_a_reader_that_leaves_does_not_fail_the_run(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(as_toml(tiny(training={"length": 100_000})))
    process = subprocess.Popen(
        [sys.executable, "-m", "lth_core.cli", "headless", "tiny.toml", "--json", "--device=cpu", "--slots=1"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 130
    assert "Traceback" not in process.stderr.read()


def test_hostile_names_are_refused_or_shown_clean(tmp_path: Path) -> None:
    for name in ("../x", "-rf", "a\\u0000b", "\\u001b]0;title\\u0007", "a/b", "\\u202Etxt"):
        (tmp_path / "e.toml").write_text(f'name = "{name}"\nseeds = 1\n')
        done = lth("headless", "e.toml", cwd=tmp_path)
        assert done.returncode == 2
        assert not {"\x1b", "\x00", "\x07", "\u202e"} & set(done.stderr)
    assert not (tmp_path / "workspace").exists()


def test_what_another_wrote_into_a_workspace_is_printed_clean(finished: tuple[Path, str], tmp_path: Path) -> None:
    copied(finished[0], tmp_path / "w")
    database = Database(tmp_path / "w" / "workspace" / "workspace.sqlite", writer=True)
    evil = "\x1b]0;title\x07\x9b31m\u202etxt"
    database.connection.execute("UPDATE jobs SET error = ?, suite = ?", (evil, evil))
    headless = lth("headless", "tiny.toml", "--device", "cpu", cwd=tmp_path / "w")
    database.connection.execute("UPDATE jobs SET identity = ?", (evil,))
    database.close()
    for done in (headless, lth("show", 1, cwd=tmp_path / "w"), lth("jobs", cwd=tmp_path / "w")):
        assert done.returncode == 0, done.stderr
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(done.stdout)
    assert "job 1 done: 31mtxt" in headless.stdout


def test_fields_are_printed_clean_and_whole() -> None:
    assert lines({"task.data": '"a\x9b31mb\u202e"'}) == 'task.data = "a31mb"'
    seeds = json.dumps(list(range(2_000)))
    assert lines({"seeds": seeds}) == f"seeds = {seeds}"


def test_presets_and_fields_are_listed(tmp_path: Path) -> None:
    listed = lth("presets", cwd=tmp_path)
    assert listed.returncode == 0 and "quick/cartpole" in listed.stdout and "under two minutes" in listed.stdout
    assert "keeps its" not in listed.stdout, "only of one that is asked for"
    assert "keeps its" in " ".join(lth("presets", "quick/cartpole", cwd=tmp_path).stdout.split())
    assert lth("presets", "quick/cartpol", cwd=tmp_path).returncode == 0
    assert lth("presets", "cartpool", cwd=tmp_path).returncode == 2
    assert brief("A b: c. Needs d. E f g. 1,420 trainings, h.") == "A b: c. Needs d. 1,420 trainings, h."
    fields = lth("fields", cwd=tmp_path)
    assert fields.returncode == 0 and "| `fraction` | a number above 0, below 1 | `0.2` |" in fields.stdout
