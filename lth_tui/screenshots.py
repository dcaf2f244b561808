"""`python -m lth_tui.screenshots OUT_DIR`: SVGs of the pages, of a newly trained workspace or of your own."""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from textual.pilot import Pilot

from lth_tui.app import Workbench
from lth_tui.demo import demonstrated
from lth_tui.opening import workbench
from lth_tui.screens.job import VIEWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZES = ((80, 24), (120, 40))
POPUPS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("queue", (), ()),
    ("add", ("n",), ("escape",)),
    ("clone", ("c",), ("escape",)),
    ("help", ("question_mark",), ("escape",)),
    ("palette", ("colon",), ("escape",)),
    ("quit", ("q",), ("escape",)),
    ("cancel", ("x",), ("escape",)),
    ("slots", ("d",), ("escape",)),
    ("compare", ("asterisk", "v"), ("escape", "escape")),
)
"""Name, keys that lead there from the queue page, keys that lead back."""
IN_DOCS = ("queue-120x40", "curves-120x40", "layers-80x24", "compare-120x40", "clone-80x24", "queue-80x24",
           "devices-80x24", "help-80x24")  # fmt: skip
"""The pictures that the documentation shows."""


async def settle(pilot: Pilot[int], job: int | None = None) -> None:
    """Wait until the workspace is read and, if given, a job is read in detail and summarised."""
    app = pilot.app
    assert isinstance(app, Workbench)  # noqa: S101
    for _ in range(200):
        await pilot.pause(0.05)
        detail = app.snapshot.detail
        if not app.snapshot.loaded or (app.snapshot.jobs and detail is None):
            continue
        if detail is None or (detail.summary is not None and job in (None, detail.job.id)):
            break
    app.renew()
    await pilot.pause(0.1)


async def take(
    opened: AbstractAsyncContextManager[tuple[Workbench, Pilot[int]]], out: Path, only: Sequence[str] = (),
    theme: str | None = None,
) -> list[Path]:  # fmt: skip
    """Save the pages of a workbench, or those named `PAGE-WIDTHxHEIGHT` in `only`; returns the files."""
    out.mkdir(parents=True, exist_ok=True)
    saved: list[Path] = []
    async with opened as (app, pilot):
        if theme is not None:
            app.theme = theme
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await settle(pilot)
            camera = _Camera(app, pilot, out, f"{size[0]}x{size[1]}", only)
            await _pages(app, pilot, camera)
            saved += camera.saved
    return saved


class _Camera:
    """Saves what is on screen, if it is wanted."""

    def __init__(self, app: Workbench, pilot: Pilot[int], out: Path, size: str, only: Sequence[str]) -> None:
        self._app, self._pilot, self._out, self._size, self._only = app, pilot, out, size, only
        self.saved: list[Path] = []

    def wants(self, page: str) -> bool:
        return not self._only or f"{page}-{self._size}" in self._only

    async def shoot(self, page: str, keys: Sequence[str], away: Sequence[str]) -> None:
        if not self.wants(page):
            return
        await self._pilot.press(*keys)
        await self._pilot.pause(1.0)
        self._app.clear_notifications()
        await self._pilot.pause(0.1)
        path = self._out / f"{page}-{self._size}.svg"
        path.write_text(self._app.export_screenshot(title=f"lth-tui, {page}"))
        self.saved.append(path)
        await self._pilot.press(*away)
        await self._pilot.pause(0.2)


async def _pages(app: Workbench, pilot: Pilot[int], camera: _Camera) -> None:
    jobs = sorted(app.snapshot.jobs, key=lambda job: job.state != "running")
    if jobs:
        app.wanted_job = jobs[0].id
        app.renew()
        await settle(pilot, jobs[0].id)
    for name, keys, away in POPUPS:
        await camera.shoot(name, keys, away)
    if not jobs:
        return
    await pilot.press("enter")
    await settle(pilot, jobs[0].id)
    for number, view in enumerate(VIEWS, start=1):
        cursor = ("v", "L") if view == "curves" else ()
        await camera.shoot(view, (str(number), *cursor), cursor[:1])
    await pilot.press("escape")


@asynccontextmanager
async def viewed(folder: Path) -> "AsyncIterator[tuple[Workbench, Pilot[int]]]":
    """A workbench without engine on an existing workspace."""
    app = workbench(folder, view=True)
    async with app.run_test(size=SIZES[0]) as pilot:
        yield app, pilot


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m lth_tui.screenshots")
    parser.add_argument("out", type=Path)
    parser.add_argument("--workspace", type=Path, help="your own (default: one is made and trained, some minutes)")
    parser.add_argument("--docs", action="store_true", help="only the pictures that the documentation shows")
    parser.add_argument("--theme", help="such as textual-light")
    options = parser.parse_args()
    only = IN_DOCS if options.docs else ()
    with tempfile.TemporaryDirectory(prefix="lth-pictures-") as made:
        opened = demonstrated(Path(made) / "workspace") if options.workspace is None else viewed(options.workspace)
        for path in asyncio.run(take(opened, options.out, only, options.theme)):
            print(path)


if __name__ == "__main__":
    main()
