"""A question with a few answers, one key each."""

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen

from lth_tui.palette import SKY, ink
from lth_tui.strips import Row, Span, wrap
from lth_tui.widgets.lines import Lines

Choice = tuple[str, str, str]
"""Key, what it says, the value it returns."""


class Confirm(ModalScreen[str | None]):
    """Rows of text and one row of choices; escape returns None."""

    def __init__(self, rows: Sequence[str], choices: Sequence[Choice]) -> None:
        super().__init__()
        self._text, self._choices = rows, choices

    def compose(self) -> ComposeResult:
        """The box."""
        with Vertical(classes="box"):
            yield Lines(id="question")

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the text to the width of the box."""
        width = max(8, min(70, event.size.width - 6))
        rows: list[Row] = [line for row in self._text for line in wrap(row, width)]
        keys: list[Span] = []
        for key, words, _ in self._choices:
            keys += [(f" {key} ", ink(SKY, bold=True)), (f"{words}  ", ink())]
        self.query_one("#question", Lines).put([*rows, "", keys])

    def on_key(self, event: events.Key) -> None:
        """Answer."""
        event.stop()
        if event.key == "escape":
            self.dismiss(None)
        for key, _, value in self._choices:
            if event.key == key or event.character == key:
                self.dismiss(value)
                return
