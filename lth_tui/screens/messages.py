"""All that was said in toasts, in full."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from lth_tui.palette import DIM, PLAIN, VERMILLION, YELLOW, ink
from lth_tui.widgets.list_pane import ListPane
from lth_tui.widgets.strips import Row, wrap
from lth_tui.words import clock

Message = tuple[float, str, str]
"""Unix seconds, severity, text."""


class Messages(ModalScreen[None]):
    """The newest message last; long ones are wrapped."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("exclamation_mark", "close", "close", show=False),
    ]

    def __init__(self, said: list[Message]) -> None:
        super().__init__()
        self._said = said

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="box tall"):
            yield ListPane("messages (esc closes)", follow=True, id="keys")

    def on_resize(self, event: events.Resize) -> None:
        """Wrap to the width."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        pane = self.query_one(ListPane)
        rows: list[Row] = []
        for at, severity, text in self._said:
            style = {"error": ink(VERMILLION), "warning": ink(YELLOW)}.get(severity, PLAIN)
            first, *rest = wrap(text, max(20, pane.size.width - 10))
            rows.append([(f"{clock(at)} ", DIM), (first, style)])
            rows += [[(" " * 9 + line, style)] for line in rest]
        pane.put(rows or [[("nothing has been said yet", DIM)]])

    def action_close(self) -> None:
        """Back to the page."""
        self.dismiss()
