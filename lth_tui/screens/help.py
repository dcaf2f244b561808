"""All keys of the page below, generated from its bindings."""

from itertools import groupby

from textual.screen import Screen

from lth_tui.palette import BOLD, DIM, PLAIN, SKY, ink
from lth_tui.screens.finder import Finder
from lth_tui.strips import Row
from lth_tui.widgets.hints import Hint, hints_of

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


class Help(Finder[None, Hint]):
    """Keys and what they do; typing filters, enter does it."""

    def __init__(self, below: Screen[None]) -> None:
        super().__init__("keys", "type to filter, enter runs it, esc closes")
        order = list(SCOPES)
        found = hints_of(below, hidden=True)
        self._all = sorted(found, key=lambda hint: order.index(hint.scope) if hint.scope in order else len(order))

    def find(self, words: list[str]) -> None:
        """See Finder; headings and marks while nothing is typed."""
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
        self.put(rows, "keys" if found else "no key does that")

    def take(self, entry: Hint) -> None:
        """See Finder: close, then do what the chosen key does."""
        self.dismiss()
        self.app.call_later(entry.run, self.app)
