"""What the workbench leaves where the user put it: view, theme, colours, room for a dialog's hints."""

import os
import time
from pathlib import Path

import pytest
from textual.widgets._toast import Toast
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_core import places
from lth_tui import settings
from lth_tui.opening import workbench
from lth_tui.reading.reader import Reader
from lth_tui.reading.snapshot import Watch
from lth_tui.screens.add import Add
from lth_tui.screens.job import JobPage
from lth_tui.widgets.hints import CHANGING, Hints, hints_of
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines


@pytest.mark.parametrize("keys", ["v", "plus", "left_curly_bracket", "f v"])
async def test_a_new_round_leaves_a_cursor_or_zoom_where_it_is(opened: Open, writer: Writer, keys: str) -> None:
    async with opened() as (app, pilot):
        await pilot.press("enter")
        page = app.screen
        assert isinstance(page, JobPage)
        plot = page.query_one("#curves", LinePlot)
        await until(pilot, lambda: plot.chart.title != "" and plot.has_focus)
        shown = app.snapshot.detail.round if app.snapshot.detail else -1
        await pilot.press(*keys.split())
        writer.sql(f"UPDATE trials SET state = 'running' WHERE job = 2 AND round = {shown + 1}")
        writer.sql(f"UPDATE trials SET state = 'done' WHERE job = 2 AND round = {shown} AND state = 'running'")
        await until(pilot, lambda: any("press f to follow the newest" in text for _, _, text in app.said))
        await until(pilot, lambda: app.snapshot.detail is not None and app.snapshot.detail.round == shown)
        await pilot.press("f")
        await until(pilot, lambda: f"round {shown + 1}" in plot.chart.title)


def test_the_verdict_of_a_job_that_has_ended_is_summed_up_at_once(writer: Writer) -> None:
    reader = Reader(writer.workspace)
    for _ in range(3):
        reader.read(Watch(2))
    writer.sql("UPDATE trials SET state = 'done', score = 5.0 WHERE job = 2")
    writer.sql("UPDATE jobs SET state = 'done' WHERE id = 2")
    found = reader.read(Watch(2))
    job = next(job for job in found.jobs if job.id == 2)
    assert job.state == "done" and found.summaries[2].verdicts[0].rounds == job.rounds


def test_pausing_keeps_the_progress(writer: Writer) -> None:
    def progress() -> float:
        return next(job.progress for job in Reader(writer.workspace).read(Watch()).jobs if job.id == 2)

    before = progress()
    writer.sql("UPDATE batches SET state = 'pending' WHERE state = 'running'")
    writer.sql("UPDATE trials SET state = 'waiting' WHERE state = 'running'")
    writer.sql("UPDATE jobs SET state = 'paused' WHERE id = 2")
    assert progress() == before > 0


async def test_the_lottery_curve_has_room_in_the_smallest_window(opened: Open) -> None:
    async with opened((60, 16)) as (app, pilot):
        await pilot.press("enter", "2")
        plot = app.screen.query_one("#lottery", LinePlot)
        await until(pilot, lambda: "winning" in plot.text and plot._canvas.rows >= 5)


async def test_a_suites_preview_shows_the_suite(opened: Open, writer: Writer) -> None:
    writer.sql("UPDATE jobs SET suite = 'all-of-it' WHERE id IN (3, 4)")
    async with opened((80, 24)) as (app, pilot):
        table, summary = app.screen.query_one(JobTable), app.screen.query_one("#summary", Lines)
        table.select(-3)
        await until(pilot, lambda: "suite all-of-it   2 jobs, " in summary.text)
        assert len(summary.text.splitlines()) == 3
        table.select(2)
        await until(pilot, lambda: "suite" not in summary.text)
        assert app.screen.query_one("#preview-plots").display


@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
async def test_a_toast_leaves_a_dialogs_hints_readable(writer: Writer, size: tuple[int, int]) -> None:
    app = workbench(writer.workspace.folder, view=True)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Add))
        app.say("a message that is as long as a toast may be, and then some more of it " * 5)
        await until(pilot, lambda: bool(app.screen.query(Toast)))
        hints = app.screen.query_one("#add-keys", Lines).region
        assert hints.height and all(toast.region.y >= hints.bottom for toast in app.screen.query(Toast))


async def test_keys_that_a_read_only_workbench_refuses_are_not_offered(writer: Writer) -> None:
    app = workbench(writer.workspace.folder, view=True, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app.snapshot.jobs))
        offered = {hint.action.partition("(")[0] for hint in hints_of(app.screen, hidden=True)}
        assert offered.isdisjoint(CHANGING) and {"open", "filter", "copy"} <= offered
        assert "pause" not in app.screen.query_one(Hints).text
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        assert {h.action.partition("(")[0] for h in hints_of(app.screen, hidden=True)}.isdisjoint(CHANGING)


def test_no_color_set_to_nothing_is_not_set(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert not workbench(writer.workspace.folder, view=True).no_color
    monkeypatch.setenv("NO_COLOR", "1")
    assert workbench(writer.workspace.folder, view=True).no_color


async def test_theme_and_split_that_were_chosen_are_there_at_the_next_start(opened: Open, tmp_path: Path) -> None:
    async with opened((80, 24)) as (app, pilot):
        app.theme = "nord"
        await until(pilot, lambda: settings.last_theme(places.settings_file()) == "nord")
        await pilot.press(*"<<")
        assert app.screen.query_one("#jobs").styles.max_height.value == 20
    async with opened((80, 24)) as (app, _):
        assert app.theme == "nord"
        assert app.screen.query_one("#jobs").styles.max_height.value == 20
    places.settings_file().with_name("chosen-split").write_text("-7 %")
    places.settings_file().write_text('theme = "gruvbox"')
    later = time.time() + 10
    os.utime(places.settings_file(), (later, later))
    async with opened((80, 24)) as (app, _):
        assert app.theme == "gruvbox"
