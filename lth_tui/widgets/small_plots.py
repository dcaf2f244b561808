"""A window of small plots, whose cursors move together."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container

from lth_tui.plot.chart import Chart
from lth_tui.widgets.line_plot import LinePlot

MOST_ACROSS = 4
_LEAST_WIDTH, _LEAST_HEIGHT = 38, 9


class SmallPlots(Container):
    """As many plots as are readable; which charts they show is for the page to say."""

    DEFAULT_CSS = """
    SmallPlots { layout: grid; grid-size: 2 2; grid-gutter: 0 1; }
    SmallPlots > LinePlot { height: 1fr; width: 1fr; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.across = self.down = 1

    def compose(self) -> ComposeResult:
        """More plots than are shown on most screens."""
        for number in range(MOST_ACROSS**2):
            plot = LinePlot(id=f"small-{number}")
            plot.can_focus = False
            yield plot

    @property
    def room(self) -> int:
        """How many plots fit."""
        return self.across * self.down

    @property
    def plots(self) -> list[LinePlot]:
        """Those that fit."""
        return list(self.query(LinePlot))[: self.room]

    def fit(self, width: int, height: int, count: int) -> None:
        """Arrange as many plots as are readable in this space; fewer and larger ones if there are only `count`."""
        before = self.across, self.down
        self.across = max(1, min(MOST_ACROSS, width // _LEAST_WIDTH, count))
        self.down = min(MOST_ACROSS, max(1, height // _LEAST_HEIGHT), max(1, -(-count // self.across)))
        if before == (self.across, self.down):
            return
        self.styles.grid_size_columns, self.styles.grid_size_rows = self.across, self.down
        for number, plot in enumerate(self.query(LinePlot)):
            plot.display = number < self.room

    def first_of(self, place: int) -> int:
        """The first of the windowful that has this place."""
        return place // self.room * self.room

    def show(self, charts: Sequence[Chart], chosen: int, cursor: float | None) -> None:
        """Draw these charts. chosen: the place of the chosen one; cursor: from 0 to 1 of every x axis."""
        for number, plot in enumerate(self.plots):
            plot.visible = number < len(charts)
            if number < len(charts):
                plot.draw(charts[number])
                plot.choose(number == chosen)
                plot.point_at(cursor)

    def at(self, x: int, y: int) -> int | None:
        """The place of the plot at a cell of the screen."""
        return next((n for n, plot in enumerate(self.plots) if plot.visible and plot.region.contains(x, y)), None)
