"""Adding an experiment: choose a file by typing part of its name, preview it, queue it."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widgets import Input

from lth_core.text import one_line
from lth_tui.experiment_files import (
    Candidate,
    Preview,
    candidates,
    code_refused,
    completed,
    known_time,
    measured_cost,
    preview,
    submissions,
)
from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, PLAIN, SKY, VERMILLION, ink
from lth_tui.reading.feed import LabelledCommand
from lth_tui.screens.dialog import Dialog
from lth_tui.strips import Row, wrap, wrap_hints
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane

if TYPE_CHECKING:
    from lth_core.store.views import JobView, SlotView
    from lth_tui.bench import Bench

_KEYS = "⏎ queue it  tab complete the path  ^s change fields first  ^n another copy  ^t measure again  esc close"
_REST = 0.8
"""Seconds on one file after which its time and disk are measured, if nothing else runs."""


class Add(Dialog[list[LabelledCommand] | None]):
    """Returns the commands to submit the chosen experiment, or all of the chosen suite."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("add", "escape", "close", "close"),
        key("add", "down", "move(1)", "next file", priority=True),
        key("add", "up", "move(-1)", "file before", priority=True),
        key("add", "tab", "complete", "complete the path", priority=True),
        key("add", "enter", "submit(False)", "queue it", priority=True),
        key("add", "ctrl+n", "submit(True)", "queue another copy", priority=True),
        key("add", "ctrl+t", "measure", "measure time and disk", priority=True),
        key("add", "ctrl+s", "edit", "change fields first", priority=True),
    ]

    def __init__(self, jobs: Sequence["JobView"] = (), slots: Sequence["SlotView"] = ()) -> None:
        super().__init__()
        self._jobs, self._slots = jobs, slots
        self._costs: dict[Path, list[str]] = {}
        self._all: list[Candidate] = []
        self._shown: list[Candidate] = []
        self._previews: dict[Path, Preview] = {}
        self._found = asyncio.Event()

    def compose(self) -> ComposeResult:
        """Filter, list, preview."""
        with Vertical(classes="box tall"):
            yield Input(placeholder="type to filter, or the path of a TOML file (tab completes it)", id="filter")
            with Container(id="choice"):
                yield ListPane("experiments", cursor=True, id="files")
                yield Lines(id="sketch")
            yield Lines(id="add-keys")

    async def on_mount(self) -> None:
        """Look for files."""
        self.query_one("#files", ListPane).can_focus = False
        self.query_one(Input).focus()
        self._find()

    def on_resize(self, event: events.Resize) -> None:
        """List and preview side by side where there is room."""
        self.set_class(event.size.width >= 90, "-wide")
        room = max(20, min(106, int(event.size.width * 0.96) - 4))
        self.query_one("#add-keys", Lines).put([[(line, DIM)] for line in wrap_hints(_KEYS, room)])
        self.call_after_refresh(self._sketch)

    @work(exclusive=True, group="find")
    async def _find(self) -> None:
        self._all = await asyncio.to_thread(candidates)
        self._found.set()
        self._filter(self.query_one(Input).value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter."""
        self._filter(event.value)

    def _filter(self, wanted: str) -> None:
        words = wanted.lower().split()
        self._shown = [c for c in self._all if all(word in c.label.lower() for word in words)]
        typed = Path(os.path.expanduser(wanted.strip())) if wanted.strip().endswith(".toml") else None  # noqa: PTH111 Path's raises without a home
        there = typed is not None and os.path.isfile(typed)  # noqa: PTH113 Path's raises where a folder is closed
        if typed is not None and there and typed.resolve() not in {c.path for c in self._shown}:
            self._shown.insert(0, Candidate(typed.resolve(), one_line(wanted, 200)))
        files = self.query_one("#files", ListPane)
        files.index = 0
        rows: list[Row] = [c.label for c in self._shown]
        files.put(rows, "experiments" if rows else "no experiment file matches")
        self._load()

    def on_list_pane_chosen(self) -> None:
        """Another file."""
        self._load()

    def action_move(self, by: int) -> None:
        """Cursor in the list."""
        self.query_one("#files", ListPane).action_move(by)

    async def action_complete(self) -> None:
        """Complete the path in the line."""
        line = self.query_one(Input)
        typed = line.value
        found = await asyncio.to_thread(completed, typed)
        if line.value == typed and found != typed:
            line.value = found
            line.cursor_position = len(found)

    def action_close(self) -> None:
        """Nothing is added."""
        self.dismiss(None)

    def _say(self, words: str, severity: str) -> None:
        cast("Bench", self.app).say(words, severity)

    def _chosen(self) -> Candidate | None:
        place = self.query_one("#files", ListPane).index
        return self._shown[place] if place < len(self._shown) else None

    @work(exclusive=True, group="load")
    async def _load(self) -> None:
        self.workers.cancel_group(self, "measure")
        chosen = self._chosen()
        self._sketch()
        if chosen is None:
            return
        found = self._previews[chosen.path] = await asyncio.to_thread(preview, chosen.path)
        self._sketch()
        if self._worth_measuring(chosen.path, found):
            await asyncio.sleep(_REST)
            self.action_measure()

    def _worth_measuring(self, path: Path, found: Preview) -> bool:
        """Whether one experiment's time is unknown, and a measurement would disturb nothing."""
        idle = not any(slot.batch for slot in self._slots)
        single = bool(found.experiments) and found.suite is None
        return single and idle and path not in self._costs and not known_time(found, self._jobs)

    def _sketch(self) -> None:
        chosen, lines = self._chosen(), self.query_one("#sketch", Lines)
        found = self._previews.get(chosen.path) if chosen else None
        width = max(8, lines.size.width - 2)
        if chosen is None:
            typed = self.query_one(Input).value.strip()
            words = "no match; you can also type the path of a TOML file" if typed else (
                "put TOML files into configs/ or the working folder"
            )  # fmt: skip
            lines.put([[(line, DIM)] for line in wrap(words, width)])
        elif found is None:
            lines.put([[("reading ...", DIM)]])
        elif not found.experiments:
            lines.put([[(line, ink(VERMILLION))] for text in found.lines for line in wrap(text, width)])
        else:
            rows: list[Row] = [[(found.lines[0], BOLD)]]
            cost = self._costs.get(chosen.path) or [known_time(found, self._jobs) or "time, disk: press ^t to measure"]
            rows += [[(line, ink(SKY))] for text in cost for line in wrap(text, width, "  ")]
            rows += [[(line, PLAIN)] for text in found.lines[1:] for line in wrap(text, width, "  ")]
            lines.put(rows)

    async def action_submit(self, again: bool) -> None:
        """Queue the chosen experiment."""
        await self._found.wait()
        chosen = self._chosen()
        if chosen is None:
            return
        found = await self._preview(chosen)
        if not self.is_active:  # left meanwhile
            return
        wrong = found.lines[0] if not found.experiments else await code_refused(found.experiments, chosen.path)
        if not self.is_current:
            return
        if wrong:
            self._say(wrong, "error")
            return
        self.dismiss(submissions(found, chosen.path, again=again))

    async def _preview(self, chosen: Candidate) -> Preview:
        known = self._previews.get(chosen.path)
        return known if known is not None else await asyncio.to_thread(preview, chosen.path)

    @work(exclusive=True, group="measure")
    async def action_measure(self) -> None:
        """Let `lth check` measure what the chosen file costs on the slots that there are."""
        await self._found.wait()
        chosen = self._chosen()
        if chosen is None or not (await self._preview(chosen)).experiments:
            return
        measuring = self._costs[chosen.path] = ["measuring: some ten CPU seconds, 30 for Atari ..."]
        self._sketch()
        device = ",".join(sorted({slot.device for slot in self._slots})) or "auto"
        try:
            cost = await measured_cost(chosen.path, device, len(self._slots) or None)
        except OSError as error:
            cost = [f"could not be measured: {one_line(error)}"]
        except asyncio.CancelledError:
            if self._costs.get(chosen.path) is measuring:  # not the measurement that ended this one
                del self._costs[chosen.path]
            raise
        self._costs[chosen.path] = cost or ["could not be measured"]
        self._sketch()

    async def action_edit(self) -> None:
        """Change fields of the chosen experiment before it is queued."""
        from lth_tui.screens.edit import Edit

        await self._found.wait()
        chosen = self._chosen()
        found = None if chosen is None else await self._preview(chosen)
        if chosen is None or found is None or not found.experiments or not self.is_active:
            return
        if found.suite is not None:
            self._say("change a suite in its file, or clone its jobs one by one", "warning")
            return

        def edited(command: LabelledCommand | None) -> None:
            if command is not None:
                self.dismiss([command])

        self.app.push_screen(Edit(found.experiments[0], one_line(chosen.path)), edited)
