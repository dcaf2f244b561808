"""A question answered with one line of text."""

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from lth_tui.palette import BOLD, DIM, VERMILLION, ink
from lth_tui.strips import wrap
from lth_tui.widgets.lines import Lines


class Ask(ModalScreen[str | None]):
    """Returns the text; `refuse` says in a sentence what is wrong with it, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close")]

    def __init__(self, question: str, value: str, refuse: Callable[[str], str | None]) -> None:
        super().__init__()
        self._question, self._value, self._refuse = question, value, refuse

    def compose(self) -> ComposeResult:
        """Question, line, what is wrong."""
        with Vertical(classes="box"):
            yield Lines(id="question")
            yield Input(self._value, id="filter")
            yield Lines([("⏎ accept   esc close", DIM)], id="wrong")

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the question to the width of the box."""
        width = max(8, min(70, int(event.size.width * 0.96) - 4))
        self.query_one("#question", Lines).put([[(line, BOLD)] for line in wrap(self._question, width)])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Accept, or say why not."""
        wrong = self._refuse(event.value)
        if wrong is None:
            self.dismiss(event.value)
        else:
            self.query_one("#wrong", Lines).put([[(wrong, ink(VERMILLION))]])

    def action_close(self) -> None:
        """No answer."""
        self.dismiss(None)
