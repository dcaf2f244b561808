"""A line to type in and the list of matches, for dialogs that find something."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, ScreenResultType
from textual.widgets import Input

from lth_tui.strips import Row
from lth_tui.widgets.list_pane import ListPane

_Entry = TypeVar("_Entry")


class Finder(ModalScreen[ScreenResultType], Generic[ScreenResultType, _Entry]):
    """The rows of the list are those of `_shown`; None stands for a heading."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("end", "edge(1)", show=False, priority=True),
        Binding("home", "edge(0)", show=False, priority=True),
        Binding("enter", "take", show=False, priority=True),
    ]

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title, self._hint = title, hint
        self._shown: list[_Entry | None] = []

    def compose(self) -> ComposeResult:
        """Line and list."""
        with Vertical(classes="box tall"):
            yield Input(placeholder=self._hint, id="filter")
            yield ListPane(self._title, cursor=True, wrap=True, id="keys")

    def on_mount(self) -> None:
        """Everything at first."""
        self.query_one(ListPane).can_focus = False
        self.find([])

    def on_input_changed(self, event: Input.Changed) -> None:
        """Find."""
        self.find(event.value.lower().split())

    def put(self, rows: Sequence[Row], title: str) -> None:
        """Show the rows of `_shown`, and after them others that are only read; the cursor goes to the first entry."""
        pane = self.query_one(ListPane)
        known = len(self._shown)
        pane.put(rows, title, [i for i in range(len(rows)) if i >= known or self._shown[i] is None])
        pane.go_to(0)

    @abstractmethod
    def find(self, words: list[str]) -> None:
        """List what has all of these words; without any, everything."""

    @abstractmethod
    def take(self, entry: _Entry) -> None:
        """Enter was pressed on this entry."""

    def action_move(self, by: int) -> None:
        """Cursor in the list."""
        self.query_one(ListPane).action_move(by)

    def action_page(self, by: int) -> None:
        """A window further in the list."""
        self.query_one(ListPane).action_page(by)

    def action_edge(self, end: int) -> None:
        """To the first or the last row of the list."""
        self.query_one(ListPane).action_edge(end)

    def action_close(self) -> None:
        """Back to the page."""
        self.dismiss(None)

    def action_take(self) -> None:
        """What is under the cursor."""
        place = self.query_one(ListPane).index
        entry = self._shown[place] if place < len(self._shown) else None
        if entry is not None and self.is_active:
            self.take(entry)
