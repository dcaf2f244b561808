"""The queue page: what it shows, and every command it gives."""

import pytest
from tui_helpers import Open, looked_at, until
from workspace_fixture import Writer, experiment

from lth_core.settings.launcher import SlurmLauncher
from lth_tui.opening import workbench
from lth_tui.screens.confirm import Confirm
from lth_tui.screens.help import Help
from lth_tui.screens.job import JobPage
from lth_tui.widgets.heatmap import Heatmap
from lth_tui.widgets.hints import Hints
from lth_tui.widgets.job_columns import DROP_ORDER, fitting
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines

BOTH = pytest.mark.parametrize("size", [(80, 24), (120, 40)])


@BOTH
async def test_all_jobs_with_what_matters(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (app, _):
        table = app.screen.query_one(JobTable).text
        for words in ("✓ done", "▶ ● running", "✗ failed", "○ queued", "5/8", "59%"):
            assert words in table
        header = app.screen.query_one("#header", Lines).text
        assert "engine pid 4321 on gpu-07" in header
        summary = app.screen.query_one("#summary", Lines).text
        assert "audit:" in summary and "0 failed" in summary and "random" in summary
        assert "5, 7.8 % kept" in app.screen.query_one("#preview-curves", LinePlot).text
        assert "61k steps/s" in summary and "- left" not in summary
        if size == (120, 40):
            assert "winning ? random" in table and "▲" not in table
            assert " 61k " in table and "cpu" in table
            assert "policy_head.weight" in app.screen.query_one("#preview-layers", Heatmap).text


async def test_an_empty_workspace_says_what_to_press(tmp_path) -> None:  # type: ignore[no-untyped-def]
    app = workbench(tmp_path / "new", view=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.snapshot.loaded)
        text = app.screen.query_one("#empty", Lines).text
        assert app.screen.query_one(Hints).text.split() == ["n", "new", "?", "help", "q", "quit"]
        assert (
            "Test lottery tickets" in text
            and "Press n for an experiment, ? for all keys, q to quit" in text
            and "quit" in text
        )
        await pilot.press("p", "x", "enter", "J")  # nothing selected: said, not crashed
        await until(pilot, lambda: len(app.said) == 4)
        assert {text for _, _, text in app.said} == {"no job is selected"}


@BOTH
async def test_pause_resume_retry_move_reach_the_command_table(
    opened: Open, writer: Writer, size: tuple[int, int]
) -> None:
    async with opened(size) as (_, pilot):
        await pilot.press("p", "J", "K")
        await until(pilot, lambda: len(writer.asked()) == 3)
        await pilot.press("down", "r")
        await until(pilot, lambda: len(writer.asked()) == 4)
        assert writer.asked() == [
            ("pause", {"job": 2}), ("move", {"job": 2, "by": 1}), ("move", {"job": 2, "by": -1}), ("retry", {"job": 3}),
        ]  # fmt: skip
        writer.sql("UPDATE jobs SET state = 'paused' WHERE id = 2")
        writer.answer_all({"job": 2})
        await pilot.press("up")
        await until(pilot, lambda: "‖ paused" in pilot.app.screen.query_one(JobTable).text)
        await pilot.press("p")
        await until(pilot, lambda: [kind for kind, _ in writer.asked()] == ["resume"])


async def test_what_the_engine_would_refuse_is_not_asked_for(opened: Open, writer: Writer) -> None:
    writer.sql("UPDATE jobs SET state = 'paused' WHERE id = 3")  # with trials that failed
    async with opened() as (app, pilot):
        await pilot.press("down", "r")
        await until(pilot, lambda: bool(app.said))
        assert app.said[-1][2].endswith("paused, resume it, then retry") and not writer.asked()


async def test_a_job_is_sent_to_the_cluster_with_a_key(opened: Open, writer: Writer) -> None:
    async with opened() as (_, pilot):
        await pilot.press("L")
        await until(pilot, lambda: bool(writer.asked()))
        assert writer.asked() == [("launch", {"job": 2, "launcher": SlurmLauncher().model_dump()})]


async def test_cancel_asks_first(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        await pilot.press("x")
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        await pilot.press("x", "y")
        await until(pilot, lambda: bool(writer.asked()))
        assert writer.asked() == [("cancel", {"job": 2, "after_round": False})]


async def test_an_error_of_the_engine_is_shown_as_plain_text(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: bool(writer.asked()))
        writer.answer_all({"error": "[red]no[/red] \x1b[31mway"})
        await until(pilot, lambda: bool(app._notifications))
        assert [n.message for n in app._notifications] == ["pause job 2: [red]no[/red] way"]
        assert not next(iter(app._notifications)).markup


async def test_the_cursor_stays_on_its_job(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        writer.sql("UPDATE jobs SET position = position - 10 WHERE id = 4")
        writer.job(experiment("cartpole-fifth", 2, 2), "queued")
        await until(pilot, lambda: len(app.snapshot.jobs) == 5)
        assert app.screen.query_one(JobTable).cursor == 2
        lines = app.screen.query_one(JobTable).text.splitlines()
        assert "cartpole-next" in lines[1] and lines[3].startswith("▶ ● running")


async def test_open_and_back(opened: Open) -> None:
    async with opened() as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, JobPage))
        assert looked_at(app, 2)


async def test_the_bottom_row_offers_what_the_chosen_job_accepts(opened: Open) -> None:
    def offers() -> list[str]:
        row = app.screen.query_one(Hints).text
        return [words for words in ("pause", "cancel", "retry") if words in row]

    async with opened((120, 40)) as (app, pilot):
        await until(pilot, lambda: offers() == ["pause", "cancel"])  # running
        await pilot.press("up")
        await until(pilot, lambda: offers() == [])  # done
        await pilot.press("G", "up")
        await until(pilot, lambda: offers() == ["retry"])  # failed
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage) and offers() == ["retry"])


async def test_hints_and_palette_name_the_keys(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        hints = app.screen.query_one(Hints).text
        for words in ("n new", "p pause/resume", "? help", "q quit"):
            assert words in hints
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert {"new", "open", "pause/resume", "cancel", "retry", "move", "quit", "theme"} <= titles
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        await pilot.press(*"open", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobPage))


def test_columns_give_way_in_the_stated_order() -> None:
    before: set[str] = set()
    lost: list[str] = []
    for width in range(160, 30, -1):
        columns, name, verdict = fitting(width)
        assert 2 + 11 + name + 1 + sum(c.width + 1 for c in columns) + verdict <= width + 1
        gone = {c for c in DROP_ORDER if c not in {c.title for c in columns} and not (c == "verdict" and verdict)}
        lost += [c for c in DROP_ORDER if c in gone - before]
        before = gone
    assert tuple(lost) == DROP_ORDER[: len(lost)] and len(lost) >= 5
