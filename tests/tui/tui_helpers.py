"""What the interface's tests wait for."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from textual.pilot import Pilot

from lth_tui.app import Workbench

Open = Callable[..., AbstractAsyncContextManager[tuple[Workbench, Pilot[int]]]]
"""The fixture `opened`: opens the workspace at a size."""


def looked_at(app: Workbench, job: int) -> bool:
    """Whether a job has been read closely and summed up, and the others too."""
    detail = app.snapshot.detail
    summed = len(app.snapshot.summaries) == len(app.snapshot.jobs)
    return detail is not None and detail.job.id == job and detail.summary is not None and summed


def wait_for(true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait, without an app, for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


async def until(pilot: Pilot[int], true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something to become true, then let the screen settle."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        await pilot.pause(0.02)
    await pilot.pause(0.05)
