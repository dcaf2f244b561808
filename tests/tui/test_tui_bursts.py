"""Keys that arrive in one write are handled in their order, and go to what the ones before them opened."""

import asyncio
import json
import os
import threading

import pytest
from pseudo_terminal import Terminal
from textual import events
from textual.command import CommandPalette
from textual.keys import _character_to_key
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_core.experiment import presets
from lth_tui import type_ahead
from lth_tui.app import Workbench
from lth_tui.screens import add
from lth_tui.screens.add import Add
from lth_tui.screens.devices import DevicesPage
from lth_tui.screens.job import JobPage
from lth_tui.screens.queue import QueuePage
from lth_tui.widgets.list_pane import ListPane

NAMED = {"\n": "enter", "\x1b": "escape", "\t": "tab", " ": "space", "\x13": "ctrl+s", "\x10": "ctrl+p"}


def clicks(app: Workbench, x: int, y: int, times: int) -> None:
    """Clicks on one cell in one write."""
    for _ in range(times):
        for kind in (events.MouseDown, events.MouseUp):
            app.post_message(kind(None, x=x, y=y, delta_x=0, delta_y=0, button=1, shift=False, meta=False, ctrl=False))


def burst(app: Workbench, text: str) -> None:
    """All of a text in one write, as a terminal sends it."""
    for character in text:
        key = NAMED.get(character) or _character_to_key(character)
        app.post_message(events.Key(key, character if character.isprintable() else None))


async def test_a_burst_into_the_add_dialog_queues_what_it_names(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        burst(app, "npendu\n")
        await until(pilot, lambda: bool(writer.asked()))
        ((kind, payload),) = writer.asked()
        assert kind == "submit" and json.loads(str(payload["experiment"]))["name"] == "pendulum"


async def test_a_paste_goes_where_the_keys_before_it_lead(opened: Open, writer: Writer) -> None:
    async with opened() as (app, pilot):
        app.post_message(events.Key("n", "n"))
        app.post_message(events.Paste("pendu"))
        app.post_message(events.Key("enter", None))
        await until(pilot, lambda: bool(writer.asked()))
        assert json.loads(str(writer.asked()[0][1]["experiment"]))["name"] == "pendulum"


@pytest.mark.parametrize("slow", [False, True])
async def test_a_click_amid_a_burst_goes_where_the_keys_before_it_lead(
    opened: Open, writer: Writer, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    found, read = add.candidates, threading.Event()
    monkeypatch.setattr(add, "candidates", lambda: (read.wait(120), found())[1])
    read.set()
    async with opened() as (app, pilot):
        burst(app, "n")
        await until(
            pilot,
            lambda: isinstance(app.screen, Add) and any(one.region.height > 4 for one in app.screen.query(ListPane)),
        )
        corner = app.screen.query_one(ListPane).region
        x, y = corner.x + 3, corner.y + 3  # the third row
        burst(app, "\x1b")
        await until(pilot, lambda: isinstance(app.screen, QueuePage))
        if slow:  # the rows are found after all has arrived
            read.clear()
        burst(app, "nquick")
        for kind in (events.MouseDown, events.MouseUp):
            app.post_message(kind(None, x, y, 0, 0, 1, False, False, False, x, y))
        burst(app, "\n")
        if slow:
            await until(pilot, lambda: isinstance(app.screen, Add))
            read.set()
        await until(pilot, lambda: bool(writer.asked()))
        wanted = sorted(name for name in presets.names() if name.startswith("quick/"))[2]
        assert json.loads(str(writer.asked()[0][1]["experiment"]))["name"] == wanted.removeprefix("quick/")


@pytest.mark.processes
def test_a_real_terminals_burst_is_handled_in_its_order(writer: Writer) -> None:
    terminal = Terminal(str(writer.workspace.folder), 120, 40)
    terminal.until(lambda text: "cartpole" in text or "job" in text)
    terminal.settle()
    os.write(terminal.master, b"npendu\r")
    terminal.until(lambda _: bool(writer.asked()))
    assert json.loads(str(writer.asked()[0][1]["experiment"]))["name"] == "pendulum"
    os.write(terminal.master, b"q")
    assert terminal.end() == 0


@pytest.mark.parametrize("keys", ["\n", "\x13"])
async def test_a_dialog_that_was_left_while_it_worked_does_nothing_more(
    opened: Open, writer: Writer, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    read, own = threading.Event(), add.preview
    monkeypatch.setattr(add, "preview", lambda path: read.wait(30) and own(path))
    monkeypatch.setattr(type_ahead, "LONGEST", 0.1)
    async with opened() as (app, pilot):
        burst(app, f"npendu{keys}\x1b\n")  # a slow disk: left, and on to the job below
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        read.set()
        await until(pilot, lambda: not any(task.get_name() == "key" for task in asyncio.all_tasks()))
        assert isinstance(app.screen, JobPage) and not writer.asked()


@pytest.mark.parametrize("slow", ["candidates", "preview"])
async def test_what_a_closed_dialog_still_waited_for_ends_with_it(
    opened: Open, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    asked, answered, real = threading.Event(), threading.Event(), getattr(add, slow)

    given, loop = asyncio.Event(), asyncio.get_running_loop()

    def held(*arguments: object) -> object:
        asked.set()
        answered.wait(30)
        found = real(*arguments)
        loop.call_soon_threadsafe(given.set)
        return found

    async def last(pane: ListPane) -> None:
        answered.set()
        await given.wait()
        for _ in range(50):  # what waited for the answer has it while the pane is still there
            await asyncio.sleep(0)

    monkeypatch.setattr(add, slow, held)
    monkeypatch.setattr(ListPane, "on_unmount", last, raising=False)
    async with opened() as (app, pilot):
        burst(app, "n")
        await until(pilot, asked.is_set)
        burst(app, "\x1b")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await until(pilot, lambda: given.is_set() and not any(one.group in ("find", "load") for one in app.workers))
        assert isinstance(app.screen, QueuePage)


async def test_a_double_click_beside_the_palette_closes_it_alone(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        burst(app, "\n\x10")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        clicks(app, 3, 1, 2)
        await until(pilot, lambda: not isinstance(app.screen, CommandPalette))
        assert isinstance(app.screen, JobPage)


async def test_many_clicks_on_a_job_open_it_once(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        clicks(app, 5, 3, 4)
        await until(pilot, lambda: isinstance(app.screen, JobPage))
        assert len(app.screen_stack) == 2


async def test_ctrl_c_quits_after_the_mouse_was_dragged_too(opened: Open) -> None:
    async with opened((80, 24)) as (app, pilot):
        common = {"delta_x": 0, "delta_y": 0, "button": 1, "shift": False, "meta": False, "ctrl": False}
        app.post_message(events.MouseDown(None, x=3, y=2, **common))
        app.post_message(events.MouseMove(None, x=40, y=9, **common))
        app.post_message(events.MouseUp(None, x=40, y=9, **common))
        await pilot.pause(0.1)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.is_running or app._exit)


async def test_a_job_deleted_below_a_dialog_leads_back_when_that_is_closed(opened: Open, writer: Writer) -> None:
    async with opened((80, 24)) as (app, pilot):
        burst(app, "\nd")
        await until(pilot, lambda: isinstance(app.screen, DevicesPage))
        writer.sql("UPDATE jobs SET deleted = 1 WHERE id = 2")
        await until(pilot, lambda: len(app.snapshot.jobs) and 2 not in [job.id for job in app.snapshot.jobs])
        app.screen_stack[1].present(app.snapshot)  # type: ignore[attr-defined]
        await pilot.resize_terminal(100, 30)
        await pilot.pause(0.1)
        assert isinstance(app.screen, DevicesPage)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, QueuePage))
        assert sum("job 2 was deleted" in text for _, _, text in app.said) == 1
