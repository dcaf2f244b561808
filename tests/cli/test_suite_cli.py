"""`lth` with a suite file: checked, queued together, remembered, shown."""

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.command import lth
from tests.engine.experiments import suite_of_two
from tests.once import copied

ROOT = Path(__file__).parents[2]
QUICK = ROOT / "configs" / "suites" / "classic-quick.toml"


@pytest.fixture(scope="module")
def finished(trained_suite: Path) -> tuple[Path, str]:
    """A folder with a finished run of a suite of two tiny experiments, and what the run printed."""
    return trained_suite, (trained_suite / "out.txt").read_text()


@pytest.mark.processes
def test_check_prints_each_member_in_short_with_or_without_an_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = lth("check", QUICK, "--device", "cpu", "--no-measure")
    assert done.returncode == 0
    assert "suite classic-quick: 3 experiments" in done.stdout
    assert done.stdout.count("152 trials: 8 dense, 48 winning, 48 random, 48 reinit") == 3
    assert "total: 456 trials" in done.stdout
    assert "measured" not in done.stdout
    (tmp_path / "two.toml").write_text(suite_of_two())
    monkeypatch.setattr(import_module("lth_core.cli.price"), "MEASURE_SECONDS", 0.2)
    done = lth("check", "two.toml", "--device", "cpu", "--slots", 1, "--set", "seeds=1", cwd=tmp_path)
    assert done.stdout.count("B on disk") == 2 and "total: 10 trials, about" in done.stdout


def test_each_member_is_a_job_that_knows_its_suite(finished: tuple[Path, str]) -> None:
    folder, out = finished
    assert "two-v1" in out and "two-v0" in out
    rows = [line.split() for line in lth("jobs", cwd=folder).stdout.splitlines()]
    assert [row[:4] for row in rows if row and row[0].isdigit()] == [
        ["1", "two-v1", "two", "done"], ["2", "two-v0", "two", "done"],
    ]  # fmt: skip


def test_the_same_suite_again_runs_nothing_anew(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    done = lth("headless", "two.toml", cwd=folder)
    assert done.returncode == 0
    assert "two.toml: two-v0: job 2 already has this experiment (done)" in done.stdout


def test_a_bad_member_is_one_sentence_and_nothing_is_queued(tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(suite_of_two().replace("CartPole-v0", "CartPole-v7"))
    done = lth("headless", "two.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith('lth: two.toml: member v0: task.environment = "CartPole-v7"')
    assert not (tmp_path / "workspace").exists()


def test_show_prints_all_members_of_a_file_and_diff_refuses_one(tmp_path: Path) -> None:
    shown = lth("show", QUICK).stdout
    assert 'name = "classic-quick-cartpole"' in shown and 'name = "classic-quick-pendulum"' in shown
    done = lth("diff", QUICK, QUICK)
    assert done.returncode == 2 and "is a suite" in done.stderr


@pytest.mark.processes
def test_a_suite_ends_with_its_summary_and_show_prints_it_again(finished: tuple[Path, str]) -> None:
    folder, out = finished
    summary = out[out.index("suite two: 2 jobs") :]
    for expected in (
        "winning over dense",
        "over all jobs",
        "inconclusive",
        "of 2 jobs pruning",
    ):
        assert expected in summary
    shown = lth("show", "--suite", "two", cwd=folder)
    assert shown.returncode == 0
    assert shown.stdout.strip().splitlines() == summary.strip().splitlines()


def test_the_summary_is_one_json_event(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    done = lth("headless", "two.toml", "--json", cwd=folder)
    events = [json.loads(line, parse_constant=pytest.fail) for line in done.stdout.splitlines()]
    (event,) = [e for e in events if e["event"] == "suite result"]
    assert event["suite"] == "two" and [job["name"] for job in event["jobs"]] == ["two-v1", "two-v0"]
    assert {answer["word"] for job in event["jobs"] for answer in job["answers"]} == {"inconclusive"}
    assert event["across"] and event["said"]


def test_an_unknown_suite_and_a_show_of_nothing_are_sentences(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    assert lth("show", "two", cwd=folder).stdout == lth("show", "--suite", "two", cwd=folder).stdout != ""
    done = lth("show", "--suite", "tow", cwd=folder)
    assert done.returncode == 2 and 'there is no suite tow; there are: two, did you mean "two"?' in done.stderr
    for arguments in ((), ("1", "--suite", "two")):
        done = lth("show", *arguments, cwd=folder)
        assert done.returncode == 2 and "a suite's name, a file, or --suite NAME" in done.stderr


@pytest.mark.processes
def test_a_job_of_the_same_experiment_is_taken_into_the_suite_and_not_run_again(trained: Path, tmp_path: Path) -> None:
    copied(trained / "workspace", tmp_path / "workspace")
    (tmp_path / "two.toml").write_text(suite_of_two())
    done = lth("headless", "two.toml", "--device", "cpu", "--slots", 1, cwd=tmp_path)
    assert done.returncode == 0 and "two.toml: two-v1: job 1 already has this experiment (done)" in done.stdout
    rows = [line.split() for line in lth("jobs", cwd=tmp_path).stdout.splitlines()]
    assert [row[:3] for row in rows if row and row[0].isdigit()] == [["1", "tiny", "two"], ["2", "two-v0", "two"]]
