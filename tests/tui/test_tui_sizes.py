"""Any size, any colours: no crash, and something sensible on screen."""

import random

import pytest
from textual.widgets import Input
from tui_helpers import Open, until

from lth_tui.screens.job import JobPage
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


@pytest.mark.parametrize("size", [(59, 30), (60, 15), (4, 2)])
async def test_too_small_says_enlarge(opened: Open, size: tuple[int, int]) -> None:
    async with opened() as (app, pilot):
        await pilot.resize_terminal(*size)
        await pilot.pause(0.1)
        enlarge = app.screen.query_one("#enlarge", Lines)
        assert enlarge.display and not app.screen.query_one("#jobs").display and "enlarge to 60x16" in enlarge.text
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.1)
        assert not enlarge.display and app.screen.query_one("#jobs").display


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (200, 60)])
async def test_every_view_is_drawn_at_the_size(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        for key in "12345678":
            await pilot.press(key)
            await pilot.pause(0.05)
        for widget in app.screen.query("LinePlot, Heatmap, ListPane").results():
            if widget.display:
                for y in range(widget.size.height):
                    assert widget.render_line(y).cell_length == widget.size.width


@pytest.mark.parametrize("theme", ["textual-light", "textual-ansi", "nord"])
async def test_no_colour_and_other_themes(opened: Open, monkeypatch: pytest.MonkeyPatch, theme: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened((80, 24)) as (app, pilot):
        if theme in app.available_themes:
            app.theme = theme
        await pilot.press("enter")
        for key in "12345678":
            await pilot.press(key)
            await pilot.pause(0.05)
        await pilot.press("escape", "n")
        await pilot.pause(0.1)
        assert app.screen.query_one(Input)
        for widget in app.screen.query("*"):
            for y in range(widget.size.height):
                for segment in widget.render_line(y):
                    assert segment.style is not None
