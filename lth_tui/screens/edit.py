"""Editing an experiment field by field, checked after each change, or as text in the user's editor."""

import asyncio
import copy
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input
from textual.worker import Worker

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.store.commands import Submit
from lth_core.text import one_line, plural
from lth_tui import experiment_text
from lth_tui.experiment_files import code_refused
from lth_tui.experiment_text import Fields
from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, GREEN, PLAIN, VERMILLION, YELLOW, ink
from lth_tui.reading.feed import LabelledCommand
from lth_tui.screens.dialog import Dialog
from lth_tui.strips import Row, wrap
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane

if TYPE_CHECKING:
    from lth_tui.bench import Bench

_KEYS = "⏎ change, or set   ^s queue it   ^g in $EDITOR   ^z undo   esc close"


class Edit(Dialog[LabelledCommand | None]):
    """Returns the command to queue the changed experiment; `replaces` is the job whose place it takes, if any."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("edit", "escape", "close", "close"),
        key("edit", "down", "move(1)", "field down", priority=True),
        key("edit", "up", "move(-1)", "field up", priority=True),
        key("edit", "enter", "take", "change the field, or set it", priority=True),
        key("edit", "ctrl+s", "queue", "queue it", priority=True),
        key("edit", "ctrl+g", "editor", "edit as text", priority=True),
        key("edit", "ctrl+z", "undo", "undo the last change", priority=True),
    ]

    def __init__(self, experiment: Experiment, source: str, replaces: int | None = None) -> None:
        super().__init__()
        self._source, self._replaces = source, replaces
        self._before = experiment_text.fields_of(experiment)
        self._fields: Fields = copy.deepcopy(self._before)
        self._history: list[Fields] = []
        self._shown: list[str | None] = []
        self._of_file: dict[str, str] = {}
        self._good: Experiment | None = experiment
        self._checking: Worker[None] | None = None
        self._wrong = ""

    def compose(self) -> ComposeResult:
        """Line, fields, what is wrong, keys."""
        with Vertical(classes="box tall"):
            yield Input(placeholder="type to filter; FIELD = VALUE sets, FIELD = takes out", id="filter")
            yield ListPane("fields", cursor=True, id="files")
            yield Lines("", "", "", id="about")
            yield Lines("", "", id="wrong")
            yield Lines([(_KEYS, DIM)])

    def on_mount(self) -> None:
        """All fields."""
        self.query_one(ListPane).can_focus = False
        self.query_one(Input).focus()
        self._list()
        self._read_of_file()

    @work(exclusive=True, group="of_file")
    async def _read_of_file(self) -> None:
        """The fields of the file that the experiment came from, to mark what differs."""
        self._of_file = await asyncio.to_thread(experiment_text.lines_of_file, self._source)
        self._list()

    def on_list_pane_chosen(self) -> None:
        """Describe the field under the cursor."""
        self._describe()

    def _describe(self) -> None:
        from lth_core.experiment.field_words import words_of

        place = self.query_one(ListPane).index
        line = self._shown[place] if place < len(self._shown) else None
        name = "" if line is None else line.partition(" = ")[0]
        known = words_of(name, self._fields) if name else None
        rows: list[Row] = []
        if known is not None:
            default = "no default" if known.default == "needed" else f"default {known.default or 'none'}"
            of_file = self._of_file.get(name)
            differs = f"; its file {of_file}" if of_file is not None and line != f"{name} = {of_file}" else ""
            width = max(20, self.query_one("#about", Lines).size.width)
            rows = [[(one, PLAIN)] for one in wrap(f"{known.accepted}; {default}{differs}", width)[:2]]
            rows += [[(one, DIM)] for one in wrap(known.about, width)[:2]]
        self.query_one("#about", Lines).put([*rows, "", "", ""][:3])

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter, unless a value is being typed."""
        if "=" not in event.value:
            self._list()

    def action_move(self, by: int) -> None:
        """Cursor in the fields."""
        self.query_one(ListPane).action_move(by)

    def action_close(self) -> None:
        """Out of the line first, then nothing is queued."""
        if self.query_one(Input).value:
            self.query_one(Input).value = ""
        else:
            self.dismiss(None)

    def action_take(self) -> None:
        """Put the field into the line; with a value in the line, set it; with "=" alone, take it out."""
        line = self.query_one(Input)
        if "=" in line.value:
            self._set(line.value)
            return
        place = self.query_one(ListPane).index
        chosen = self._shown[place] if place < len(self._shown) else None
        if chosen is not None:
            line.value = chosen
            line.cursor_position = len(line.value)

    def _set(self, assignment: str) -> None:
        from lth_core.experiment.file import apply_override

        changed, (name, _, value) = copy.deepcopy(self._fields), assignment.partition("=")
        name = name.strip()
        try:
            if name and not value.strip():
                experiment_text.take_out(changed, name)
            else:
                apply_override(changed, assignment)
        except InputError as error:
            self._tell(str(error).removeprefix("--set "))
            return
        self.query_one(Input).value = ""
        self._change(changed)
        lines = [line or "" for line in self._shown]
        place = next((at for at, line in enumerate(lines) if line.partition(" = ")[0] == name), None)
        if place is not None:  # what was set stays in view
            self.query_one(ListPane).go_to(place)

    def _change(self, fields: Fields) -> None:
        self._history.append(self._fields)
        self._fields = fields
        self._list()
        self._checking = self._check()

    def action_undo(self) -> None:
        """The fields as they were before the last change."""
        if self._history:
            self._fields = self._history.pop()
            self._list()
            self._checking = self._check()

    @work(exclusive=True)
    async def _check(self) -> None:
        self._good, wrong = None, ""
        try:
            self._good = await asyncio.to_thread(experiment_text.check, self._fields, "experiment")
        except InputError as error:
            wrong = str(error).removeprefix("experiment: ")
        self._tell(wrong)

    def _tell(self, wrong: str) -> None:
        self._wrong = wrong
        width = max(20, self.query_one("#wrong", Lines).size.width)
        changed = len(set(experiment_text.lines_of(self._fields)) ^ set(experiment_text.lines_of(self._before)))
        rows: list[Row] = [[(line, ink(VERMILLION))] for line in wrap(wrong, width)] if wrong else []
        if not rows:
            trials = "" if self._good is None else plural(_trials(self._good), "trial")
            rows = [[("✓ accepted ", ink(GREEN)), (f"{trials}  {plural((changed + 1) // 2, 'field')} changed", DIM)]]
        self.query_one("#wrong", Lines).put([*rows, ""][: max(2, len(rows))])

    def _list(self) -> None:
        words = self.query_one(Input).value.lower().split()
        words = [] if "=" in self.query_one(Input).value else words
        lines = experiment_text.lines_of(self._fields)
        found = [line for line in lines if all(word in line.lower() for word in words)]
        found.sort(key=lambda line: "." in line.partition(" = ")[0])  # the top of the file first
        old = set(experiment_text.lines_of(self._before))
        self._shown, rows, table = [], list[Row](), ""
        for line in found:
            name, _, value = line.partition(" = ")
            if name.partition(".")[0] != table and "." in name:
                table = name.partition(".")[0]
                self._shown.append(None)
                rows.append([(f"[{one_line(table)}]", BOLD)])
            mark = "≠ " if self._of_file.get(name, value) != value else "  "
            self._shown.append(line)
            rows.append([(mark, ink(YELLOW)), (one_line(line), PLAIN if line in old else ink(YELLOW, bold=True))])
        what = "clone" if self._replaces is None else f"edit job {self._replaces}, which gets a new number"
        differ = " (≠: not as in its file)" if any(row[0][0] == "≠ " for row in rows) else ""
        pane = self.query_one(ListPane)
        headings = [place for place, line in enumerate(self._shown) if line is None]
        pane.put(rows, f"{what}: fields{differ}" if found else "no field matches", headings)
        pane.go_to(pane.index)
        self._describe()

    async def action_editor(self) -> None:
        """Suspend the workbench, let the user's editor change the fields, check them."""
        from lth_core.text import clean

        text = "\n".join(experiment_text.lines_of(self._fields)) + "\n"
        try:
            with self.app.suspend():
                edited = edit_text(text)
        except SuspendNotSupported:
            self._say("this terminal cannot be handed to an editor")
            return
        except OSError as error:
            self._say(f"{editor()[0]}: {error.strerror}")
            return
        try:
            fields = experiment_text.parse(clean(edited, 1_000_000))
        except InputError as error:
            self._tell(str(error))
            return
        if fields != self._fields:
            self._change(fields)

    def _say(self, words: str) -> None:
        cast("Bench", self.app).say(words, "error")

    async def action_queue(self) -> None:
        """Queue it if it is accepted, with what stands in the line."""
        line = self.query_one(Input)
        if "=" in line.value:
            self._set(line.value)
            if line.value:  # refused
                return
        if self._checking is not None:
            await self._checking.wait()
        if not self.is_active:  # left meanwhile
            return
        if self._good is None:
            self._say(self._wrong or "not accepted yet")
            return
        wrong = await code_refused([self._good], self._good.name)
        if not self.is_current:
            return
        if wrong:
            self._say(wrong)
            return
        text = self._good.canonical()
        command = Submit(experiment=text, source=self._source, again=True, replaces=self._replaces)
        self.dismiss(LabelledCommand(command, f"add {one_line(self._good.name, 80)}"))


def _trials(experiment: Experiment) -> int:
    from lth_core.experiment.plan import plan

    return len(plan(experiment))


def editor() -> list[str]:
    """The user's editor as a command: VISUAL, EDITOR, or vi."""
    return shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi") or ["vi"]


def edit_text(text: str) -> str:
    """The text after editing in the user's editor; raises OSError if the editor cannot be started."""
    with tempfile.TemporaryDirectory(prefix="lth-") as folder:
        path = Path(folder) / "experiment.toml"
        path.write_text(text)
        subprocess.run([*editor(), str(path)], check=False)
        return path.read_text(errors="replace")
