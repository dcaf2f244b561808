"""Workers' logs: which are shown, in what order, and what `lth log` prints of them."""

from pathlib import Path

import pytest

from lth_core.cli.log import run
from lth_core.store.logs import merged, tail
from tests.tui.workspace_fixture import Writer, experiment


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A job of two rounds without a failed trial, and no logs."""
    made = experiment(seeds=2, rounds=2, arms=("winning", "random"))
    writer = Writer(tmp_path / "ws")
    writer.job(made, "done")
    for round in range(3):
        writer.round(1, made, round)
    return writer


def leave(writer: Writer, batch: int, attempt: int, text: str) -> None:
    folder = writer.workspace.batch(batch) / f"attempt-{attempt}"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text(text)


def test_the_log_of_a_failed_trial_is_printed_with_its_cause_before_the_newest(
    writer: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    run("1", writer.workspace.folder, 10)
    assert capsys.readouterr().out == "no worker has written a log yet\n"
    leave(writer, 1, 1, "sound\n")
    leave(writer, 3, 1, "newest\n")
    leave(writer, 2, 1, "one\nTraceback (most recent call last):\n    boom \x1b[31m[red]\n")
    run("1", writer.workspace.folder, 10)
    assert capsys.readouterr().out == "== batches/000003/attempt-1/log.txt\nnewest\n"
    writer.sql(
        "UPDATE trials SET state = 'failed', error = 'di\nverged' WHERE round = 1 AND arm = 'random' AND seed = 1"
    )
    writer.sql("UPDATE batches SET attempt = 2 WHERE id = 2")  # whose log is not there yet
    run("cartpole", writer.workspace.folder, 2)
    assert capsys.readouterr().out.splitlines() == [
        "1 trial failed:", "- round 1, random, seed 1: di verged",
        "== batches/000002/attempt-1/log.txt", "Traceback (most recent call last):", "    boom [red]",
        "== batches/000003/attempt-1/log.txt", "newest",
    ]  # fmt: skip


def test_logs_of_several_workers_are_merged_by_time() -> None:
    one = ["2026-11-29 10:00:00,100 INFO a", "  of a", "2026-11-29 10:00:02,100 INFO c"]
    other = ["no time", "2026-11-29 10:00:01,100 INFO b"]
    assert [line[-1] for line in merged([one, other])] == ["e", "a", "a", "b", "c"]


def test_a_log_that_is_a_link_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside\n")
    (tmp_path / "log.txt").symlink_to(tmp_path / "secret")
    assert tail(tmp_path / "secret", 5) == ["outside"]
    assert tail(tmp_path / "log.txt", 5) == []
