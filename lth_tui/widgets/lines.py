"""A label of several rows that repaints only changed rows and never triggers a new layout."""

from collections.abc import Sequence

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lth_tui.strips import Row, changed_cells, strip_of, text_of


class Lines(Widget):
    """Rows of styled plain text; only a new number of rows causes a new layout."""

    DEFAULT_CSS = "Lines { width: 1fr; }"

    def __init__(self, *rows: Row, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = list(rows)
        self.styles.height = len(rows)

    def put(self, rows: Sequence[Row]) -> None:
        """Show these rows; unchanged ones are not sent again."""
        old, self._rows = self._rows, list(rows)
        if len(old) != len(self._rows):
            self.styles.height = len(self._rows)
            self.refresh()
            return
        regions = []
        for y, (a, b) in enumerate(zip(old, self._rows, strict=True)):
            span = changed_cells(a, b, self.size.width)
            if span is not None:
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    @property
    def text(self) -> str:
        """All rows as plain text."""
        return "\n".join(text_of(row) for row in self._rows)

    def render_line(self, y: int) -> Strip:
        """One row as cells."""
        row: Row = self._rows[y] if y < len(self._rows) else ""
        return strip_of(row, self.size.width, self.rich_style)
