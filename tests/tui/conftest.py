"""Fixtures of the interface's tests: a filled workspace, an app that only views it, a clock in UTC."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pseudo_terminal import kill_all
from textual.pilot import Pilot
from tui_helpers import Open, looked_at, until
from workspace_fixture import Writer, copy_of, fill

from lth_tui.app import Workbench
from lth_tui.opening import workbench


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day are shown in local time."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A theme that is chosen is remembered."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the next tick is most of what a test does."""
    monkeypatch.setattr("lth_tui.app.TICK", 0.02)


@pytest.fixture(autouse=True)
def no_terminal_is_left() -> Iterator[None]:
    """Also not by a test that fails in the middle."""
    yield
    kill_all()


@pytest.fixture(scope="session")
def four_jobs(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """A workspace with four jobs, to be copied."""
    made = fill(tmp_path_factory.mktemp("four") / "ws", seeds=4)
    made.database.close()
    return made


@pytest.fixture
def writer(four_jobs: Writer, tmp_path: Path) -> Iterator[Writer]:
    """A workspace with four jobs, and the means to change it."""
    made = copy_of(four_jobs, tmp_path / "ws")
    yield made
    made.database.close()


@pytest.fixture
def opened(writer: Writer) -> Open:
    """Open the workspace at a size; the running job is under the cursor and summed up."""

    @asynccontextmanager
    async def run(size: tuple[int, int] = (120, 40)) -> AsyncIterator[tuple[Workbench, Pilot[int]]]:
        app = workbench(writer.workspace.folder, view=True)
        app.feed.period = 0.03
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: bool(app.snapshot.jobs))
            app.wanted_job = 2
            app.renew()
            await until(pilot, lambda: looked_at(app, 2))
            yield app, pilot

    return run
