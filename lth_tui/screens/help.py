"""All keys of the page below, generated from its bindings."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from lth_tui.palette import DIM, PLAIN, SKY, ink
from lth_tui.widgets.hints import hints_of
from lth_tui.widgets.list_pane import ListPane
from lth_tui.widgets.strips import Row

LEGEND = (
    ("▲ ~ ▼", "winning is better than, undecided against, worse than the arms named"),
    ("!", "a layer with no weight left, or a job with failed trials"),
    ("IQM", "interquartile mean over seeds; the band's kind stands in each title"),
)


class Help(ModalScreen[None]):
    """Keys and what they do; typing filters, enter does it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("enter", "run", show=False, priority=True),
    ]

    def __init__(self, below: Screen[None]) -> None:
        super().__init__()
        self._all = hints_of(below, hidden=True)
        self._shown = self._all

    def compose(self) -> ComposeResult:
        """Filter and list."""
        with Vertical(classes="box tall"):
            yield Input(placeholder="type to filter, enter does it, esc closes", id="filter")
            yield ListPane("keys", cursor=True, id="keys")

    def on_mount(self) -> None:
        """All keys at first."""
        self._list("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter."""
        self._list(event.value)

    def _list(self, wanted: str) -> None:
        words = wanted.lower().split()
        self._shown = [b for b in self._all if all(w in f"{b.keys} {b.words}".lower() for w in words)]
        rows: list[Row] = [
            [(f"{keys:<12}", ink(SKY)), (what, PLAIN)] for keys, what in ((b.keys, b.words) for b in self._shown)
        ]
        if not words:
            rows += [[(f"{mark:<12}", DIM), (what, DIM)] for mark, what in LEGEND]
        self.query_one(ListPane).put(rows, f"keys ({len(self._shown)})")

    def action_move(self, by: int) -> None:
        """Cursor in the list."""
        self.query_one(ListPane).action_move(by)

    def action_close(self) -> None:
        """Back to the page."""
        self.dismiss()

    async def action_run(self) -> None:
        """Close, then do what the chosen key does."""
        place = self.query_one(ListPane).index
        if place < len(self._shown):
            chosen = self._shown[place]
            await self.dismiss()
            self.app.call_later(chosen.run, self.app)
