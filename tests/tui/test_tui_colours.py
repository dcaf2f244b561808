"""Colours: all, the sixteen of old terminals, none; dark and light; and never colour alone."""

import os
import re
from collections.abc import Iterator

import pytest
from pseudo_terminal import Terminal
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_tui import palette
from lth_tui.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, YELLOW, ink, looks, luminance, viridis
from lth_tui.screens.job import JobPage
from lth_tui.widgets.line_plot import LinePlot

COLOURS = (SKY, ORANGE, GREEN, PURPLE, YELLOW, VERMILLION, BLUE)
_SGR = re.compile(rb"\x1b\[([0-9;]*)m")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    palette.use(light=False)


def codes(terminal: Terminal) -> set[str]:
    """The colours that were sent: foregrounds and backgrounds other than the terminal's own."""
    found: set[str] = set()
    for match in _SGR.finditer(terminal.bytes):
        parts = match[1].decode().split(";")
        while parts:
            part = parts.pop(0)
            if part in ("38", "48"):
                depth = parts.pop(0)
                found.add(f"{part};{depth}")
                del parts[: 1 if depth == "5" else 3]
            elif part and (30 <= int(part) <= 37 or 40 <= int(part) <= 47 or 90 <= int(part) <= 107):
                found.add(part)
    return found


def shown(writer: Writer, **environment: str) -> Terminal:
    """The job page on a pseudo-terminal of some kind."""
    terminal = Terminal(str(writer.workspace.folder), 120, 40, **environment)
    terminal.until(lambda text: "cartpole-nan" in text and "IQM" in text)
    os.write(terminal.master, b"j\r")
    terminal.until(lambda text: "[1 curves]" in text and "policy_head" in text and "winning" in text)
    terminal.settle()
    return terminal


@pytest.mark.processes
def test_no_colour_is_sent_where_none_is_wanted(writer: Writer) -> None:
    terminal = shown(writer, NO_COLOR="1")
    assert codes(terminal) == set()
    text = "\n".join(terminal.screen.display)
    assert "░" in text and "!policy_head" in text  # what colour would say is there to be read


@pytest.mark.processes
def test_sixteen_colours_are_sent_as_such_and_told_apart(writer: Writer) -> None:
    terminal = shown(writer, TERM="xterm")
    sent = codes(terminal)
    assert sent and not any(code.startswith(("38", "48")) for code in sent)
    screen = terminal.screen

    def colour_of(words: str) -> str:
        row = next(y for y, line in enumerate(screen.display) if words in line)
        return str(screen.buffer[row][screen.display[row].index(words)].fg)

    assert "red" in colour_of("!policy_head")
    assert "green" in colour_of("● running") and "red" not in colour_of("● running")


@pytest.mark.processes
def test_all_colours_where_the_terminal_says_so(writer: Writer) -> None:
    assert {"38;2", "48;2"} <= codes(shown(writer, TERM="xterm", COLORTERM="truecolor"))
    assert {"38;5", "48;5"} <= codes(shown(writer, TERM="xterm-256color"))


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("colours", ["all", "sixteen"])
def test_colours_stay_apart_on_every_ground(light: bool, colours: palette.Range) -> None:
    palette.use(light=light, colours=colours)
    inks = {ink(colour).color for colour in COLOURS}
    assert len(inks) >= (len(COLOURS) if colours == "all" else 5)
    if colours == "all":
        ground = 1.0 if light else 0.006  # of textual-light and textual-dark, about
        for colour in (*COLOURS, GREY):
            drawn = ink(colour).color
            assert drawn is not None and drawn.triplet is not None
            bright = luminance(palette.pack(*drawn.triplet))
            contrast = (max(bright, ground) + 0.05) / (min(bright, ground) + 0.05)
            assert contrast >= 3, (hex(colour), contrast)  # WCAG for graphics


def test_arms_differ_without_colour() -> None:
    found = looks(("winning", "random", "reinit", "one_shot", "a", "b", "c", "dense"), "winning")
    assert len({(look.dash, look.marker) for look in found.values()}) == len(found)


@pytest.mark.parametrize("colours", ["all", "sixteen"])
def test_numbers_on_the_scale_can_be_read(colours: palette.Range) -> None:
    palette.use(light=False, colours=colours)
    for position in range(0, 101, 5):
        ground, front = (luminance(colour) for colour in viridis(position))
        assert (max(ground, front) + 0.05) / (min(ground, front) + 0.05) >= 4.5, position


async def test_another_theme_repaints_what_is_drawn(opened: Open) -> None:
    async with opened((120, 40)) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        plot = app.screen.query_one("#curves", LinePlot)
        await until(pilot, lambda: "winning" in plot.text)

        def grounds() -> set[object]:
            return {segment.style.bgcolor for y in range(12) for segment in plot.render_line(y) if segment.style}

        dark = grounds()
        app.theme = "textual-light"
        await until(pilot, lambda: grounds() != dark)
        assert len(grounds()) > 1
