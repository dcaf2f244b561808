"""Several jobs: their lottery curves in one plot, their verdicts, and the fields in which they differ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from lth_tui.content import comparison
from lth_tui.keys import key
from lth_tui.plot.chart import Chart
from lth_tui.reading.snapshot import Snapshot, Watch
from lth_tui.screens.page import COMMON_KEYS, Page
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.list_pane import ListPane

if TYPE_CHECKING:
    from lth_core.store.views import JobView

PANES = ("together", "results", "fields")


class ComparePage(Page):
    """Two or more jobs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("compare", "escape", "back", "queue", show=True, display="esc"),
        key("compare", "a", "arm", "other arm", show=True),
        key("compare", "n", "relative", "relative", show=True),
        key("compare", "tab", "next_pane(1)", "next pane", show=True),
        key("compare", "shift+tab", "next_pane(-1)", "previous pane"),
        *COMMON_KEYS,
    ]

    def __init__(self, jobs: Sequence[int]) -> None:
        super().__init__()
        self._numbers = tuple(jobs)
        self._arm = 0
        self._relative = False

    def compose_page(self) -> ComposeResult:
        """Curves, verdicts, differences."""
        with Container(id="compared"):
            yield LinePlot(id="together")
            yield ListPane("verdicts", wrap=True, id="results")
            yield ListPane("fields that differ", wrap=True, id="fields")

    def on_mount(self) -> None:
        """The plot has the keys."""
        self.query_one("#together").focus()

    def chosen_jobs(self) -> "Sequence[JobView]":
        """The jobs that are compared and still there."""
        return [job for job in self.bench.snapshot.jobs if job.id in self._numbers]

    def chart(self) -> Chart:
        """All lottery curves."""
        return self.query_one("#together", LinePlot).chart

    def copied(self) -> str:
        """What the cursor tells, or the verdicts."""
        return self.query_one("#together", LinePlot).cursor_text or self.query_one("#results", ListPane).text

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        self.bench.look_at(Watch())
        jobs = self.chosen_jobs()
        chart = comparison.chart(jobs, snapshot.summaries, self._arm, relative=self._relative)
        self.query_one("#together", LinePlot).draw(chart)
        self.query_one("#results", ListPane).put(comparison.verdict_rows(jobs, snapshot.summaries))
        self.query_one("#fields", ListPane).put(comparison.field_rows(jobs))

    def action_back(self) -> None:
        """To the queue."""
        self.dismiss()

    def action_arm(self) -> None:
        """Beside each reference arm, the next control."""
        self._arm += 1
        self.present(self.bench.snapshot)

    def action_relative(self) -> None:
        """Scores as they are, or normalised by what the dense network gains, so that tasks can be compared."""
        self._relative = not self._relative
        self.present(self.bench.snapshot)

    def action_next_pane(self, by: int) -> None:
        """The keys go to the next pane."""
        here = self.focused.id if self.focused is not None else None
        place = PANES.index(here) if here in PANES else 0
        self.query_one(f"#{PANES[(place + by) % len(PANES)]}").focus()
