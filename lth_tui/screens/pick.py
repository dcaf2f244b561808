"""One of many names, found by typing parts of it."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from lth_core.text import one_line
from lth_tui.palette import DIM, PLAIN
from lth_tui.strips import Row
from lth_tui.widgets.list_pane import ListPane

Choice = tuple[str, str]
"""A name, and a remark beside it."""


class Pick(ModalScreen[str | None]):
    """Returns the chosen name; the cursor starts at `here`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("enter", "take", show=False, priority=True),
    ]

    def __init__(self, what: str, choices: Sequence[Choice], here: str = "") -> None:
        super().__init__()
        self._what, self._choices, self._here = what, choices, here
        self._shown: list[str] = []

    def compose(self) -> ComposeResult:
        """Line and list."""
        with Vertical(classes="box tall"):
            yield Input(placeholder="type to find, enter takes it, esc closes", id="filter")
            yield ListPane(self._what, cursor=True, id="keys")

    def on_mount(self) -> None:
        """All of them, the cursor on the present one."""
        self.query_one(ListPane).can_focus = False
        self._list("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Find."""
        self._list(event.value)

    def _list(self, wanted: str) -> None:
        words = wanted.lower().split()
        found = [one for one in self._choices if all(word in f"{one[0]} {one[1]}".lower() for word in words)]
        self._shown = [name for name, _ in found]
        width = max((len(one_line(name, 60)) for name in self._shown), default=0)
        rows: list[Row] = [[(f"{one_line(name, 60):<{width}}  ", PLAIN), (remark, DIM)] for name, remark in found]
        pane = self.query_one(ListPane)
        pane.put(rows, f"{self._what}: {len(found)} of {len(self._choices)}")
        pane.go_to(self._shown.index(self._here) if not words and self._here in self._shown else 0)

    def action_move(self, by: int) -> None:
        """Cursor in the list."""
        self.query_one(ListPane).action_move(by)

    def action_page(self, by: int) -> None:
        """A window further in the list."""
        self.query_one(ListPane).action_page(by)

    def action_close(self) -> None:
        """Nothing."""
        self.dismiss(None)

    def action_take(self) -> None:
        """The one under the cursor."""
        place = self.query_one(ListPane).index
        if self.is_active and place < len(self._shown):
            self.dismiss(self._shown[place])
