"""The full text of all toasts."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from lth_tui.palette import DIM, PLAIN, VERMILLION, YELLOW, ink
from lth_tui.strips import Row
from lth_tui.widgets.list_pane import ListPane
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
            yield ListPane("messages (esc closes)", follow=True, wrap=True, id="keys")

    def on_mount(self) -> None:
        """All that was said so far."""
        styles = {"error": ink(VERMILLION), "warning": ink(YELLOW)}
        rows: list[Row] = [[(f"{clock(at)} ", DIM), (text, styles.get(how, PLAIN))] for at, how, text in self._said]
        self.query_one(ListPane).put(rows or [[("no messages yet", DIM)]])

    def action_close(self) -> None:
        """Back to the page."""
        self.dismiss()
