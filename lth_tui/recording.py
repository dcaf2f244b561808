"""`python -m lth_tui.recording FILE.svg`: the workbench at work, from an empty workspace to the answers."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from textual._compositor import LayoutUpdate
from textual.pilot import Pilot
from textual.strip import Strip

from lth_core.errors import InputError
from lth_tui.animation import Frame, animated
from lth_tui.app import Workbench
from lth_tui.opening import workbench
from lth_tui.screenshots import settle

SIZE = (100, 30)
PRESET = "quick/cartpole"
TRAINING_FRAMES, TRAINING_SECONDS, EVERY = 40, 0.3, 1.0
"""Of the pictures that are taken every second while it trains, so many are kept, each shown for so long."""
PATIENCE = 3600
ENDING = (
    ("2", "2: score against density", 3.5),
    ("3", "3: what each layer keeps", 2.5),
    ("4", "4: the audit", 2.5),
    ("9", "9: the answers", 5.0),
    ("escape", "escape: the queue", 2.5),
)
"""Keys once the job is done, what is said of each, and seconds for which its page is shown."""


class _Camera:
    def __init__(self, app: Workbench, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot
        self.frames: list[Frame] = []

    def rows(self) -> list[Strip]:
        """The screen, dialogs included."""
        update = self.app.screen._compositor.render_update(full=True, screen_stack=self.app._background_screens)
        assert isinstance(update, LayoutUpdate)  # noqa: S101
        return [Strip.join(parts).simplify() for parts in update.strips]

    async def take(self, caption: str, seconds: float, *keys: str, wait: float = 1.0) -> None:
        """Press keys and keep what they lead to."""
        await self.pilot.press(*keys)
        await self.pilot.pause(wait)
        self.app.clear_notifications()
        await self.pilot.pause(0.2)
        self.frames.append(Frame(self.rows(), caption, seconds))

    async def train(self, job: int) -> None:
        """Watch a job until it is done."""
        seen: list[list[Strip]] = []
        for _ in range(int(PATIENCE / EVERY)):
            await self.pilot.pause(EVERY)
            rows = self.rows()
            if not seen or [strip.text for strip in rows] != [strip.text for strip in seen[-1]]:
                seen.append(rows)
            state = next(one.state for one in self.app.snapshot.jobs if one.id == job)
            if state in ("failed", "cancelled"):
                raise InputError(f"the job that is recorded {state}")
            if state == "done":
                break
        step = max(1.0, len(seen) / TRAINING_FRAMES)
        kept = [seen[int(place * step)] for place in range(int(len(seen) / step))]
        caption = f"{PRESET} trains (shortened): winning and random tickets, seed by seed"
        self.frames += [Frame(rows, caption, TRAINING_SECONDS) for rows in kept]


async def record(folder: Path) -> list[Frame]:
    """Frames of a first job in a new workspace. Raises InputError if it fails."""
    app = workbench(folder, view=False, device="cpu")
    try:
        async with app.run_test(size=SIZE) as pilot:
            await settle(pilot)
            camera = _Camera(app, pilot)
            await camera.take("lth-tui in an empty workspace", 2.0)
            await camera.take("n: a new experiment", 2.0, "n")
            await camera.take("typed: cartpole", 2.0, *"cartpole")
            await camera.take("enter: it is queued", 1.5, "enter", wait=3.0)
            await camera.take("enter: the job's page", 1.0, "enter", wait=3.0)
            await camera.train(1)
            await settle(pilot, 1)
            for key, caption, seconds in ENDING:
                await camera.take(caption, seconds, key, wait=2.0)
            return camera.frames
    finally:
        if app.owner is not None:
            app.owner.stop()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m lth_tui.recording")
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory(prefix="lth-recording-") as made:
        frames = asyncio.run(record(Path(made) / "workspace"))
    out.write_text(animated(frames, f"The workbench runs {PRESET}"))
    print(f"{out}: {len(frames)} frames, {out.stat().st_size / 1e3:.0f} KB")


if __name__ == "__main__":
    main()
