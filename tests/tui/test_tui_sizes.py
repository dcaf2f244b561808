"""Any size, any colours: no crash, and something sensible on screen."""

import random

import pytest
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widget import Widget
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_tui.app import Workbench
from lth_tui.screens.add import Add
from lth_tui.screens.ask import Ask
from lth_tui.screens.job import VIEWS, JobPage
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines

KEYS = [*"12345678abzjkhlgGnxpcoviYmt", "space", "plus", "minus", "comma", "full_stop", "tab", "up", "down", "enter",
        "escape", "question_mark", "left_square_bracket", "right_square_bracket", "exclamation_mark"]  # fmt: skip
SIZES = [
    (1, 1),
    (4, 2),
    (10, 3),
    (20, 5),
    (59, 16),
    (60, 15),
    (60, 16),
    (79, 24),
    (80, 24),
    (110, 30),
    (120, 40),
    (200, 60),
]


def lines_of(widget: Widget) -> list[Strip]:
    return [widget.render_line(y) for y in range(widget.size.height)]


async def look_at_every_view(app: Workbench, pilot: Pilot[int]) -> None:
    for number, view in enumerate(VIEWS, start=1):
        await pilot.press(str(number))
        await until(pilot, lambda view=view: app.screen.query_one(f"#{view}").display)


@pytest.mark.thorough
async def test_random_keys_and_sizes(opened: Open) -> None:
    chance = random.Random(1)
    async with opened() as (app, pilot):
        for turn in range(80):
            await pilot.press(chance.choice(KEYS))
            if turn % 3 == 0:
                await pilot.resize_terminal(*chance.choice(SIZES))
            if turn % 10 == 0:
                await pilot.pause(0.02)
            assert app.is_running


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40)])
async def test_the_question_for_the_number_of_slots_is_not_cut(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (app, pilot):
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        lines = [strip.text.strip() for one in app.screen.query(Lines) for strip in lines_of(one)]
        assert "If fewer, the others stop at a checkpoint." in " ".join(lines)


async def test_curves_that_the_legend_has_no_room_for_are_counted(opened: Open) -> None:
    async with opened((60, 16)) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        plot = app.screen.query_one("#curves", LinePlot)
        await until(pilot, lambda: plot.text.splitlines()[-1].endswith(" +3"))
        await pilot.press("v")
        words = " ".join(plot.text.split())
        assert all(arm in words for arm in ("winning", "random", "reinit")) and "187.666 +2" in words


async def test_the_header_of_a_page_just_opened_uses_the_width(opened: Open) -> None:
    async with opened() as (app, pilot):
        app.feed.stop()  # as in an idle workspace: nothing new is read that would have it drawn again
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        assert "✓1 done" in app.screen.query_one("#header", Lines).text
        await pilot.resize_terminal(60, 16)
        await until(pilot, lambda: "done" not in app.screen.query_one("#header", Lines).text)


@pytest.mark.parametrize("size", [(59, 30), (60, 15), (4, 2)])
async def test_too_small_says_enlarge(opened: Open, writer: Writer, size: tuple[int, int]) -> None:
    async with opened() as (app, pilot):
        await pilot.resize_terminal(*size)
        enlarge = app.screen.query_one("#enlarge", Lines)
        await until(pilot, lambda: enlarge.display)
        assert not app.screen.query_one("#jobs").display
        shown = " ".join(line.text for line in app.screen._compositor.render_strips())
        assert "enlarge to 60x16"[: size[0] - 1] in shown
        await pilot.press("j", "p", "n")
        assert not writer.asked() and len(app.screen_stack) == 1, "what nobody sees takes no keys"
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not enlarge.display)
        assert app.screen.query_one("#jobs").display
        table = app.screen.query_one(JobTable)
        before = table.cursor
        await pilot.press("j")
        await until(pilot, lambda: table.cursor != before)


async def test_a_start_that_is_too_small_says_enlarge(opened: Open) -> None:
    async with opened((50, 14)) as (app, pilot):
        assert "enlarge to 60x16" in "\n".join(line.text for line in app.screen._compositor.render_strips())
        await pilot.resize_terminal(80, 24)
        await pilot.press("k")
        await until(pilot, lambda: app.screen.query_one(JobTable).cursor == 1)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (200, 60)])
async def test_every_view_is_drawn_at_the_size(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        await look_at_every_view(app, pilot)
        for widget in app.screen.query("LinePlot, Heatmap, ListPane").results():
            if widget.display:
                for y in range(widget.size.height):
                    assert widget.render_line(y).cell_length == widget.size.width


@pytest.mark.parametrize("theme", ["textual-light", "textual-ansi"])
async def test_no_colour_and_other_themes(opened: Open, monkeypatch: pytest.MonkeyPatch, theme: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened((80, 24)) as (app, pilot):
        if theme in app.available_themes:
            app.theme = theme
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        await look_at_every_view(app, pilot)
        await pilot.press("escape", "n")
        await until(pilot, lambda: isinstance(app.screen, Add))
        for widget in app.screen.query("*"):
            for y in range(widget.size.height):
                for segment in widget.render_line(y):
                    assert segment.style is not None
