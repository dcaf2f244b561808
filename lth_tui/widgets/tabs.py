"""A row of numbered tabs, the current one in brackets; clicking one selects it."""

from collections.abc import Sequence

from textual import events
from textual.message import Message

from lth_tui.palette import DIM, SKY, ink
from lth_tui.strips import Span
from lth_tui.widgets.lines import Lines


class TabRow(Lines):
    """`[1 curves] 2 lottery ...`."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, view: str) -> None:
            self.view = view
            super().__init__()

    def __init__(self, names: Sequence[str], id: str | None = None) -> None:
        super().__init__("", id=id)
        self._names = names
        self._chosen = names[0]
        self._places: list[tuple[int, int, str]] = []

    def choose(self, name: str) -> None:
        """Mark another view as the current one."""
        self._chosen = name
        spans: list[Span] = []
        self._places, used = [], 0
        tight = 0 < self.size.width < 1 + sum(3 + len(view) for view in self._names)
        for number, view in enumerate(self._names, start=1):
            here = view == self._chosen
            digit = str(number) if number < 10 else "·"  # there are nine keys
            text = f"[{digit} {view}]" if here else f" {digit}" if tight else f" {digit} {view}"
            spans.append((text, ink(SKY, bold=True) if here else DIM))
            self._places.append((used, used + len(text), view))
            used += len(text)
        self.put([spans])

    def recolour(self) -> None:
        """In the colours of another theme."""
        self.choose(self._chosen)

    def on_resize(self) -> None:
        """Show only the numbers of other views if their names do not fit."""
        self.choose(self._chosen)

    def on_click(self, event: events.Click) -> None:
        """Say which view was clicked."""
        for start, end, view in self._places:
            if start <= event.x < end:
                self.post_message(self.Chosen(view))
