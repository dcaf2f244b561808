"""The queue page: all jobs, and below them a preview of the one under the cursor."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from lth_core.text import one_line
from lth_tui.charts import BANDS, heat_table, learning_chart, short_verdict, verdict_line, verdict_rows
from lth_tui.feed import Wish
from lth_tui.job_texts import audit_row
from lth_tui.palette import BOLD, DIM, PLAIN, VERMILLION, ink, state_ink
from lth_tui.reader import JobDetail, Snapshot, Watch
from lth_tui.screens.page import JOB_KEYS, Page
from lth_tui.widgets.heatmap import Heatmap
from lth_tui.widgets.job_table import JobRow, JobTable
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.strips import Row, Span
from lth_tui.words import STATE_GLYPHS, compact, duration, plural

if TYPE_CHECKING:
    from lth_core.store.views import JobView

_NOTHING = [
    [
        ("no jobs yet: press ", PLAIN),
        ("n", BOLD),
        (" to add an experiment, ", PLAIN),
        ("?", BOLD),
        (" for help", PLAIN),
    ]
]


class QueuePage(Page):
    """All jobs in the order in which they run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "add", "new"),
        Binding("enter", "open", "open"),
        *JOB_KEYS,
        Binding("J", "shift(1)", "move", key_display="J/K"),
        Binding("K", "shift(-1)", "move up", key_display="K", show=False),
    ]

    def compose_page(self) -> ComposeResult:
        """Table, and the preview: words and layers beside a curve."""
        yield Lines(id="empty")
        yield JobTable(id="jobs")
        with Vertical(id="preview"):
            yield Lines(id="summary")
            with Horizontal():
                yield Heatmap(id="preview-layers", passive=True)
                yield LinePlot(id="preview-curves")

    def on_mount(self) -> None:
        """The table has the keys; the preview only shows."""
        self.query_one("#preview-curves").can_focus = False
        self.query_one(JobTable).focus()
        self._drawn: tuple[int, int] | None = None

    def current_job(self) -> "JobView | None":
        """The job under the cursor."""
        cursor = self.query_one(JobTable).cursor
        return next((job for job in self.bench.snapshot.jobs if job.id == cursor), None)

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        table, empty = self.query_one(JobTable), self.query_one("#empty", Lines)
        empty.set_class(bool(snapshot.jobs), "-gone")
        table.set_class(not snapshot.jobs, "-gone")
        empty.put(_NOTHING if snapshot.loaded else ["reading the workspace ..."])
        table.fill([job_row(job, snapshot) for job in snapshot.jobs])
        if self.bench.wanted_job is not None and any(j.id == self.bench.wanted_job for j in snapshot.jobs):
            table.select(self.bench.wanted_job)
            self.bench.wanted_job = None
        self.bench.look_at(Watch(table.cursor))
        self._preview(snapshot.detail)

    def _preview(self, detail: JobDetail | None) -> None:
        here = detail is not None and detail.job.id == self.query_one(JobTable).cursor
        self.query_one("#preview").set_class(not here, "-gone")
        if detail is None or not here:
            return
        self.query_one("#summary", Lines).put(summary_rows(detail, short=not self.has_class("-wide")))
        self.query_one("#preview-layers", Heatmap).fill(heat_table(detail, detail.reference))
        drawn = (detail.job.id, detail.round)
        self.query_one("#preview-curves", LinePlot).draw(
            learning_chart(detail, "", BANDS[0]), fresh=drawn != self._drawn
        )
        self._drawn = drawn

    def on_job_table_highlighted(self) -> None:
        """Look closely at the job under the cursor."""
        self.bench.look_at(Watch(self.query_one(JobTable).cursor))

    def on_job_table_opened(self) -> None:
        """A second click opens."""
        self.action_open()

    def action_open(self) -> None:
        """Open the job under the cursor."""
        from lth_tui.screens.job import JobPage

        job = self._job_or_say()
        if job is not None:
            self.app.push_screen(JobPage(job.id))

    def action_add(self) -> None:
        """Choose an experiment and queue it."""
        from lth_tui.screens.add import Add

        self.app.push_screen(Add(), self._added)

    def _added(self, wish: Wish | None) -> None:
        if wish is not None:
            self.bench.feed.ask(wish)

    def action_shift(self, by: int) -> None:
        """Move the job in the queue."""
        job = self._job_or_say()
        if job is not None:
            self._wish("move", job, by=by)


def job_row(job: "JobView", snapshot: Snapshot) -> JobRow:
    """A job as a row of the table."""
    return JobRow(
        id=job.id,
        name=job.name,
        state=job.state,
        round=job.round,
        rounds=job.rounds,
        progress=round(job.progress, 3),
        trials_done=job.trials_done,
        trials=job.trials,
        trials_failed=job.trials_failed,
        rate=float(f"{job.rate:.3g}"),
        seconds_left=None if job.seconds_left is None else round(job.seconds_left),
        verdict=_verdict(job, snapshot),
    )


def _verdict(job: "JobView", snapshot: Snapshot) -> tuple[Span, ...]:
    if job.error:
        return ((one_line(job.error, 200), ink(VERMILLION)),)
    if job.state == "queued":
        ahead = sum(1 for other in _until(job, snapshot) if other.state in ("queued", "running"))
        return ((f"waits for {plural(ahead, 'job')} before it" if ahead else "next to start", DIM),)
    summary = snapshot.summaries.get(job.id)
    return short_verdict(summary.verdicts) if summary else ()


def _until(job: "JobView", snapshot: Snapshot) -> list["JobView"]:
    places = [other.id for other in snapshot.jobs]
    return list(snapshot.jobs[: places.index(job.id)])


def summary_rows(detail: JobDetail, *, short: bool) -> list[Row]:
    """State, progress, verdicts and audit of a job, in a few rows."""
    job = detail.job
    numbers = f"  round {job.round} of {job.rounds}   {job.trials_done} of {plural(job.trials, 'trial')}"
    if job.state == "running":
        numbers += f"   {compact(job.rate)} steps/s" if job.rate else ""
        numbers += f"   left {duration(job.seconds_left)}"
    rows: list[Row] = [
        [
            (
                f" {STATE_GLYPHS.get(job.state, '?')} {one_line(job.name, 60)} {job.state}",
                state_ink(job.state) + BOLD,
            ),
            (numbers, PLAIN),
        ]
    ]
    if job.error:
        rows.append([(f" {one_line(job.error)}", ink(VERMILLION))])
    if short and detail.summary is not None:
        line = verdict_line(detail.reference, detail.summary.verdicts)
        rows += [line] if line else []
    else:
        rows += verdict_rows(detail.summary)
    return [*rows, audit_row(detail)]
