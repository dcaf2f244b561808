"""The job page: its views, the cursor in the layers, rounds, arms, bands."""

import pytest
from rich.style import Style
from textual.pilot import Pilot
from tui_helpers import Open, until
from workspace_fixture import LAYERS, Writer, experiment

from lth_tui.app import Workbench
from lth_tui.palette import dead_ink, warning_ink
from lth_tui.screens.job import VIEWS, JobPage
from lth_tui.widgets.heatmap import Heatmap
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane

BOTH = pytest.mark.parametrize("size", [(80, 24), (120, 40)])


async def enter(app: Workbench, pilot: Pilot[int]) -> JobPage:
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, JobPage))
    assert isinstance(app.screen, JobPage)
    return app.screen


@BOTH
async def test_views_by_number_and_tab(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (app, pilot):
        page = await enter(app, pilot)
        for number, view in [*enumerate(VIEWS[:9], start=1), (1, "curves")]:
            await pilot.press(str(number))
            await until(pilot, lambda view=view: page.query_one(f"#{view}").display)
            shown = [v for v in VIEWS if page.query_one(f"#{v}").display]
            assert len(shown) == (1 if size == (80, 24) or view == "answers" else 4)
            assert app.focused is page.query_one(f"#{view}")
        await pilot.press("tab", "tab", "z")
        await until(pilot, lambda: [v for v in VIEWS if page.query_one(f"#{v}").display] == ["layers"])


async def test_what_the_views_say(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        page = await enter(app, pilot)
        verdicts = page.query_one("#verdicts", Lines).text
        assert "winning minus random so far" in verdicts
        curves = page.query_one("#curves", LinePlot).text
        assert "return/train · round 5, 7.8 % kept · IQM of 4 seeds, 95% bootstrap band" in curves
        assert "━━ winning" in curves and "╍╍ random" in curves and "60k" in curves
        lottery = page.query_one("#lottery", LinePlot).text
        assert "dense" in lottery and "●" in lottery and "○" in lottery and "7.8" in lottery
        assert "queued" in page.query_one("#events", ListPane).text
        await pilot.press("4")
        await until(pilot, lambda: "check 7" in page.query_one("#audit", ListPane).text)
        await pilot.press("7")
        await until(pilot, lambda: "[pruning]" in page.query_one("#experiment", ListPane).text)
        text = page.query_one("#experiment", ListPane).text
        assert app.snapshot.detail is not None
        assert app.snapshot.detail.job.identity in text and "mask random of winning" in text


@BOTH
async def test_a_dead_layer_is_seen_at_a_glance(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (app, pilot):
        page = await enter(app, pilot)
        await pilot.press("3")
        layers = page.query_one(Heatmap)
        await until(pilot, lambda: "policy_head.weight" in layers.text)
        row = next(line for line in layers.text.splitlines() if "policy_head.weight" in line)
        assert "!policy_head.weight" in row and row.split()[-5:].count("!") >= 1
        assert "layer collapsed" in layers.text

        def looks(name: str) -> list[Style | None]:
            strips = [layers.render_line(y) for y in range(layers.size.height)]
            return [segment.style for strip in strips if name in strip.text for segment in strip]

        alarms = (dead_ink(), warning_ink())
        assert any(look and look.bgcolor == dead_ink().bgcolor for look in looks("policy_head.weight"))
        assert layers._table.cells[(LAYERS.index(("value_head.bias", (1,))), 5)].dead == 4
        for look in looks("value_head.bias"):
            assert look is None or not any((look.color, look.bgcolor) == (a.color, a.bgcolor) for a in alarms)
        for _ in range(4):
            await pilot.press("down")
        await pilot.press("left")
        detail = layers.text.splitlines()[-1]
        assert "policy_head.weight 2×64, round 4: ! gone in 4/4 seeds, kept 0 of 128" in detail
        await pilot.press("a")
        await until(pilot, lambda: layers.text.startswith("random"))
        assert "policy_head.weight 2×64, round 4: kept 17 of 128" in layers.text


async def test_rounds_arms_and_bands(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        page = await enter(app, pilot)
        plot = page.query_one("#curves", LinePlot)
        await pilot.press("comma", "comma")
        await until(pilot, lambda: "round 3, 22 % kept" in plot.text)
        await pilot.press("b")
        await until(pilot, lambda: "±1 sd of seeds as band" in plot.text)
        await pilot.press("b")
        await until(pilot, lambda: "min-max band" in plot.text)
        await pilot.press("b")
        await until(pilot, lambda: "band" not in plot.text)
        for _ in range(8):
            await pilot.press("comma")
        await until(pilot, lambda: "round 0, 100 % kept" in plot.text and "dense" in plot.text)
        await pilot.press("f")
        await until(pilot, lambda: "round 5" in plot.text)


async def test_behind_the_newest_round_the_newest_is_followed(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        plot = (await enter(app, pilot)).query_one("#curves", LinePlot)
        await pilot.press("comma", "full_stop", "full_stop")
        await until(pilot, lambda: "round 5" in plot.text)
        writer.round(2, experiment(seeds=4), 5)
        writer.round(2, experiment(seeds=4), 6, share=0.2)
        await until(pilot, lambda: "round 6" in plot.text)


async def test_live_points_and_rounds_arrive(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        page = await enter(app, pilot)
        plot = page.query_one("#curves", LinePlot)
        before = plot.text
        made = experiment(seeds=4)
        writer.round(2, made, 5, share=0.9)
        await until(pilot, lambda: plot.text != before)
        writer.round(2, made, 5)
        writer.round(2, made, 6, share=0.2)
        await until(pilot, lambda: "round 6, 4.7 % kept" in plot.text)
        await until(pilot, lambda: "84/132 trials" in page.query_one("#facts", Lines).text)


async def test_a_failed_check_is_red_and_first(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        page = await enter(app, pilot)
        trial = writer.database.row("SELECT id FROM trials WHERE job = 2 AND arm = 'random' AND round = 2")
        assert trial is not None
        writer.fail_audit(trial["id"], "3 masked entries are not zero")
        writer.round(2, experiment(seeds=4), 5)
        line = page.query_one("#audit-line", Lines)
        await until(pilot, lambda: "1 failed" in line.text)
        assert "random round 2 seed 0" in line.text
        await pilot.press("4")
        words = "✗ random round 2 seed 0, after: masked entries stay zero: 3 masked entries are not zero"
        await until(pilot, lambda: words in page.query_one("#audit", ListPane).text)


async def test_commands_work_on_the_job_page(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        await enter(app, pilot)
        await pilot.press("p")
        await until(pilot, lambda: writer.asked() == [("pause", {"job": 2})])
