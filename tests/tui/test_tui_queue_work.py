"""Working with the queue from the keyboard: filter, sort, marks, suites, priority, deleting, editing, slots."""

import json
from pathlib import Path

import pytest
from textual.widgets import Input
from tui_helpers import Open, until
from workspace_fixture import Writer, experiment

from lth_tui.opening import workbench
from lth_tui.screens.ask import Ask
from lth_tui.screens.compare import ComparePage
from lth_tui.screens.confirm import Confirm
from lth_tui.screens.edit import Edit
from lth_tui.screens.messages import Messages
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane


def names(app) -> list[str]:  # type: ignore[no-untyped-def]
    return [row.name for row in app.screen.query_one(JobTable).rows]


async def test_filter_as_you_type_and_out_again(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("slash", *"state:failed")
        await until(pilot, lambda: names(app) == ["cartpole-nan"])
        await pilot.press("enter")  # back to the table, the filter stays and is told
        assert "filter: state:failed" in app.screen.query_one("#listing", Lines).text
        await pilot.press("escape")
        await until(pilot, lambda: len(names(app)) == 4)
        await pilot.press("slash", *"nothing-like-this")
        await until(pilot, lambda: "no job matches" in app.screen.query_one("#empty", Lines).text)


async def test_sort_and_reverse(opened: Open) -> None:
    async with opened() as (app, pilot):
        await pilot.press("o")
        assert names(app) == ["cartpole", "cartpole-done", "cartpole-nan", "cartpole-next"]
        await pilot.press("O")
        assert names(app)[0] == "cartpole-next"
        assert app.screen.query_one(JobTable).cursor == 2  # still on its job
        await pilot.press("J")
        assert any("press o to sort" in n.message for n in app._notifications)


async def test_several_jobs_at_once(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        await pilot.press("g", "space", "space")  # jobs 1 and 2
        assert "2 jobs marked" in app.screen.query_one("#listing", Lines).text
        await pilot.press("plus")
        await until(pilot, lambda: len(writer.asked()) == 2)
        assert writer.asked() == [("priority", {"job": 1, "by": 1}), ("priority", {"job": 2, "by": 1})]
        writer.answer_all({})
        await until(pilot, lambda: bool(app.said))
        assert [words for _, _, words in app.said] == ["priority raised by 1: 2 jobs"], "one message for all of them"
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, ComparePage))
        plot = app.screen.query_one("#together", LinePlot)
        await until(pilot, lambda: "1 winning" in plot.text and "2 winning" in plot.text and "2 random" in plot.text)
        await pilot.press("v", "l")
        assert "gap" in plot.cursor_text or "kept" in plot.cursor_text
        fields = app.screen.query_one("#fields", ListPane)
        assert "pruning.rounds" in fields.text
        assert any('"one_shot"]' in fields.render_line(y).text for y in range(fields.size.height)), "nothing is cut"
        await pilot.press("escape", "n")
        await until(
            pilot,
            lambda: any(word in plot.text for word in ("normalised", "gain over")) and "winning, random" in plot.text,
        )
        await pilot.press("escape", "escape")
        assert "marked" not in app.screen.query_one("#listing", Lines).text


async def test_a_suite_is_one_row_that_folds(opened: Open, writer: Writer) -> None:
    writer.sql("UPDATE jobs SET suite = 'all-of-it' WHERE id IN (3, 4)")
    async with opened() as (app, pilot):
        assert names(app) == ["cartpole-done", "cartpole", "all-of-it", "cartpole-nan", "cartpole-next"]
        assert app.screen.query_one("#preview-layers").display
        await pilot.press("down", "enter")
        await until(pilot, lambda: names(app) == ["cartpole-done", "cartpole", "all-of-it"])
        assert not app.screen.query_one("#preview-layers").display  # they would be those of another job
        assert "▸ all-of-it" in app.screen.query_one(JobTable).text
        await pilot.press("r")  # of all its members the failed one is run again
        await until(pilot, lambda: writer.asked() == [("retry", {"job": 3})])
        writer.sql("UPDATE jobs SET state = 'running' WHERE id = 4")
        await until(pilot, lambda: any(job.id == 4 and job.state == "running" for job in app.snapshot.jobs))
        await pilot.press("D")  # a running job stays, and the question says so
        question = app.screen.query_one("#question", Lines).text
        assert (
            "Delete job 3 cartpole-nan with" in question and "Left as it is: job 4 cartpole-next (running)" in question
        )
        await pilot.press("n", "x")
        question = app.screen.query_one("#question", Lines).text
        assert "Cancel job 4 cartpole-next?" in question and "Left as it is: job 3 cartpole-nan (failed)." in question
        await pilot.press("n", "z")
        await until(pilot, lambda: len(names(app)) == 5)


async def test_delete_asks_and_can_be_undone(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("D")
        assert any("cancel it before" in n.message for n in app._notifications)  # it runs
        await pilot.press("g", "D")
        assert isinstance(app.screen, Confirm)
        await pilot.press("n", "D", "y")
        await until(pilot, lambda: writer.asked() == [("delete", {"job": 1})])
        writer.sql("UPDATE jobs SET deleted = 5 WHERE id = 1")
        writer.answer_all({"job": 1})
        await until(pilot, lambda: len(names(app)) == 3)
        await pilot.press("u")
        await until(pilot, lambda: writer.asked() == [("restore", {"job": 1})])
        writer.answer_all({"job": 1})
        await pilot.press("u")  # nothing more of this session: what was deleted last of all
        await until(pilot, lambda: writer.asked() == [("restore", {"job": 1})])


async def test_cancel_at_the_end_of_the_round(opened: Open, writer: Writer) -> None:
    async with opened() as (_, pilot):
        await pilot.press("x", "e")
        await until(pilot, lambda: writer.asked() == [("cancel", {"job": 2, "after_round": True})])


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_clone_with_another_field(opened: Open, writer: Writer, size: tuple[int, int]) -> None:
    async with opened(size) as (app, pilot):
        await pilot.press("c")
        assert isinstance(app.screen, Edit)
        wrong = app.screen.query_one("#wrong", Lines)
        line, pane = app.screen.query_one(Input), app.screen.query_one(ListPane)
        assert line.placeholder.endswith("FIELD = takes out") and len(line.placeholder) <= line.content_size.width
        await pilot.press(*"seeds")
        about = app.screen.query_one("#about", Lines)
        assert (
            "no default" in " ".join(about.text.split()) and max(map(len, about.text.splitlines())) <= about.size.width
        )
        line.value = ""
        await pilot.press(*"training.length =", "enter")
        await until(pilot, lambda: "✓ accepted" in wrong.text)
        assert "training.length = 60000" not in pane.text
        await pilot.press("ctrl+z", *"training.length", "enter")
        assert line.value == "training.length = 60000"
        line.value = "training.length = -3"
        await pilot.press("enter")
        await until(
            pilot, lambda: "training.length" in wrong.text and "expected" in wrong.text and "✓" not in wrong.text
        )
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, Edit) and writer.asked() == []  # not while it is wrong
        line.value = "training.length = 4000"
        await pilot.press("enter")
        await until(pilot, lambda: "✓ accepted" in wrong.text and "1 field changed" in wrong.text)
        assert "▶   training.length = 4000" in " ".join(pane.render_line(y).text for y in range(pane.size.height))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(writer.asked()))
        kind, payload = writer.asked()[0]
        made = json.loads(str(payload["experiment"]))
        assert kind == "submit" and made["training"]["length"] == 4000 and made["name"] == "cartpole"
        assert payload["again"] is True and payload["replaces"] is None


async def test_edit_before_it_runs_only_then(opened: Open, writer: Writer) -> None:
    writer.sql("UPDATE jobs SET started = NULL WHERE id = 4")
    async with opened() as (app, pilot):
        await pilot.press("e")
        assert any("has begun: press c to clone it" in n.message for n in app._notifications)
        await pilot.press("G", "e")
        line = app.screen.query_one(Input)
        line.value = "pruning.rounds = 2"
        await pilot.press("enter")
        await until(pilot, lambda: "✓ accepted" in app.screen.query_one("#wrong", Lines).text)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(writer.asked()))
        assert writer.asked()[0][1]["replaces"] == 4


def test_the_editor_gets_the_text_and_what_it_leaves_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lth_tui.experiment_text import check, fields_of, lines_of, parse
    from lth_tui.screens.edit import edit_text

    script = tmp_path / "my editor"
    script.write_text("#!/bin/sh\nsed -i 's/^pruning.rounds = .*/pruning.rounds = 3/' \"$1\"\n")
    script.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{script}'")
    before = experiment(rounds=8)
    edited = edit_text("\n".join(lines_of(fields_of(before))))
    after = check(parse(edited), "experiment")
    assert after.pruning.rounds == 3
    assert check(parse("\n".join(lines_of(fields_of(before)))), "x").identity == before.identity


async def test_slots_are_asked_for_and_refused(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        await pilot.press("w")
        assert isinstance(app.screen, Ask)
        line = app.screen.query_one(Input)
        line.value = "many"
        await pilot.press("enter")
        assert "expected a number" in app.screen.query_one("#wrong", Lines).text
        line.value = "3"
        await pilot.press("enter")
        await until(pilot, lambda: writer.asked() == [("slots", {"count": 3})])


async def test_long_errors_can_be_read_in_full(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: bool(writer.asked()))
        writer.answer_all({"error": "word " * 60 + "the very end"})
        await until(pilot, lambda: bool(app._notifications))
        assert "the very end" not in next(iter(app._notifications)).message
        await pilot.press("exclamation_mark")
        assert isinstance(app.screen, Messages)
        await until(pilot, lambda: "the very end" in app.screen.query_one(ListPane).text)


async def test_read_only_changes_nothing(writer: Writer) -> None:
    app = workbench(writer.workspace.folder, view=True, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app.snapshot.jobs))
        await pilot.press("n", "c", "plus", "S", "J", *"pxrDu")
        await until(pilot, lambda: len(app.said) == 10)
        assert writer.asked() == [] and len(app.screen_stack) == 1
        assert not (writer.workspace.folder / "exports").exists()
        assert all("--read-only" in n.message for n in app._notifications), [n.message for n in app._notifications]


async def test_read_only_copies_and_says_so(writer: Writer) -> None:
    app = workbench(writer.workspace.folder, view=True, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app.snapshot.jobs))
        await pilot.press("y")
        await until(pilot, lambda: bool(app.said))
        assert "cartpole-done" in app.clipboard and app.said[0][2].startswith("copied")


async def test_keys_and_theme_come_from_the_settings_file(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "lth" / "workbench.toml"
    file.parent.mkdir()
    file.write_text('theme = "textual-light"\n[keys]\n"queue.new" = "f2"\n')
    app = workbench(writer.workspace.folder, view=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app.snapshot.jobs))
        assert app.theme == "textual-light"
        await pilot.press("n")
        assert len(app.screen_stack) == 1
        await pilot.press("f2")
        assert len(app.screen_stack) == 2
    file.write_text('[keys]\n"queue.gnu" = "f2"\n')
    app = workbench(writer.workspace.folder, view=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app._notifications))
        assert "there is no queue.gnu" in app.said[0][2]
