"""Finding one's way: lists with position and order, jumps, the split, many jobs compared."""

from textual.widgets import Input
from tui_helpers import Open, until
from workspace_fixture import Writer, experiment

from lth_core.experiment.field_words import words_of
from lth_tui.screens.add import Add
from lth_tui.screens.compare import ComparePage
from lth_tui.screens.edit import Edit
from lth_tui.screens.job import JobPage
from lth_tui.screens.jump import Jump
from lth_tui.screens.queue import QueuePage
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane
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


def test_a_field_is_described_with_what_it_accepts() -> None:
    fields = {"training": {"algorithm": "ppo"}, "task": {"kind": "control"}}
    known = words_of("training.value_clip", fields)
    assert all(words_of(name, fields).about for name in ("name", "arms", "seeds"))  # type: ignore[union-attr]
    assert known is not None and known.accepted.startswith("a number") and "how far a value may move" in known.about
    assert words_of("pruning.rounds", fields) is not None and words_of("arm.mine.mask", fields) is not None
    assert words_of("training.length", fields).about.startswith("length and the points")  # type: ignore[union-attr]
    assert words_of("pruning.nothing", fields) is None and words_of("nothing", fields) is None


async def test_many_jobs_are_compared_as_band_and_small_plots(opened: Open, writer: Writer) -> None:
    for number in range(8):
        made = experiment(f"more-{number}", 2, 1, ("winning", "random"))
        job = writer.job(made, "done")
        writer.round(job, made, 0)
        writer.round(job, made, 1)
    writer.sql("UPDATE trials SET score = 480 WHERE job = 7 AND round = 1")
    async with opened((120, 40)) as (app, pilot):
        await until(pilot, lambda: len(app.snapshot.summaries) == 12)
        await pilot.press("*", "v")
        await until(pilot, lambda: isinstance(app.screen, ComparePage))
        plot, table = app.screen.query_one("#together", LinePlot), app.screen.query_one("#table", ListPane)
        await until(pilot, lambda: "best" in plot.text and "median of " in plot.text)
        assert "of 12)" in table.render_line(0).text
        await pilot.press(*"....b...")  # job 5 is the baseline
        await until(pilot, lambda: "5 baseline" in plot.text and "less 5" in table.text and "better" in table.text)
        await pilot.press("s")
        small = app.screen.query_one("#small-0", LinePlot)
        await until(pilot, lambda: "── baseline" in app.screen.query_one("#small-3", LinePlot).text)
        await pilot.press("b", "s")
        assert "▶" not in small.text and plot.display


async def test_the_form_has_sections_and_marks_what_is_not_as_in_the_preset(opened: Open) -> None:
    async with opened((120, 40)) as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Add))
        await pilot.press(*"quick/pen")
        await until(pilot, lambda: "pendulum" in app.screen.query_one("#sketch", Lines).text)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, Edit))
        form = app.screen.query_one(ListPane)
        await until(pilot, lambda: "[training]" in form.text and "seeds = [0, 1, 2, 3, 4, 5]" in form.text)
        assert "≠" not in form.text
        await pilot.press(*"seeds = 4", "enter")
        await until(pilot, lambda: "≠ seeds = 4" in form.text)
        assert form.text.count("≠ ") == 1
        await pilot.press(*"own.a.b = 1", "enter")
        await until(pilot, lambda: "own.a.b = 1" in form.text)  # a slip, which does not have to stay
        await pilot.press(*"own.a.b =", "enter")
        await until(pilot, lambda: "own" not in form.text and "≠ seeds = 4" in form.text)
