"""All metrics of a job as small plots, whose cursors move together."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType

from lth_core.text import one_line
from lth_tui.content.charts import learning_chart
from lth_tui.content.drawing import Drawing
from lth_tui.content.metric_words import metric_words
from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM
from lth_tui.plot.chart import Chart
from lth_tui.reading.snapshot import JobDetail, Snapshot, Watch
from lth_tui.screens.page import COMMON_KEYS, Page
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.small_plots import SmallPlots


class MetricsPage(Page):
    """A window of as many small plots as fit; `taken` is told which metric is to be opened large."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("metrics", "escape", "back", "back", show=True, display="esc"),
        key("metrics", "enter", "take", "open large", show=True),
        key("metrics", "slash,m", "find", "find", show=True, display="/"),
        key("metrics", "right,l", "go(1)", "next"),
        key("metrics", "left,h", "go(-1)", "previous"),
        key("metrics", "down,j", "go_row(1)", "down"),
        key("metrics", "up,k", "go_row(-1)", "up"),
        key("metrics", "v", "inspect", "cursor", show=True),
        key("metrics", "L,shift+right", "point(0.05)", "cursor to the right", display="L"),
        key("metrics", "H,shift+left", "point(-0.05)", "cursor to the left", display="H"),
        key("metrics", "b", "band", "band"),
        key("metrics", "left_square_bracket", "smooth(-1)", "smooth less", display="["),
        key("metrics", "right_square_bracket", "smooth(1)", "smooth more", display="]"),
        *COMMON_KEYS,
    ]

    def __init__(self, job: int, round: int | None, drawing: Drawing, here: str, taken: Callable[[str], None]) -> None:
        super().__init__()
        self._job, self._round, self._drawing, self._taken = job, round, drawing, taken
        self._here = here
        self._cursor: float | None = None

    def compose_page(self) -> ComposeResult:
        """A line of words, then the plots."""
        yield Lines("", id="facts")
        yield SmallPlots(id="small")

    def fit(self, width: int, height: int) -> None:
        """As many plots as are readable."""
        super().fit(width, height)
        detail = self._detail()
        self._small.fit(width, height - 3, 0 if detail is None else len(detail.metrics))

    def on_resize(self, event: events.Resize) -> None:
        """Fit, then fill what has become visible."""
        super().on_resize(event)
        self.present(self.bench.snapshot)

    @property
    def _small(self) -> SmallPlots:
        return self.query_one(SmallPlots)

    def _detail(self) -> JobDetail | None:
        detail = self.bench.snapshot.detail
        return detail if detail is not None and detail.job.id == self._job else None

    def _window(self, metrics: tuple[str, ...]) -> tuple[str, ...]:
        """The metrics on screen: the windowful with the chosen one."""
        first = self._small.first_of(metrics.index(self._here)) if self._here in metrics else 0
        return metrics[first : first + self._small.room]

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        detail = self._detail()
        self._small.fit(self.size.width, self.size.height - 3, 0 if detail is None else len(detail.metrics))
        shown = () if detail is None else self._window(detail.metrics)
        self.bench.look_at(Watch(self._job, self._round, metrics=shown))
        if detail is None:
            return
        place = detail.metrics.index(self._here) + 1 if self._here in detail.metrics else 1
        words = f"  {one_line(self._here, 60)}: {metric_words(self._here)}".rstrip(": ")
        self.query_one("#facts", Lines).put([[
            (f" {detail.job.id} {one_line(detail.job.name, 30)}", BOLD),
            (f"  round {detail.round} · metric {place} of {len(detail.metrics)}{words}", DIM),
        ]])  # fmt: skip
        charts = [self._small_chart(detail, name) for name in shown]
        self._small.show(charts, shown.index(self._here) if self._here in shown else -1, self._cursor)

    def _small_chart(self, detail: JobDetail, name: str) -> Chart:
        curves = detail.others.get(name)
        if not name or curves is None:
            return Chart(one_line(name, 60), empty="reading ...", y_name=name)
        chart = learning_chart(replace(detail, metric=name, curves=curves), self._drawing)
        better = ", less is better" if chart.less_is_better else ""
        return replace(chart, title=f"{one_line(name, 60)}{better}", brief=one_line(name, 60))

    def chart(self) -> Chart:
        """The chosen plot."""
        detail = self._detail()
        return Chart() if detail is None else self._small_chart(detail, self._here)

    def copied(self) -> str:
        """The values at the cursors, or the names of the metrics."""
        told = [
            f"{plot.chart.title}: {plot.cursor_text}" for plot in self._small.plots if plot.visible and plot.cursor_text
        ]
        detail = self._detail()
        return "\n".join(told or (detail.metrics if detail is not None else ()))

    def _choose(self, name: str) -> None:
        self._here = name
        self.present(self.bench.snapshot)

    def action_go(self, by: int) -> None:
        """The next metric, or the one before."""
        detail = self._detail()
        if detail is not None and self._here in detail.metrics:
            place = detail.metrics.index(self._here) + by
            self._choose(detail.metrics[max(0, min(len(detail.metrics) - 1, place))])

    def action_go_row(self, by: int) -> None:
        """The metric below or above."""
        self.action_go(by * self._small.across)

    def action_take(self) -> None:
        """Open the chosen metric large."""
        self._taken(self._here)
        self.dismiss()

    def action_back(self) -> None:
        """To the job."""
        self.dismiss()

    def action_find(self) -> None:
        """Find a metric by typing."""
        from lth_tui.screens.pick import Pick

        detail = self._detail()
        if detail is not None:
            choices = [(name, metric_words(name)) for name in detail.metrics]
            self.app.push_screen(Pick("metrics", choices, self._here), lambda name: self._choose(name or self._here))

    def action_inspect(self) -> None:
        """One cursor in all plots, or none."""
        self._cursor = 0.5 if self._cursor is None else None
        self.present(self.bench.snapshot)

    def action_point(self, by: float) -> None:
        """Move the cursor in all plots."""
        self._cursor = min(1.0, max(0.0, (0.5 if self._cursor is None else self._cursor) + by))
        self.present(self.bench.snapshot)

    def action_band(self) -> None:
        """The next kind of band."""
        self._drawing = self._drawing.other_band()
        self.present(self.bench.snapshot)

    def action_smooth(self, by: int) -> None:
        """Smooth the curves more or less."""
        self._drawing = self._drawing.smoother(by)
        self.present(self.bench.snapshot)

    def on_click(self, event: events.Click) -> None:
        """Choose a plot; a click on the chosen one opens it."""
        place, detail = self._small.at(event.screen_x, event.screen_y), self._detail()
        if place is None or detail is None:
            return
        name = self._window(detail.metrics)[place]
        if name == self._here:
            self.action_take()
        else:
            self._choose(name)
