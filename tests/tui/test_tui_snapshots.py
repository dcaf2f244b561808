"""The pages as pictures: at three sizes, and without colour. `cat` shows a picture in a terminal."""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.pilot import Pilot
from textual.widgets import Input
from tui_helpers import until
from workspace_fixture import fill

from lth_tui.app import Workbench
from lth_tui.opening import workbench
from lth_tui.reading.machine import Machine, Meter
from lth_tui.screenshots import settle

SIZES = ((80, 24), (120, 40), (200, 60))
PAST = (tuple((i * 7 % 10) / 10 for i in range(30)), (0.4, 0.9, 0.7))
LATE = 20.0
"""Seconds that the first wrong picture has to become right: two that are alike may still lack what is drawn late."""
LOGGED = ("20 trials start as one stack", "step 12,000 of 60,000, 88,000 steps/s", "checkpoint at step 20,000")


@dataclass(frozen=True)
class Shot:
    """A page: the keys that lead there from the one before, and words that are on it when it is ready."""

    name: str
    keys: Sequence[str]
    ready: str


SHOTS = (
    Shot("queue", (), "at 36k steps"),
    Shot("add", ("n", *"digits"), "digits"),
    Shot("form", ("escape", "c", *"pruning.rounds=3", "enter"), "1 field changed"),
    Shot("help", ("escape", "question_mark"), "keys  (1 of"),
    Shot("jump", ("escape", "colon", *"car"), "jobs  (1 of 4)"),
    Shot("cancel", ("escape", "x"), "Cancel job 2"),
    Shot("compare", ("n", "asterisk", "v"), "2 winning"),
    Shot("band", ("s",), "median of"),
    Shot("small", ("s",), "1 winning"),
    Shot("suite", ("escape", "escape", "g", "a"), "suite both: 2 jobs"),
    Shot("curves", ("escape", "colon", "2", "enter", "enter", "v"), "winning - random"),
    Shot("metric", ("v", "m"), "return/train"),
    Shot("metrics", ("escape", "M", "v"), "winning - random"),
    Shot("lottery", ("escape", "z", "2"), "(log)"),
    Shot("layers", ("3",), "trunk.0.weight"),
    Shot("audit", ("4",), "check 0"),
    Shot("log", ("5",), "checkpoint at"),
    Shot("events", ("6",), "cartpole queued"),
    Shot("experiment", ("7",), "[task]"),
    Shot("answers", ("9",), "Winning or random?"),
    Shot("devices", ("escape", "d"), "last minute"),
)


class Ansi(SingleFileSnapshotExtension):
    """One file of text with colours for each picture."""

    _file_extension = "ansi"
    _write_mode = WriteMode.TEXT

    def serialize(self, data: str, **_: object) -> str:
        return data


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace for all pictures, which only show it."""
    folder = tmp_path_factory.mktemp("pictures") / "ws"
    writer = fill(folder, seeds=4)
    writer.sql("UPDATE jobs SET suite = 'both' WHERE id IN (1, 3)")
    batch = writer.database.row("SELECT MAX(id) AS id FROM batches WHERE job = 2")
    assert batch is not None
    logs = Path(writer.workspace.batch(batch["id"])) / "attempt-1"
    logs.mkdir(parents=True)
    (logs / "log.txt").write_text("".join(f"2026-11-29 15:38:05,327 INFO {words}\n" for words in LOGGED))
    writer.database.close()
    return folder


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's load is always the same."""
    machine = Machine(8, 0.5, 12 * 2**30, 32 * 2**30, past=PAST, memory_past=PAST, disk_free=70 * 2**30)
    monkeypatch.setattr(Meter, "read", lambda *_: machine)


def picture(app: Workbench) -> str:
    """The screen as text with colours."""
    width, height = app.size
    console = Console(
        width=width, height=height, file=io.StringIO(), force_terminal=True, color_system="truecolor", record=True,
        legacy_windows=False,
    )  # fmt: skip
    console.print(app.screen._compositor.render_update(full=True, screen_stack=app._background_screens))
    return console.export_text(styles=True)


def words_of(app: Workbench) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def shoot(app: Workbench, pilot: Pilot[int], shot: Shot, size: tuple[int, int]) -> str:
    """The picture, when it no longer changes."""
    if app.size != size:
        await pilot.resize_terminal(*size)
    await until(pilot, lambda: shot.ready in words_of(app))
    app.clear_notifications()
    for line in app.screen.query(Input):
        line.cursor_blink = False
    before, now = "", picture(app)
    while before != now:
        await pilot.pause(0.05)
        before, now = now, picture(app)
    return now


@pytest.mark.thorough
async def test_pages(filled: Path, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    wrong = await compared(filled, tmp_path, SIZES, snapshot)
    assert not wrong, "\n".join(wrong)


async def test_pages_without_colour(
    filled: Path, tmp_path: Path, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    wrong = await compared(filled, tmp_path, SIZES[:1], snapshot, "-plain")
    assert not wrong, "\n".join(wrong)


async def compared(
    filled: Path, empty: Path, sizes: Sequence[tuple[int, int]], snapshot: SnapshotAssertion, kind: str = ""
) -> list[str]:
    """What is not as in the stored pictures."""
    wrong = []
    for folder, shots in ((empty / "none", (Shot("first", (), "for an experiment"),)), (filled, SHOTS)):
        app = workbench(folder, view=True)
        async with app.run_test(size=sizes[0]) as pilot:
            await settle(pilot)
            app.wanted_job = 2
            app.renew()
            await until(pilot, lambda app=app: len(app.snapshot.summaries) == len(app.snapshot.jobs))  # type: ignore[misc]
            for shot in shots:
                await pilot.press(*shot.keys)
                for size in sizes:
                    name = f"{shot.name}-{size[0]}x{size[1]}{kind}"
                    taken = await shoot(app, pilot, shot, size)
                    ends = time.monotonic() + (0 if wrong else LATE)
                    while taken != snapshot(name=name, extension_class=Ansi):
                        if time.monotonic() > ends:
                            wrong.append(name)
                            break
                        await pilot.pause(0.2)
                        taken = picture(app)
                    assert not kind or not any(code in taken for code in ("\x1b[38;", ";38;", ";48;", "\x1b[48;"))
    return wrong
