"""Finding one's way: lists with position and order, jumps, the split."""

from textual.widgets import Input
from tui_helpers import Open, until

from lth_tui.screens.job import JobPage
from lth_tui.screens.jump import Jump
from lth_tui.screens.queue import QueuePage
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.scrollbar import thumb
from lth_tui.widgets.splitter import Splitter


def test_the_thumb_is_at_the_ends_only_at_the_ends() -> None:
    assert thumb(0, 10, 5) == (0, 10)
    assert thumb(0, 10, 1000) == (0, 1)
    assert thumb(990, 10, 1000) == (9, 10)
    assert thumb(1, 10, 12)[0] in (0, 1)


async def test_a_list_says_where_it_is_sorts_by_heads_and_splits(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        page, table, line = app.screen, app.screen.query_one(JobTable), app.screen.query_one(Splitter)
        assert isinstance(page, QueuePage)
        assert " 2 of 4 " in line.text
        heads = table.text.splitlines()[0]
        await pilot.click(JobTable, offset=(heads.index("progress"), 0))
        await until(pilot, lambda: "progress▼" in table.text)
        assert "sorted by progress" in line.text
        await pilot.click(JobTable, offset=(heads.index("progress"), 0))
        await until(pilot, lambda: "progress▲" in table.text)
        before = table.size.height
        await pilot.press(*"<<<")
        await until(pilot, lambda: table.size.height < before)
        assert "┃" in table.text
        await pilot.press(*">>>>>>")
        await until(pilot, lambda: table.size.height == before)
        assert "┃" not in table.text


async def test_jumping_to_jobs_by_number_and_name_in_one_burst(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        table = app.screen.query_one(JobTable)
        await pilot.press(":", "4", "enter", ":", *"nan", "enter")
        await until(pilot, lambda: table.cursor == 3)
        await pilot.press("enter", ":", "1", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage) and app.screen.job_id == 1)
        await pilot.press("escape", "/", *"nan", "enter", ":", *"next", "enter")  # the filter hides it
        await until(pilot, lambda: isinstance(app.screen, QueuePage) and table.cursor == 4)
        assert app.screen.query_one("#job-filter", Input).value == ""
        await pilot.press(":", *"reverse the order", "enter")
        await until(pilot, lambda: "reversed" in app.screen.query_one(Splitter).text)
        await pilot.press(":", "9", "9", "enter", "escape")
        await until(pilot, lambda: not isinstance(app.screen, Jump))
        assert table.cursor == 4
