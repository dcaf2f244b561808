"""Go to a job by its number or a part of its name, or run a command by its name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from lth_core.text import one_line, plural
from lth_tui.palette import BOLD, DIM, PLAIN, SKY, ink, state_ink
from lth_tui.strips import Row
from lth_tui.widgets.hints import Hint, hints_of
from lth_tui.widgets.list_pane import ListPane
from lth_tui.words import glyph

if TYPE_CHECKING:
    from lth_core.store.views import JobView


_MOVES = ("jobs", "list", "filter")


class Jump(ModalScreen["int | Hint | None"]):
    """Returns the number of a job, or a command of the page below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("enter", "take", show=False, priority=True),
    ]

    def __init__(self, below: Screen[Any], jobs: "Sequence[JobView]") -> None:
        super().__init__()
        self._jobs = jobs
        self._commands = [
            hint
            for hint in hints_of(below, hidden=True)
            if hint.scope not in _MOVES and not hint.action.endswith("jump")
        ]
        self._shown: list[int | Hint] = []

    def compose(self) -> ComposeResult:
        """Line and list."""
        with Vertical(classes="box tall"):
            yield Input(placeholder="number or name of a job, or a command; enter goes there, esc closes", id="filter")
            yield ListPane("jobs", cursor=True, id="keys")

    def on_mount(self) -> None:
        """Everything at first."""
        self.query_one(ListPane).can_focus = False
        self._list("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Find."""
        self._list(event.value)

    def _list(self, wanted: str) -> None:
        words = wanted.lower().split()
        jobs = found_jobs(self._jobs, words)
        hints = [h for h in self._commands if all(w in f"{h.words} {h.explained}".lower() for w in words)]
        if not words or any(w.isdecimal() for w in words):
            hints = []
        self._shown = [*(job.id for job in jobs), *hints]
        rows: list[Row] = [
            [(f"{job.id:>5} ", DIM), (f"{glyph(job.state)} ", state_ink(job.state)), (one_line(job.name, 80), BOLD)]
            for job in jobs
        ]
        rows += [[(f"{hint.keys:>5} ", ink(SKY)), (f"  {hint.words:<22} ", PLAIN), (hint.explained, DIM)]
                 for hint in hints]  # fmt: skip
        pane = self.query_one(ListPane)
        pane.put(
            rows, f"jobs and commands: {plural(len(jobs), 'job')}" + f", {plural(len(hints), 'command')}" * bool(hints)
        )
        pane.go_to(0)

    def action_move(self, by: int) -> None:
        """Cursor in the list."""
        self.query_one(ListPane).action_move(by)

    def action_page(self, by: int) -> None:
        """A window further in the list."""
        self.query_one(ListPane).action_page(by)

    def action_close(self) -> None:
        """Stay."""
        self.dismiss(None)

    def action_take(self) -> None:
        """Go to what is under the cursor."""
        place = self.query_one(ListPane).index
        if self.is_active and place < len(self._shown):
            self.dismiss(self._shown[place])


def found_jobs(jobs: "Sequence[JobView]", words: Sequence[str]) -> list["JobView"]:
    """The jobs with all of these words in number and name: first the one with this number or name, then those that
    begin so."""
    wanted = " ".join(words)

    def rank(job: "JobView") -> int:
        name = job.name.lower()
        if wanted in (str(job.id), name):
            return 0
        return 1 if str(job.id).startswith(wanted) or name.startswith(wanted) else 2

    found = [job for job in jobs if all(word in f"{job.id} {job.name}".lower() for word in words)]
    return sorted(found, key=rank) if wanted else found
