"""All keys of the page below, generated from its bindings."""

from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from lth_tui.palette import BOLD, DIM, PLAIN, SKY, ink
from lth_tui.strips import Row
from lth_tui.widgets.hints import Hint, hints_of
from lth_tui.widgets.list_pane import ListPane

LEGEND = (
    ("> < ?", "the arm before the sign is better than, worse than, undecided against those after it"),
    ("!", "a layer with no weight kept, or a job with failed trials"),
    ("+2", "two more curves, whose names do not fit"),
    ("IQM", "interquartile mean over seeds; the band's kind stands in each title"),
)


SCOPES = {
    "queue": "queue", "job": "job", "suite": "suite", "compare": "comparison", "devices": "devices",
    "curves": "curves", "layers": "layers", "answers": "answers", "jobs": "table of jobs", "list": "text",
    "metrics": "metrics", "page": "every page", "app": "everywhere",
}  # fmt: skip
"""Headings, in order."""


class Help(ModalScreen[None]):
    """Keys and what they do; typing filters, enter does it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close"),
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("end", "edge(1)", show=False, priority=True),
        Binding("home", "edge(0)", show=False, priority=True),
        Binding("enter", "run", show=False, priority=True),
    ]

    def __init__(self, below: Screen[None]) -> None:
        super().__init__()
        order = list(SCOPES)
        found = hints_of(below, hidden=True)
        self._all = sorted(found, key=lambda hint: order.index(hint.scope) if hint.scope in order else len(order))
        self._shown: list[Hint | None] = []

    def compose(self) -> ComposeResult:
        """Filter and list."""
        with Vertical(classes="box tall"):
            yield Input(placeholder="type to filter, enter runs it, esc closes", id="filter")
            yield ListPane("keys", cursor=True, wrap=True, id="keys")

    def on_mount(self) -> None:
        """All keys at first."""
        self._list("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter."""
        self._list(event.value)

    def _list(self, wanted: str) -> None:
        words = wanted.lower().split()
        found = [h for h in self._all if all(w in f"{h.keys} {h.words} {h.explained}".lower() for w in words)]
        self._shown, rows = [], list[Row]()
        for scope, hints in groupby(found, key=lambda hint: hint.scope):
            if not words:
                self._shown.append(None)
                rows.append([(SCOPES.get(scope, "everywhere"), BOLD)])
            for hint in hints:
                self._shown.append(hint)
                rows.append([(f"  {hint.keys:<9} ", ink(SKY)), (f"{hint.words:<22} ", PLAIN), (hint.explained, DIM)])
        if not words:
            rows.append([("marks", BOLD)])
            rows += [[(f"  {mark:<9} ", DIM), (what, DIM)] for mark, what in LEGEND]
        self.query_one(ListPane).put(rows, f"keys ({len(found)})")
        self.query_one(ListPane).go_to(next((i for i, hint in enumerate(self._shown) if hint is not None), 0))

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
        self.dismiss()

    async def action_run(self) -> None:
        """Close, then do what the chosen key does."""
        place = self.query_one(ListPane).index
        chosen = self._shown[place] if place < len(self._shown) else None
        if chosen is not None and self.is_active:
            await self.dismiss()
            self.app.call_later(chosen.run, self.app)
