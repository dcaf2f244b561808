"""Adding an experiment by keyboard."""

import asyncio
import json
import shutil
from pathlib import Path

import psutil
import pytest
from test_tui_bursts import burst
from tui_helpers import Open, until
from workspace_fixture import Writer, experiment

from lth_core.experiment import presets
from lth_tui.experiment_files import candidates, completed, measured_cost, preview
from lth_tui.experiment_text import fields_of, lines_of
from lth_tui.screens.add import Add
from lth_tui.screens.edit import Edit
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane
from tests.thorough import some

GOOD = 'arms = ["winning", "random"]\nseeds = 3\n[training]\nlength = 4000\n[pruning]\nrounds = 2\n'


@pytest.mark.parametrize("size", some([(80, 24), (120, 40)], (80, 24)))
async def test_choose_filter_preview_submit(
    opened: Open, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    (tmp_path / "broken.toml").write_text("seeds = 3\nround = 2\n")
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    async with opened(size) as (app, pilot):
        await pilot.press("n")
        assert isinstance(app.screen, Add)
        files, sketch = app.screen.query_one("#files", ListPane), app.screen.query_one("#sketch", Lines)
        await until(pilot, lambda: "quick/cartpole.toml" in files.text)
        await pilot.press(*"cartpole")
        await until(
            pilot, lambda: "396 trials: 8 rounds × 4 arms × 12 seeds, and 12 dense" in sketch.text.replace("\n ", "")
        )
        for _ in "cartpole":
            await pilot.press("backspace")
        assert "pyproject" not in files.text
        await pilot.press(*"broken")
        await until(pilot, lambda: "round is not a field" in " ".join(sketch.text.split()))
        await pilot.press("enter")
        await until(pilot, lambda: any("round is not a field" in text for _, _, text in app.said))
        assert isinstance(app.screen, Add)  # not queued: the sentence stands there
        for _ in "broken":
            await pilot.press("backspace")
        await pilot.press(*"mine")
        await until(pilot, lambda: "15 trials: 2 rounds × 2 arms × 3 seeds" in sketch.text)
        await pilot.press("enter")
        await until(pilot, lambda: bool(writer.asked()))
        kind, payload = writer.asked()[0]
        assert kind == "submit" and payload["again"] is False and payload["source"] == str(tmp_path / "mine.toml")
        assert json.loads(str(payload["experiment"]))["name"] == "mine"
        writer.answer_all({"job": 4, "known": True})
        await until(pilot, lambda: any("already" in n.message for n in app._notifications))
        await until(pilot, lambda: app.screen.query_one(JobTable).cursor == 4)


async def test_a_typed_path_counts(opened: Open, writer: Writer, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.toml").write_text(GOOD)
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Add))
        app.screen.query_one("#filter").value = str(tmp_path / "elsewhere" / "far.toml")  # type: ignore[attr-defined]
        await until(pilot, lambda: "15 trials" in app.screen.query_one("#sketch", Lines).text)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: bool(writer.asked()))
        assert writer.asked()[0][1]["again"] is True


async def test_a_path_that_no_file_can_have_matches_nothing(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("n")
        app.screen.query_one("#filter").value = "x" * 300 + ".toml"  # type: ignore[attr-defined]
        await until(pilot, lambda: "no match;" in app.screen.query_one("#sketch", Lines).text)


async def test_escape_adds_nothing(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("n")
        assert isinstance(app.screen, Add)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Add))
        assert writer.asked() == []


async def test_a_suite_is_queued_as_a_whole(opened: Open, writer: Writer) -> None:
    suite = Path(__file__).parents[2] / "configs" / "suites" / "classic-quick.toml"
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Add))
        app.screen.query_one("#filter").value = str(suite)  # type: ignore[attr-defined]
        await until(pilot, lambda: "suite classic-quick: 3 experiments" in app.screen.query_one("#sketch", Lines).text)
        await pilot.press("enter")
        await until(pilot, lambda: len(writer.asked()) == 3)
        assert {kind for kind, _ in writer.asked()} == {"submit"}
        assert {payload["suite"] for _, payload in writer.asked()} == {"classic-quick"}
        names = [json.loads(str(payload["experiment"]))["name"] for _, payload in writer.asked()]
        assert names == ["classic-quick-cartpole", "classic-quick-acrobot", "classic-quick-pendulum"]


@pytest.mark.processes
async def test_time_is_told_by_a_job_like_it_or_measured(opened: Open, writer: Writer, tmp_path: Path) -> None:
    file = tmp_path / "like.toml"
    file.write_text("\n".join(lines_of(fields_of(experiment("like", 2, 2)))))
    writer.sql("UPDATE jobs SET finished = started + 40 WHERE id = 1")  # 36 trials took 40 s
    async with opened((120, 40)) as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Add))
        app.screen.query_one("#filter").value = str(file)  # type: ignore[attr-defined]
        sketch = app.screen.query_one("#sketch", Lines)
        await until(pilot, lambda: "about 0:20, as job 1 took" in sketch.text)  # 18 trials of 40 / 36 s
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "B on disk" in sketch.text, seconds=90)


async def test_time_and_disk_are_measured_without_being_asked_while_nothing_runs(
    opened: Open, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    (tmp_path / "other.toml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lth_tui.screens.add._REST", 0.05)
    asked: list[str] = []
    ended: list[str] = []

    async def measured(path: Path, device: str, slots: int | None) -> list[str]:
        asked.append(path.name)
        try:
            if path.name == "mine.toml":
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(path.name)
            raise
        return [f"about 1:00 and 2 MB on disk for {path.name}"]

    monkeypatch.setattr("lth_tui.screens.add.measured_cost", measured)
    async with opened((120, 40)) as (app, pilot):
        await pilot.press("n", *"mine.toml")
        sketch = app.screen.query_one("#sketch", Lines)
        await until(pilot, lambda: "15 trials" in sketch.text)
        await until(pilot, lambda: not any(worker.group == "load" for worker in app.workers))
        assert not asked and "press ^t to measure" in sketch.text  # a trial runs: its time is not taken from it
        await pilot.press("escape")
        writer.sql("DELETE FROM slots")
        await until(pilot, lambda: not app.snapshot.slots)
        await pilot.press("n", *"mine.toml")
        await until(pilot, lambda: asked[-1:] == ["mine.toml"])
        for _ in "mine.toml":
            await pilot.press("backspace")
        await pilot.press(*"other.toml")
        sketch = app.screen.query_one("#sketch", Lines)
        await until(pilot, lambda: "2 MB on disk for other.toml" in sketch.text)
        assert "mine.toml" in ended and asked[-1] == "other.toml", "moving on ends a measurement"


async def test_fields_are_changed_and_queued_while_the_measurement_goes_on(
    opened: Open, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)

    async def endless(*_: object) -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("lth_tui.screens.add.measured_cost", endless)
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("n", *"mine.toml")
        sketch = app.screen.query_one("#sketch", Lines)
        await until(pilot, lambda: "15 trials" in sketch.text)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "measuring" in sketch.text)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, Edit))
        await pilot.press(*"seeds = 2", "enter", "ctrl+s")
        await until(pilot, lambda: len(writer.asked()) == 1)


async def test_a_measurement_asked_for_again_ends_the_first_and_stays_on_screen(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    begun, ended, second = 0, 0, asyncio.Event()

    async def endless(*_: object) -> list[str]:
        nonlocal begun, ended
        begun += 1
        if begun == 2:
            second.set()
        try:
            await asyncio.Event().wait()
        finally:
            await second.wait()  # the first ends after the next has begun
            ended += 1
        return []

    monkeypatch.setattr("lth_tui.screens.add.measured_cost", endless)
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("n", *"mine.toml")
        sketch = app.screen.query_one("#sketch", Lines)
        await until(pilot, lambda: "15 trials" in sketch.text)
        await pilot.press("ctrl+t", "ctrl+t")
        await until(pilot, lambda: ended == 1)
        await pilot.resize_terminal(100, 30)  # the sketch is drawn again
        assert "measuring" in sketch.text
        await pilot.press("escape")
        await until(pilot, lambda: ended == 2 and not isinstance(app.screen, Add))


@pytest.mark.processes
async def test_a_measurement_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    measuring = asyncio.create_task(measured_cost(tmp_path / "mine.toml", "cpu", 1))
    own = psutil.Process()

    def checks() -> list[psutil.Process]:
        return [child for child in own.children() if "check" in child.cmdline()]

    async with asyncio.timeout(30):
        while not checks():
            await asyncio.sleep(0.05)
    process = checks()[0]
    measuring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await measuring
    process.wait(10)
    assert not process.is_running()


async def test_own_files_come_first_and_tab_completes_a_path(
    opened: Open, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs" / "quick").mkdir(parents=True)
    (tmp_path / "configs" / "changed.toml").write_text(GOOD)
    shutil.copy(presets.folder() / "quick" / "cartpole.toml", tmp_path / "configs" / "quick" / "cartpole.toml")
    (tmp_path / "mine.toml").write_text(GOOD)
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    (tmp_path / "below" / "deeper" / "study_one.toml").write_text(GOOD)
    (tmp_path / "below" / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    labels = [one.label for one in candidates()]
    assert labels[:2] == ["mine.toml", "configs/changed.toml"] and labels.count("configs/quick/cartpole.toml") == 1
    assert completed("bel") == "below/" and completed(f"{tmp_path}/below/") == f"{tmp_path}/below/deeper/"
    assert completed("nothing/here") == "nothing/here" and completed("below/n") == "below/n"
    async with opened((80, 24)) as (app, pilot):
        burst(app, "nbel\t\t\t\n")
        await until(pilot, lambda: bool(writer.asked()))
        assert writer.asked()[0][1]["source"] == str(tmp_path / "below" / "deeper" / "study_one.toml")
        assert not isinstance(app.screen, Add)


def test_a_preview_says_what_it_is_counts_a_single_seed_as_one_and_names_units(tmp_path: Path) -> None:
    fields = 'arms = ["winning"]\nseeds = 1\n[pruning]\nrounds = 1\n[training]\nlength = 4096\n'
    (tmp_path / "one.toml").write_text(f"# Mine.\n# Why: a reason.\n{fields}")
    found = preview(tmp_path / "one.toml").lines
    assert found[1:3] == ("Mine.", "2 trials: 1 round × 1 arm × 1 seed, and 1 dense")
    assert "training: 4,096 steps, a2c, rmsprop, learning rate 0.0001" in found
    assert "rewinding: weights to 0 steps, schedule start" in found


@pytest.mark.processes
async def test_code_that_cannot_be_made_is_said_where_it_would_be_queued_and_not_before(
    opened: Open, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('was imported')")
    (tmp_path / "mine.toml").write_text(GOOD + '[task]\nenvironment = "trap.py:X"\n')
    monkeypatch.chdir(tmp_path)
    async with opened() as (app, pilot):
        await pilot.press("n")
        sketch = app.screen.query_one("#sketch", Lines)
        await pilot.press(*"mine.toml")
        await until(pilot, lambda: "when it is queued or measured" in " ".join(sketch.text.split()))
        await pilot.press("enter")
        await until(pilot, lambda: any("raised SystemExit: was imported" in text for _, _, text in app.said), 60)
        assert isinstance(app.screen, Add) and not writer.asked()
