"""Texts: long rows are broken and not cut, any text can be searched, why a job failed is there at once."""

from pathlib import Path

import pytest
from rich.cells import cell_len
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_tui.palette import DIM, PLAIN
from lth_tui.screens.job import JobPage
from lth_tui.screens.queue import QueuePage
from lth_tui.strips import Row, text_of, wrap_hints, wrapped_all
from lth_tui.widgets.filter_line import FilterLine
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane
from lth_tui.widgets.tabs import TabRow

TRACE = "Traceback (most recent call last):\n  File \"sim.py\", line 8, in step\n    raise RuntimeError('no licence')\n"


def leave_log(writer: Writer, job: int, text: str) -> None:
    batch = writer.database.row("SELECT id FROM batches WHERE job = ? ORDER BY id DESC LIMIT 1", job)
    assert batch is not None
    folder = Path(writer.workspace.batch(batch["id"])) / "attempt-1"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text(text)


@pytest.mark.parametrize("text", ["a word " * 40, "x" * 300, "日本語のログ" * 30, "é " * 100])
def test_no_character_of_a_broken_row_is_lost(text: str) -> None:
    for width in (20, 33, 80):
        rows = wrapped_all([[("12:00 ", DIM), (text, PLAIN)]], width)
        assert all(cell_len(text_of(row)) <= width for row in rows)
        assert "".join(text_of(row)[6 if i == 0 else 0 :].lstrip() for i, row in enumerate(rows)).replace(" ", "") == (
            text.replace(" ", "")
        )


def test_short_rows_are_left_as_they_are() -> None:
    rows: list[Row] = ["short", [("a", DIM), ("b", PLAIN)]]
    assert wrapped_all(rows, 40) == rows


def test_hints_are_not_broken() -> None:
    assert wrap_hints("⏎ queue it  ^s change  esc close", 22) == ["⏎ queue it  ^s change", "esc close"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_log_is_searched_while_typing(opened: Open, writer: Writer, size: tuple[int, int]) -> None:
    leave_log(writer, 2, "\n".join(f"line {i}" for i in range(150)) + "\nloss is 3 at step 77\n")
    async with opened(size) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        await pilot.press("5")
        log = app.screen.query_one("#log", ListPane)
        await until(pilot, lambda: "loss is 3" in log.text)
        await pilot.press("slash", *"loss 77", "enter")
        shown = [log.render_line(y).text.strip(" │┃") for y in range(log.size.height)]
        assert "loss is 3 at step 77" in shown and "line 149" not in shown
        assert "with loss 77: 1 of 151" in shown[0]
        assert app.focused is log
        await pilot.press("6", "5")
        assert not app.screen.query_one(FilterLine).used and "with loss" not in log.render_line(0).text
        await pilot.press("slash", *"loss 77", "enter")
        await pilot.press("escape")  # ends the search, not the page
        assert isinstance(app.screen, JobPage) and not app.screen.query_one(FilterLine).used
        assert "line 149" in [log.render_line(y).text.strip(" │┃") for y in range(log.size.height)]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, QueuePage))


async def test_an_empty_log_says_that_nothing_was_written(opened: Open, writer: Writer) -> None:
    leave_log(writer, 2, "")
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("enter", "5")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        log = app.screen.query_one("#log", ListPane)
        await until(pilot, lambda: "no worker has written anything yet" in log.text)


async def test_a_failed_job_opens_on_why(opened: Open, writer: Writer) -> None:
    leave_log(writer, 3, TRACE)
    writer.sql("UPDATE trials SET error = 'the loss is not a number' WHERE job = 3 AND state = 'failed'")
    async with opened((80, 24)) as (app, pilot):
        app.wanted_job = 3
        app.renew()
        await until(pilot, lambda: app.snapshot.detail is not None and app.snapshot.detail.job.id == 3)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        log = app.screen.query_one("#log", ListPane)
        await until(pilot, lambda: "no licence" in log.text)
        shown = [log.render_line(y).text.rstrip() for y in range(log.size.height)]
        assert "    raise RuntimeError('no licence')" in shown, "what is indented stays so"
        verdicts = app.screen.query_one("#verdicts", Lines).text
        assert "seed 1: loss is not a number at step 12,000" in verdicts
        assert "the first: random round 1 seed 0: the loss is not a number" in " ".join(verdicts.split())


async def test_a_job_deleted_while_it_is_looked_at_leads_back(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        writer.sql("UPDATE jobs SET deleted = 1 WHERE id = 2")
        await until(pilot, lambda: isinstance(app.screen, QueuePage))
        assert any("job 2 was deleted" in text for _, _, text in app.said)


async def test_tabs_are_numbers_where_there_is_no_room(opened: Open) -> None:
    async with opened((60, 16)) as (app, pilot):
        await pilot.press("enter", "8")
        await until(pilot, lambda: "[8 devices]" in app.screen.query_one(TabRow).text)
        assert app.screen.query_one(TabRow).text == " 1 2 3 4 5 6 7[8 devices] 9"
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "1 curves" in app.screen.query_one(TabRow).text)
