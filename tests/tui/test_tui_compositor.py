"""The compositor fix: fewer bytes, the same screen."""

import io
import random

import pyte
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from lth_tui import compositor_fix


def screen_after(before: str, update: str) -> list[list[object]]:
    screen = pyte.Screen(40, 4)
    pyte.Stream(screen).feed(before + update)
    return [[screen.buffer[y][x] for x in range(40)] for y in range(4)]


def test_patched_updates_leave_the_same_screen_with_fewer_bytes() -> None:
    assert compositor_fix.apply()
    chance = random.Random(7)
    console = Console(file=io.StringIO(), color_system="truecolor", force_terminal=True, width=40)
    theirs_total = ours_total = 0
    for _ in range(200):
        words = ["".join(chance.choices("abc日 ", k=chance.randint(1, 9))) for _ in range(12)]
        rows = []
        for y in range(4):
            strip = Strip([Segment(w, Style(bold=chance.random() < 0.5)) for w in words[y * 3 : y * 3 + 3]])
            rows.append(strip.adjust_cell_length(40, Style()))
        chops = [{0: row.crop(0, 17), 17: row.crop(17, 40)} for row in rows]
        spans = [(y, x := chance.randint(0, 38), chance.randint(x + 1, 40)) for y in range(4)]
        update = ChopsUpdate(chops, spans, [[17, 40]] * 4)
        whole = ChopsUpdate(chops, [(y, 0, 40) for y in range(4)], [[17, 40]] * 4)
        before = compositor_fix._original(whole, console).replace("\n", "")
        theirs, ours = compositor_fix._original(update, console), compositor_fix.render_segments(update, console)
        shown = screen_after(before, theirs.replace("\n", ""))
        assert screen_after(before, ours.replace("\n", "")) == shown
        theirs_total, ours_total = theirs_total + len(theirs), ours_total + len(ours)
    assert ours_total < 0.95 * theirs_total
