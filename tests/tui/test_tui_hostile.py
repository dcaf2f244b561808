"""Foreign text: escape sequences and markup are shown as plain text or not at all."""

from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_tui.screens.job import VIEWS, JobPage
from lth_tui.strips import strip_of, wrap
from lth_tui.widgets.hints import Hints
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane

EVIL = "[red]x[/red]\x1b]52;c;aGk=\x07\x1b[2J\x1b]0;title\x07\u202egnp.exe\u2066 \x9b31m done"
SEEN = "[red]x[/red]"


def poison(writer: Writer) -> None:
    writer.sql("UPDATE jobs SET error = ?, source = ? WHERE id = 2", EVIL, EVIL)
    writer.sql("UPDATE layers SET layer = ? WHERE position = 0", EVIL)
    writer.sql(
        "UPDATE audits SET name = ?, passed = 0, detail = ? WHERE name = 'check 0' AND moment = 'after'", EVIL, EVIL
    )
    writer.sql("UPDATE slots SET name = ?", EVIL)
    writer.sql("UPDATE engine SET host = ?", EVIL)
    writer.event(2, EVIL, EVIL)


async def test_hostile_words_are_plain(opened: Open, writer: Writer) -> None:
    poison(writer)
    async with opened() as (app, pilot):
        assert SEEN in app.screen.query_one("#summary", Lines).text
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        for number, view in enumerate(VIEWS[2:6], start=3):
            await pilot.press(str(number))
            await until(pilot, lambda view=view: app.screen.query_one(f"#{view}").display)
        await until(pilot, lambda: SEEN in app.screen.query_one("#events", ListPane).text)
        seen = ""
        for widget in app.screen.query("Lines, LinePlot, Heatmap, ListPane").results():
            lines = [widget.render_line(y).text for y in range(widget.size.height)]
            assert all(line.isprintable() for line in lines), widget
            seen += "\n".join(lines)
        assert SEEN in seen and "52;c" not in seen and "\u202e" not in seen
        assert app.screen.query_one(Hints).text


def test_the_last_guard_cleans_any_row() -> None:
    from rich.style import Style

    text = strip_of(f"a {EVIL}", 60, Style()).text
    assert text.isprintable() and SEEN in text and len(text) == 60


def test_wrapping_keeps_all_words() -> None:
    words = "the quick brown fox jumps over the lazy dog " * 4
    lines = wrap(words, 20, "  ")
    assert " ".join(" ".join(lines).split()) == words.strip() and max(map(len, lines)) <= 20
