"""`python -m lth_tui.screenshots WORKSPACE OUT_DIR`: SVGs of the pages at two sizes, without an engine."""

import argparse
import asyncio
from pathlib import Path

from textual.pilot import Pilot

from lth_tui.app import Workbench, workbench
from lth_tui.screens.job import VIEWS

SIZES = ((80, 24), (120, 40))


async def settle(pilot: Pilot[int], job: int | None = None) -> None:
    """Wait until the workspace is read and, if asked, a job is looked at closely and summed up."""
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


async def take(folder: Path, out: Path, theme: str | None = None) -> list[Path]:
    """Save the pages; returns the files."""
    out.mkdir(parents=True, exist_ok=True)
    saved: list[Path] = []
    for size in SIZES:
        app = workbench(folder, view=True)
        async with app.run_test(size=size) as pilot:
            if theme is not None:
                app.theme = theme
            await settle(pilot)

            def save(name: str, size: tuple[int, int] = size, app: Workbench = app) -> None:
                path = out / f"{name}-{size[0]}x{size[1]}.svg"
                path.write_text(app.export_screenshot(title=f"lth-tui, {name}"))
                saved.append(path)

            jobs = sorted(app.snapshot.jobs, key=lambda job: job.state != "running")
            chosen = jobs[0].id if jobs else None
            if chosen is not None:
                app.wanted_job = chosen
                app.renew()
                await settle(pilot, chosen)
            for name, keys, away in _POPUPS:
                await pilot.press(*keys)
                await pilot.pause(0.6)
                save(name)
                await pilot.press(*away)
            if app.snapshot.jobs:
                await pilot.press("enter")
                await settle(pilot, chosen)
                for number, view in enumerate(VIEWS, start=1):
                    keys = (str(number), *(("v", "L") if view == "curves" else ()))
                    await pilot.press(*keys)
                    await pilot.pause(0.3)
                    save(view)
                    await pilot.press(*(["v"] if view == "curves" else []))
    return saved


_POPUPS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("queue", (), ()),
    ("add", ("n",), ("escape",)),
    ("clone", ("c",), ("escape",)),
    ("help", ("question_mark",), ("escape",)),
    ("compare", ("asterisk", "v"), ("escape", "escape")),
)
"""Name, keys that lead there from the queue page, keys that lead back."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m lth_tui.screenshots")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--theme", help="such as textual-light")
    options = parser.parse_args()
    for path in asyncio.run(take(options.workspace, options.out, options.theme)):
        print(path)


if __name__ == "__main__":
    main()
