"""The row between a list and its preview: the place in the list, and a handle to drag."""

from collections.abc import Sequence

from textual import events
from textual.message import Message

from lth_tui.palette import DIM, PLAIN
from lth_tui.strips import Span
from lth_tui.widgets.lines import Lines


class Splitter(Lines):
    """A line with words in it; dragging it asks for another split."""

    class Dragged(Message):
        """The handle was dragged to this row of the screen."""

        def __init__(self, row: int) -> None:
            self.row = row
            super().__init__()

    def __init__(self, id: str | None = None) -> None:
        super().__init__("", id=id)
        self._words: Sequence[Span] = ()
        self._held = False

    def tell(self, words: str) -> None:
        """Show these words in the line."""
        self._words = ((f" {words} ", PLAIN),) if words else ()
        self._draw()

    def _draw(self) -> None:
        used = 2 + sum(len(text) for text, _ in self._words)
        self.put([[("──", DIM), *self._words, ("─" * max(0, self.size.width - used), DIM)]])

    def on_resize(self) -> None:
        """Fill the width."""
        self._draw()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take the handle."""
        self._held = True
        self.capture_mouse()
        event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag."""
        if self._held:
            self.post_message(self.Dragged(event.screen_y))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go."""
        self._held = False
        self.release_mouse()
