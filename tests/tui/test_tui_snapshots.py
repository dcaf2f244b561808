"""The pages as pictures, at three sizes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input
from tui_helpers import until
from workspace_fixture import fill

from lth_tui.app import Workbench, workbench
from lth_tui.screens.answers_pane import AnswersPane
from lth_tui.screenshots import settle
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.list_pane import ListPane

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace for all pictures, which only show it."""
    folder = tmp_path_factory.mktemp("pictures") / "ws"
    fill(folder, seeds=4).database.close()
    return folder


@SIZES
@pytest.mark.parametrize("page", ["queue", "job", "compare", "clone", "answers", "metrics"])
def test_page(page: str, size: tuple[int, int], filled: Path, snap_compare: Callable[..., bool]) -> None:
    _compare(page, size, filled, snap_compare)


def test_answers_without_colour(
    filled: Path, snap_compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    _compare("answers", (80, 24), filled, snap_compare)


def _compare(page: str, size: tuple[int, int], folder: Path, snap_compare: Callable[..., bool]) -> None:
    app = workbench(folder, view=True)

    async def prepare(pilot: Pilot[int]) -> None:
        await settle(pilot)
        app.wanted_job = 2
        app.renew()
        await settle(pilot, 2)
        await until(pilot, lambda: len(app.snapshot.summaries) == 4)
        if page == "clone":
            await pilot.press("c")
            await until(pilot, lambda: "fields" in app.screen.query_one(ListPane).text)
            app.screen.query_one(Input).cursor_blink = False
        if page == "compare":
            await pilot.press("g", "space", "space", "v")
            await until(pilot, lambda: "2 winning" in app.screen.query_one("#together", LinePlot).text)
        if page == "answers":
            await pilot.press("a")
            await until(pilot, lambda: "audit: " in app.screen.query_one(AnswersPane).text)
            await pilot.press(*(["o"] if size == (80, 24) else []))
        if page == "metrics":
            await pilot.press("enter", "M", "v")
            await until(pilot, lambda: "winning - random" in app.screen.query_one("#small-0", LinePlot).text)
        if page == "job":
            await pilot.press("enter", *(["3"] if size == (80, 24) else []))
            await settle(pilot, 2)

    assert isinstance(app, Workbench)
    assert snap_compare(app, terminal_size=size, run_before=prepare)
