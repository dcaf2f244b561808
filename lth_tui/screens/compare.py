"""Any number of jobs: their lottery curves, a table beside them, their verdicts, the fields in which they differ."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from lth_tui.content import comparison
from lth_tui.content.compare_many import band_chart, small_charts
from lth_tui.content.compare_table import table_rows
from lth_tui.keys import key
from lth_tui.plot.chart import Chart
from lth_tui.reading.snapshot import Snapshot, Watch
from lth_tui.screens.page import COMMON_KEYS, Page
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.list_pane import ListPane
from lth_tui.widgets.small_plots import SmallPlots

if TYPE_CHECKING:
    from lth_core.store.views import JobView

PANES = ("together", "table", "results", "fields")
PLOTS = ("together", "band", "small")
"""All curves in one plot; the best of them and a band; a small plot each."""


class ComparePage(Page):
    """Two or more jobs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("compare", "escape", "back", "queue", show=True, display="esc"),
        key("compare", "s", "plots", "one plot, band, small plots", show=True),
        key("compare", "b", "pin", "pin a baseline", show=True),
        key("compare", "a", "arm", "other arm", show=True),
        key("compare", "n", "relative", "relative", show=True),
        key("compare", "tab", "next_pane(1)", "next pane", show=True),
        key("compare", "shift+tab", "next_pane(-1)", "previous pane"),
        key("compare", "comma", "row(-1)", "job", show=True, display=", ."),
        key("compare", "full_stop", "row(1)", "next job", display="."),
        key("compare", "enter", "open", "open the job"),
        *COMMON_KEYS,
    ]

    def __init__(self, jobs: Sequence[int]) -> None:
        super().__init__()
        self._numbers = tuple(jobs)
        self._arm = 0
        self._relative = False
        self._plots = "together" if len(jobs) <= comparison.MOST_JOBS else "band"
        self._pinned: int | None = None
        self._hidden: frozenset[str] = frozenset()
        self._pane = "table"

    def compose_page(self) -> ComposeResult:
        """Curves; beside or below them table, verdicts, differences."""
        with Container(id="compared"):
            with Container(id="plots"):
                yield LinePlot(id="together")
                yield SmallPlots(id="small")
            with Container(id="told"):
                yield ListPane("jobs", cursor=True, id="table")
                yield ListPane("verdicts", wrap=True, id="results")
                yield ListPane("fields that differ", wrap=True, id="fields")

    def on_mount(self) -> None:
        """The plot has the keys; jobs with different scores are compared by what they gain."""
        self._relative = comparison.differ(self.chosen_jobs())
        self.query_one("#together").focus()
        if self._plots == "small":
            self.query_one("#table").focus()

    def chosen_jobs(self) -> "Sequence[JobView]":
        """The jobs that are compared and still there."""
        return [job for job in self.bench.snapshot.jobs if job.id in self._numbers]

    def _here(self) -> int:
        return self.query_one("#table", ListPane).index

    def chart(self) -> Chart:
        """The curves in one plot."""
        return self.query_one("#together", LinePlot).chart

    def copied(self) -> str:
        """What the cursor tells, or the pane that has the keys."""
        told = self.query_one("#together", LinePlot).cursor_text
        return told or self.query_one(f"#{self._pane}", ListPane).text

    def fit(self, width: int, height: int) -> None:
        """Panes beside the plot if they fit, else one below it."""
        super().fit(width, height)
        self._arrange()

    def on_resize(self, event: events.Resize) -> None:
        """Fit, then draw what has become visible."""
        super().on_resize(event)
        self.present(self.bench.snapshot)

    def _arrange(self) -> None:
        wide = self.has_class("-wide")
        for name in PANES[1:]:
            self.query_one(f"#{name}").display = wide or name == self._pane
        small = self._plots == "small"
        self.query_one("#together").display = not small
        self.query_one(SmallPlots).display = small
        space = self.size.height - 2
        self.query_one(SmallPlots).fit(self.size.width // 2 if wide else self.size.width,
                                       space if wide else space * 3 // 5, len(self.chosen_jobs()))  # fmt: skip

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        self.bench.look_at(Watch())
        jobs = self.chosen_jobs()
        table, baseline = self.query_one("#table", ListPane), next((j for j in jobs if j.id == self._pinned), None)
        head, rows = table_rows(jobs, snapshot.summaries, baseline, table.size.width)
        table.put(rows, f"  {head}")
        self.query_one("#results", ListPane).put(comparison.verdict_rows(jobs, snapshot.summaries))
        self.query_one("#fields", ListPane).put(comparison.field_rows(jobs))
        self._draw(jobs, snapshot)

    def _draw(self, jobs: "Sequence[JobView]", snapshot: Snapshot) -> None:
        place, summaries = min(self._here(), max(0, len(jobs) - 1)), snapshot.summaries
        if self._plots == "small":
            plots = self.query_one(SmallPlots)
            first = plots.first_of(place)
            shown = jobs[first : first + plots.room]
            charts = small_charts(shown, summaries, self._arm, relative=self._relative, pinned=self._pinned, among=jobs)
            plots.show(charts, place - first, None)
            return
        if self._plots == "band":
            here = jobs[place].id if jobs else None
            chart = band_chart(jobs, summaries, relative=self._relative, pinned=self._pinned, here=here)
        else:
            chart = comparison.chart(jobs, summaries, self._arm, relative=self._relative)
        series = [replace(one, hidden=one.label in self._hidden) for one in chart.series]
        self.query_one("#together", LinePlot).draw(replace(chart, series=series))

    def on_list_pane_chosen(self) -> None:
        """The job under the cursor is shown in the band, or its small plot is."""
        if self._plots != "together":
            self._draw(self.chosen_jobs(), self.bench.snapshot)

    def on_line_plot_toggled(self, message: LinePlot.Toggled) -> None:
        """A click on an entry of the legend hides its curve, or shows it again."""
        self._hidden ^= {message.label}
        self.present(self.bench.snapshot)

    def action_back(self) -> None:
        """To the queue."""
        self.dismiss()

    def action_open(self) -> None:
        """Open the job under the cursor of the table."""
        from lth_tui.screens.job import JobPage

        jobs = self.chosen_jobs()
        if self._here() < len(jobs):
            self.app.push_screen(JobPage(jobs[self._here()].id))

    def action_plots(self) -> None:
        """All curves in one plot (at most eight jobs); the best and the range of all; a small plot for each job."""
        many = len(self.chosen_jobs()) > comparison.MOST_JOBS
        kinds = PLOTS[1:] if many else PLOTS
        place = kinds.index(self._plots) if self._plots in kinds else 0
        self._plots = kinds[(place + 1) % len(kinds)]
        self._arrange()
        self.query_one("#table" if self._plots == "small" else "#together").focus()
        self.present(self.bench.snapshot)

    def action_row(self, by: int) -> None:
        """The job before or after, in the table and in the plot."""
        self.query_one("#table", ListPane).action_move(by)

    def action_pin(self) -> None:
        """The job under the cursor of the table is what the others are compared with; again: none is."""
        jobs = self.chosen_jobs()
        if self._here() < len(jobs):
            number = jobs[self._here()].id
            self._pinned = None if number == self._pinned else number
            self.present(self.bench.snapshot)

    def action_arm(self) -> None:
        """Beside each reference arm, the next control."""
        self._arm += 1
        self.present(self.bench.snapshot)

    def action_relative(self) -> None:
        """Scores as they are, or normalised by what the dense network gains, so that tasks can be compared."""
        if self._relative and comparison.differ(self.chosen_jobs()):
            self.bench.say("these jobs have different scores: only what they gain can be compared", "warning")
            return
        self._relative = not self._relative
        self.present(self.bench.snapshot)

    def action_next_pane(self, by: int) -> None:
        """The keys go to the next pane."""
        panes = PANES if self._plots != "small" else PANES[1:]
        here = self.focused.id if self.focused is not None and self.focused.id in panes else panes[0]
        pane = panes[(panes.index(here or panes[0]) + by) % len(panes)]
        if pane != PANES[0]:
            self._pane = pane
            self._arrange()
        self.query_one(f"#{pane}").focus()
