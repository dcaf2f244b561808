"""Quitting, and who owns the engine."""

import threading
from pathlib import Path

import pytest
from test_tui_bursts import burst
from tui_helpers import Open, until, wait_for
from workspace_fixture import Writer

from lth_core.engine.lease import Lease
from lth_core.store.commands import Pause
from lth_core.store.workspace import Workspace
from lth_tui import engine_owner
from lth_tui.engine_owner import EngineOwner, Ownership
from lth_tui.reading.feed import LabelledCommand
from lth_tui.reading.reader import Reader
from lth_tui.reading.snapshot import Snapshot, Watch
from lth_tui.screens.confirm import Confirm
from lth_tui.widgets.lines import Lines


class PretendOwner(threading.Thread):
    """Owns an engine that stops when the test lets it."""

    owns = True
    state = Ownership("here")

    def __init__(self) -> None:
        super().__init__()
        self.asked_to_stop, self.may_stop = threading.Event(), threading.Event()

    def stop(self) -> None:
        self.asked_to_stop.set()
        assert self.may_stop.wait(120)


async def test_quitting_with_trials_running_asks(opened: Open) -> None:
    async with opened() as (app, pilot):
        owner = PretendOwner()
        app.owner = owner  # type: ignore[assignment]
        app.renew()
        assert "engine ● here" in app.screen.query_one("#header", Lines).text
        await pilot.press("q")
        assert isinstance(app.screen, Confirm) and "16 trials running" in app.screen.query_one("#question", Lines).text
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Confirm))
        assert app.is_running and not owner.asked_to_stop.is_set()
        burst(app, "qs")
        await until(pilot, owner.asked_to_stop.is_set)
        assert app.return_code is None, "it waits for the engine"
        owner.may_stop.set()
        await until(pilot, lambda: app.return_code == 0)


async def test_a_viewer_quits_at_once(opened: Open) -> None:
    async with opened() as (app, pilot):
        await pilot.press("q")
        await until(pilot, lambda: app.return_code == 0)


async def test_a_snapshot_that_comes_while_the_screens_close_is_no_error(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as (app, _):
        close = app._close_all

        async def close_all() -> None:
            await close()
            app.feed.latest = Snapshot()
            app._tick()  # Textual's timers call it without asking whether there is a screen

        monkeypatch.setattr(app, "_close_all", close_all)


async def test_a_file_being_saved_is_whole(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, waited_for = tmp_path / "saved.txt", threading.Event()

    def save() -> Path:
        assert waited_for.wait(120)
        file.write_text("whole")
        return file

    class Saving(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            waited_for.set()
            super().join(timeout)

    async with opened() as (app, pilot):
        with monkeypatch.context() as patch:
            patch.setattr(threading, "Thread", Saving)
            app.do_aside("figure", save)
        await pilot.press("q")
    app.finish()
    assert file.read_text() == "whole" and not app.feed.is_alive()


async def test_a_key_pressed_just_before_is_obeyed(
    opened: Open, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on, read = threading.Event(), threading.Event(), Reader.read

    def slow(reader: Reader, watch: Watch) -> Snapshot:
        entered.set()
        go_on.wait(10)
        return read(reader, watch)

    async with opened() as (app, pilot):
        monkeypatch.setattr(Reader, "read", slow)
        await until(pilot, entered.is_set)
        app.feed.ask(LabelledCommand(Pause(job=2), "job 2 is paused"))
        await pilot.press("q")
    go_on.set()
    app.finish()
    assert writer.asked() == [("pause", {"job": 2})]


@pytest.mark.processes
def test_a_held_lease_makes_a_viewer_that_takes_over(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.sql("UPDATE jobs SET state = 'cancelled'")
    writer.sql("UPDATE trials SET state = 'cancelled'")
    writer.sql("UPDATE batches SET state = 'done'")
    monkeypatch.setattr(engine_owner, "_RETRY", 0.1)
    lease = Lease(writer.workspace.lease)
    owner = EngineOwner(Workspace(writer.workspace.folder), "cpu", 1)
    owner.start()
    wait_for(lambda: owner.state.word == "elsewhere")
    assert owner.state.pid and owner.state.host and not owner.owns
    lease.release()
    wait_for(lambda: owner.owns)
    owner.stop()
    Lease(writer.workspace.lease).release()  # free again


@pytest.mark.processes
def test_an_engine_that_cannot_start_is_a_sentence(writer: Writer) -> None:
    owner = EngineOwner(writer.workspace, "cuda:9", None)
    owner.start()
    wait_for(lambda: owner.state.word == "failed")
    assert owner.state.error is not None and owner.state.error.startswith("device cuda:9: expected auto")
    owner.stop()
