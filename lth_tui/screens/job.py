"""The job page: curves, lottery curve, layers, audit, events, experiment; all at once where there is room."""

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from lth_core.text import one_line
from lth_tui import job_texts
from lth_tui.charts import BANDS, arms_of, heat_table, learning_chart, lottery_chart, verdict_line, verdict_rows
from lth_tui.palette import BOLD, DIM, PLAIN, state_ink
from lth_tui.reader import JobDetail, Snapshot, Watch
from lth_tui.screens.page import JOB_KEYS, Page
from lth_tui.widgets.heatmap import Heatmap
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane
from lth_tui.widgets.strips import Span, wrapped
from lth_tui.widgets.tabs import TabRow
from lth_tui.words import STATE_GLYPHS, bar, compact, duration

if TYPE_CHECKING:
    from lth_core.store.views import JobView

VIEWS = ("curves", "lottery", "layers", "audit", "events", "experiment")
_TEXT_VIEWS = VIEWS[3:]


class JobPage(Page):
    """One job closely."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "queue", key_display="esc"),
        *(Binding(str(n), f"view('{name}')", name, show=False) for n, name in enumerate(VIEWS, start=1)),
        Binding("comma", "turn(-1)", "round", key_display=", ."),
        Binding("full_stop", "turn(1)", "next round", key_display=".", show=False),
        Binding("f", "follow", "newest round", show=False),
        Binding("a", "arm", "arm"),
        Binding("b", "band", "band"),
        Binding("z", "zoom", "zoom"),
        Binding("tab", "next_view(1)", "next view", show=False),
        Binding("shift+tab", "next_view(-1)", "previous view", show=False),
        *JOB_KEYS,
    ]

    def __init__(self, job: int) -> None:
        super().__init__()
        self.job_id = job
        self._round: int | None = None
        self._arm: str | None = None
        self._band = BANDS[0]
        self._view = "curves"
        self._zoomed = False
        self._drawn: tuple[int, int] | None = None

    def compose_page(self) -> ComposeResult:
        """A line of facts, verdicts, tabs, and the six views."""
        yield Lines("", id="facts")
        yield Lines(id="verdicts")
        yield Lines("", id="audit-line")
        yield TabRow(VIEWS, id="tabs")
        with Container(id="views"):
            yield LinePlot(id="curves")
            yield LinePlot(id="lottery")
            yield Heatmap(id="layers")
            yield ListPane("audit", id="audit")
            yield ListPane("events", follow=True, id="events")
            yield ListPane("experiment", id="experiment")

    def on_mount(self) -> None:
        """Start with the curves."""
        self._arrange()

    def current_job(self) -> "JobView | None":
        """The job of this page."""
        return next((job for job in self.bench.snapshot.jobs if job.id == self.job_id), None)

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        self.bench.look_at(Watch(self.job_id, self._round))
        detail = snapshot.detail
        if detail is None or detail.job.id != self.job_id:
            return
        self._arm = self._arm or detail.reference
        self.query_one("#facts", Lines).put([facts_row(detail)])
        error = [[(f" {one_line(detail.job.error)}", state_ink("failed"))]] if detail.job.error else []
        self.query_one("#verdicts", Lines).put([*error, *self._verdicts(detail)])
        self.query_one("#audit-line", Lines).put([job_texts.audit_row(detail)])
        drawn = (detail.job.id, detail.round)
        for view in VIEWS:
            if self._visible(view):
                self._fill(view, detail, fresh=drawn != self._drawn)
        self._drawn = drawn

    def _fill(self, view: str, detail: JobDetail, *, fresh: bool) -> None:
        arm = self._arm or detail.reference
        if view == "curves":
            self.query_one("#curves", LinePlot).draw(learning_chart(detail, arm, self._band), fresh=fresh)
        elif view == "lottery":
            self.query_one("#lottery", LinePlot).draw(lottery_chart(detail, arm, self._band))
        elif view == "layers":
            self.query_one("#layers", Heatmap).fill(heat_table(detail, arm))
        else:
            rows = getattr(job_texts, f"{view}_rows")(detail)
            self.query_one(f"#{view}", ListPane).put(rows)

    def _verdicts(self, detail: JobDetail) -> list[list[Span]]:
        rows = verdict_rows(detail.summary)
        if not self.has_class("-wide"):
            if self._view != "lottery" and detail.summary is not None:
                line = verdict_line(detail.reference, detail.summary.verdicts)
                return [line] if line else []
            rows = wrapped(rows, self.size.width)
        room = max(1, self.size.height // 4)
        if len(rows) > room:
            rows = [*rows[: room - 1], [(" · there is more: enlarge, or lth show", DIM)]]
        return rows

    def _visible(self, view: str) -> bool:
        return self.query_one(f"#{view}").display

    def fit(self, width: int, height: int) -> None:
        """Several views where there is room, else one."""
        super().fit(width, height)
        self._arrange()

    def on_resize(self, event: events.Resize) -> None:
        """Fit, then fill what has become visible."""
        super().on_resize(event)
        self.present(self.bench.snapshot)

    def _arrange(self) -> None:
        single = self._zoomed or not self.has_class("-wide")
        self.set_class(single, "-single")
        if self._view in _TEXT_VIEWS:
            self._text_view = self._view
        for view in VIEWS:
            widget = self.query_one(f"#{view}")
            widget.display = view == self._view if single else view not in _TEXT_VIEWS or view == self._last_text()
        self.query_one(f"#{self._view}").focus(scroll_visible=False)
        self.query_one(TabRow).choose(self._view)

    def _last_text(self) -> str:
        return getattr(self, "_text_view", "events")

    def action_view(self, view: str) -> None:
        """Go to a view."""
        self._view = view
        self._arrange()
        self.present(self.bench.snapshot)

    def action_next_view(self, by: int) -> None:
        """Go to the next view."""
        self.action_view(VIEWS[(VIEWS.index(self._view) + by) % len(VIEWS)])

    def on_tab_row_chosen(self, message: TabRow.Chosen) -> None:
        """A tab was clicked."""
        self.action_view(message.view)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click on a pane makes it the current view."""
        name = event.widget.id
        if name in VIEWS and name != self._view:
            self.action_view(name)

    def action_zoom(self) -> None:
        """One view, or all."""
        self._zoomed = not self._zoomed
        self._arrange()
        self.present(self.bench.snapshot)

    def action_back(self) -> None:
        """Out of the zoom, then back to the queue."""
        if self._zoomed:
            self.action_zoom()
        else:
            self.dismiss()

    def action_turn(self, by: int) -> None:
        """The round before or after the one shown; after the newest, follow the newest."""
        detail = self.bench.snapshot.detail
        if detail is None:
            return
        wanted = (detail.round if self._round is None else self._round) + by
        self._round = max(0, min(detail.job.rounds, wanted))
        self.bench.look_at(Watch(self.job_id, self._round))

    def action_follow(self) -> None:
        """Show the newest round, also when the next one starts."""
        self._round = None
        self.bench.look_at(Watch(self.job_id))

    def action_arm(self) -> None:
        """The next arm: in the layers, and beside the reference in the curves."""
        detail = self.bench.snapshot.detail
        if detail is not None:
            arms = arms_of(detail)
            place = arms.index(self._arm) if self._arm in arms else 0
            self._arm = arms[(place + 1) % len(arms)]
            self.present(self.bench.snapshot)

    def action_band(self) -> None:
        """The next kind of band."""
        self._band = BANDS[(BANDS.index(self._band) + 1) % len(BANDS)]
        self.present(self.bench.snapshot)


def facts_row(detail: JobDetail) -> list[Span]:
    """Name, state, round, progress, rate and time left in one row."""
    job = detail.job
    spans = [
        (f" {job.id} ", DIM), (one_line(job.name, 40), BOLD),
        (f"  {STATE_GLYPHS.get(job.state, '?')} {job.state}", state_ink(job.state)),
        (f"  round {job.round}/{job.rounds}  {bar(job.progress, 8)}{job.progress:>4.0%}", PLAIN),
        (f"  {job.trials_done}/{job.trials} trials", PLAIN),
    ]  # fmt: skip
    if job.state == "running":
        rate = f"  {compact(job.rate)}/s" if job.rate else ""
        spans.append((f"{rate}  left {duration(job.seconds_left)}", PLAIN))
    if job.trials_failed:
        spans.append((f"  ✗ {job.trials_failed} failed", state_ink("failed")))
    return spans
