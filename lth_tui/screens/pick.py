"""One of many names, found by typing parts of it."""

from collections.abc import Sequence

from lth_core.text import one_line
from lth_tui.palette import DIM, PLAIN
from lth_tui.screens.finder import Finder
from lth_tui.strips import Row
from lth_tui.widgets.list_pane import ListPane

Choice = tuple[str, str]
"""A name, and a remark beside it."""


class Pick(Finder[str | None, str]):
    """Returns the chosen name; the cursor starts at `here`."""

    def __init__(self, what: str, choices: Sequence[Choice], here: str = "") -> None:
        super().__init__(what, "type to find, enter takes it, esc closes")
        self._what, self._choices, self._here = what, choices, here

    def find(self, words: list[str]) -> None:
        """See Finder: in names and remarks."""
        found = [one for one in self._choices if all(word in f"{one[0]} {one[1]}".lower() for word in words)]
        names = [name for name, _ in found]
        self._shown = [*names]
        width = max((len(one_line(name, 60)) for name in names), default=0)
        rows: list[Row] = [[(f"{one_line(name, 60):<{width}}  ", PLAIN), (remark, DIM)] for name, remark in found]
        self.put(rows, self._what if found else f"none of {len(self._choices)} {self._what} matches")
        if not words and self._here in names:
            self.query_one(ListPane).go_to(names.index(self._here))

    def take(self, entry: str) -> None:
        """See Finder."""
        self.dismiss(entry)
