"""Help is made of the bindings: every key is in it and in the palette, no key hides another, all can be remapped."""

from collections.abc import Sequence
from itertools import groupby

import pytest
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Input
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_tui.app import Workbench
from lth_tui.keys import binding_ids
from lth_tui.screens.compare import ComparePage
from lth_tui.screens.devices import DevicesPage
from lth_tui.screens.help import SCOPES, Help
from lth_tui.screens.job import JobPage
from lth_tui.screens.metrics import MetricsPage
from lth_tui.screens.page import Page
from lth_tui.screens.queue import QueuePage
from lth_tui.screens.suite import SuitePage
from lth_tui.widgets.heatmap import Heatmap
from lth_tui.widgets.hints import hints_of, key_name
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.list_pane import ListPane

PAGES: dict[type[Page], Sequence[type[Widget]]] = {
    QueuePage: (JobTable,),
    JobPage: (LinePlot, Heatmap, ListPane),
    ComparePage: (LinePlot, ListPane),
    DevicesPage: (ListPane,),
}


def keys_of(owner: type) -> dict[str, str]:
    bindings = [binding for binding in owner.BINDINGS if isinstance(binding, Binding)]  # type: ignore[attr-defined]
    return {key: binding.action for binding in bindings for key in binding.key.split(",")}


@pytest.mark.parametrize("page", PAGES)
def test_no_key_hides_another(page: type[Page]) -> None:
    for widget in PAGES[page]:
        nearer, farther = keys_of(widget), [keys_of(page), keys_of(Workbench)]
        hidden = {key for keys in farther for key in keys if key in nearer} - {"escape"}  # ends the cursor first
        assert not hidden, (widget, hidden)
    assert not keys_of(page).keys() & keys_of(Workbench).keys()


async def test_every_action_of_every_page_is_in_the_help_and_the_palette(opened: Open) -> None:
    async with opened() as (app, pilot):
        for page, keys in ((QueuePage, ()), (JobPage, ("enter",)), (DevicesPage, ("d",))):
            await pilot.press(*keys)
            await until(pilot, lambda page=page: isinstance(app.screen, page))
            wanted = {one.removeprefix("app.") for one in (*keys_of(page).values(), *keys_of(Workbench).values())}
            offered = {hint.action.removeprefix("app.") for hint in hints_of(app.screen, hidden=True)}
            assert wanted - {"command_palette"} <= offered
            titles = {command.title for command in app.get_system_commands(app.screen)}
            assert {h.words for h in hints_of(app.screen, hidden=True) if h.action != "command_palette"} <= titles
            if page is not QueuePage:
                await pilot.press("escape")


async def test_every_key_of_a_page_is_explained_once_and_the_pages_own_come_first(opened: Open, writer: Writer) -> None:
    writer.sql("UPDATE jobs SET suite = 'both' WHERE id IN (1, 3)")
    pages = (
        (QueuePage, (), "queue"), (SuitePage, ("g", "a"), "suite"),
        (ComparePage, ("escape", "asterisk", "v"), "compare"), (DevicesPage, ("escape", "escape", "d"), "devices"),
        (JobPage, ("escape", "G", "k", "enter"), "job"), (MetricsPage, ("M",), "metrics"),
    )  # fmt: skip
    async with opened((80, 24)) as (app, pilot):
        for page, keys, scope in pages:
            await pilot.press(*keys)
            await until(pilot, lambda page=page: isinstance(app.screen, page) and app.screen.is_active)
            owners = [page, Workbench, *([] if app.focused is None else [type(app.focused)])]
            await pilot.press("question_mark")
            shown = [hint for hint in app.screen._shown if hint is not None]  # type: ignore[attr-defined]
            listed = [key for hint in shown for key in hint.keys.split()]
            wanted = {key_name(key) for owner in owners for key in keys_of(owner)} - {"^q", "^c"}
            assert sorted(listed) == sorted(set(listed)) and wanted <= set(listed), (page, wanted - set(listed))
            assert all(hint.explained for hint in shown), [hint.keys for hint in shown if not hint.explained]
            assert shown[0].scope == scope and shown[-1].scope == "app"
            order = [hint.scope for hint in shown]
            assert [scope for scope, _ in groupby(order)] == list(dict.fromkeys(order)), "one group per heading"
            await pilot.press("escape")


async def test_help_has_headings_explains_and_does_what_is_chosen(opened: Open) -> None:
    async with opened((120, 40)) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        pane = app.screen.query_one(ListPane)
        lines = [line.strip() for line in pane.text.splitlines()]
        assert [line for line in lines if line in SCOPES.values()] == [
            "queue", "job", "table of jobs", "every page", "everywhere"
        ]  # fmt: skip
        assert pane.render_line(0).text.rstrip() == f"keys  (1 of {len(hints_of(app.screen_stack[-2], hidden=True))})"
        await pilot.press("down", "up", "up")
        assert pane.render_line(0).text.startswith("keys  (1 of ") and pane.render_line(1).text.split()[0] == "queue"
        assert any(
            line.split() == ["p", "pause/resume", "Pause", "the", "jobs,", "or", "resume", "them"] for line in lines
        )
        told = [line.partition("Move the job ")[2] for line in lines if line[:2] in ("J ", "K ")]
        assert told == ["down", "up"]
        await pilot.press(*"begun")  # words of an explanation
        assert "edit before it runs" in pane.text and "edit" in pane.text.splitlines()[1]
        await pilot.press("escape", "question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help) and app.screen.query_one(Input).value == "")
        await pilot.press(*"devices", "enter")
        await until(pilot, lambda: isinstance(app.screen, DevicesPage))


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40)])
async def test_every_word_of_the_help_can_be_read(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        pane = app.screen.query_one(ListPane)

        def window() -> list[str]:
            return [
                pane.render_line(y).text.removeprefix("▶ ").rstrip("│┃ ").strip() for y in range(1, pane.size.height)
            ]

        await pilot.press("end")
        last = window()
        await pilot.press("home")
        first = window()
        seen = dict.fromkeys(first)
        for _ in range(30):
            if window() == last:
                break
            await pilot.press("pagedown")
            seen |= dict.fromkeys(window())
        assert not any("…" in line for line in seen)
        for hint in hints_of(app.screen_stack[-2], hidden=True):
            assert " ".join(seen).split().count(hint.explained.rpartition(" ")[2]) or not hint.explained
        assert "stands in each title" in " ".join(" ".join(seen).split()), "the last of the marks"
        assert window() == last
        await pilot.press("home")
        assert window() == first
        await pilot.press("end")
        assert window() == last
        await pilot.press("pageup", "pageup")  # to the top of the window, then further
        assert window() != last


async def test_the_cursor_goes_from_key_to_key_and_a_click_on_any_of_its_rows_chooses_it(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        pane = app.screen.query_one(ListPane)
        rows = [pane.render_line(y).text.rstrip() for y in range(1, pane.size.height)]
        broken = next(y for y, row in enumerate(rows) if row.startswith(" " * 30))
        await pilot.click(ListPane, offset=(5, broken + 1))
        marked = [y for y in range(pane.size.height) if pane.render_line(y).text.startswith("▶")]
        assert marked == [broken], "the row above it, which the title shifts by one"
        await pilot.press("down")
        marked = [y for y in range(pane.size.height) if pane.render_line(y).text.startswith("▶")]
        assert marked[0] > broken + 1


def test_every_binding_has_a_name_for_the_settings() -> None:
    for owner in (*PAGES, *(widget for widgets in PAGES.values() for widget in widgets), Workbench):
        for binding in owner.BINDINGS:  # type: ignore[attr-defined]
            named = isinstance(binding, Binding) and (binding.id is not None or not binding.show)
            assert named, binding
            assert binding.id is None or binding.id in binding_ids()
    assert {"queue.move-down", "queue.move-up"} <= binding_ids().keys()
