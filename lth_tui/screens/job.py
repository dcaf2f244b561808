"""The job page: curves, lottery curve, layers, texts about the job; several at once if they fit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widgets import Input

from lth_core.report.rows import Row as Fields
from lth_tui.content import job_texts
from lth_tui.content.charts import learning_chart, lottery_chart
from lth_tui.content.device_rows import device_rows
from lth_tui.content.drawing import Drawing
from lth_tui.content.layer_tables import heat_table, overlap_table
from lth_tui.content.metric_words import metric_words
from lth_tui.content.verdict_words import verdict_line, verdict_rows
from lth_tui.keys import key
from lth_tui.palette import DIM
from lth_tui.plot.chart import Chart
from lth_tui.reading.snapshot import JobDetail, Snapshot, Watch
from lth_tui.screens.answers_pane import AnswersPane
from lth_tui.screens.job_commands import JOB_KEYS, JobCommands
from lth_tui.screens.page import AT_ONCE
from lth_tui.strips import Row, text_of, wrapped_all
from lth_tui.widgets.filter_line import FilterLine
from lth_tui.widgets.heatmap import Heatmap
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.list_pane import ListPane
from lth_tui.widgets.tabs import TabRow

if TYPE_CHECKING:
    from lth_core.analysis.verdict import Summary
    from lth_core.store.views import JobView

_TOLD = {
    "curves": "A metric while training", "lottery": "The score against the share kept",
    "layers": "The share kept of each layer", "audit": "Every check, failing ones first",
    "log": "What the workers do", "events": "What happened to the job",
    "experiment": "The arms, and every field", "devices": "What runs on each slot",
    "answers": "The questions and their answers",
}  # fmt: skip
VIEWS = tuple(_TOLD)
_TEXT_VIEWS = VIEWS[3:]
_ALONE = ("answers",)
"""Views that always have the whole page."""


class JobPage(JobCommands):
    """One job in detail."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("job", "escape", "back", "queue", show=True, display="esc"),
        *(
            key("job", str(n), f"view('{name}')", name, told=told)
            for n, (name, told) in enumerate([*_TOLD.items()][:9], start=1)  # a tenth has no digit
        ),
        key("job", "comma", "turn(-1)", "round", show=True, display=", ."),
        key("job", "full_stop", "turn(1)", "next round", display="."),
        key("job", "f", "follow", "newest round"),
        key("job", "a", "arm", "arm", show=True),
        key("job", "space", "hide", "hide or show the arm", display="space"),
        key("job", "i", "isolate", "isolate the arm"),
        key("job", "b", "band", "band", show=True),
        key("job", "left_square_bracket", "smooth(-1)", "smooth less", display="["),
        key("job", "right_square_bracket", "smooth(1)", "smooth more", display="]"),
        key("job", "m", "metric", "metric", show=True),
        key("job", "M", "metrics", "all metrics", display="M"),
        key("job", "t", "axis", "x axis"),
        key("job", "z", "zoom", "zoom", show=True),
        key("job", "slash", "search", "search the text", display="/"),
        key("job", "tab", "next_view(1)", "next view"),
        key("job", "shift+tab", "next_view(-1)", "previous view"),
        *JOB_KEYS,
    ]

    def __init__(self, job: int, view: str = "curves") -> None:
        super().__init__()
        self.job_id = job
        self._round: int | None = None
        self._to_newest = False
        self._metric: str | None = None
        self.drawing = Drawing()
        self._overlap = False
        self._view = view
        self._text_view = "events"
        self._zoomed = False
        self._drawn: tuple[int, int, str, str] | None = None

    def compose_page(self) -> ComposeResult:
        """A line of facts, verdicts, tabs, and the views."""
        yield Lines("", id="facts")
        yield Lines(id="verdicts")
        yield Lines("", id="audit-line")
        yield TabRow(VIEWS, id="tabs")
        with Container(id="views"):
            yield LinePlot(id="curves")
            yield LinePlot(id="lottery")
            yield Heatmap(id="layers")
            yield ListPane("audit", wrap=True, id="audit")
            yield ListPane("log", follow=True, wrap=True, id="log")
            yield ListPane("events", follow=True, wrap=True, id="events")
            yield ListPane("experiment", wrap=True, id="experiment")
            yield ListPane("devices", wrap=True, id="devices")
            yield AnswersPane(id="answers")
        yield FilterLine("show only rows that contain these words", id="search")

    def on_mount(self) -> None:
        """Start with the curves, or with why it failed."""
        if self._view == "curves" and any(job.state == "failed" for job in self.chosen_jobs()):
            self._view = "log"
        self._arrange()

    def lacks(self, action: str) -> bool:
        """See Page: the job's details, and the answers that are to be saved or copied."""
        detail, snapshot = self._detail(), self.bench.snapshot
        if super().lacks(action) or action in AT_ONCE or snapshot.error or not self.chosen_jobs():
            return super().lacks(action)
        saved = self._view == "answers" and action in ("save_table", "copy")
        return detail is None or (saved and detail.answers is None)

    def chosen_jobs(self) -> "Sequence[JobView]":
        """The job of this page."""
        return [job for job in self.bench.snapshot.jobs if job.id == self.job_id]

    def chart(self) -> Chart:
        """The lottery curve if the user is there, else the learning curves."""
        return self.query_one("#lottery" if self._view == "lottery" else "#curves", LinePlot).chart

    def fields(self) -> list[Fields] | None:
        """The table of rounds and arms, if the user looks at it."""
        return self.query_one(AnswersPane).exported if self._view == "answers" else None

    def copied(self) -> str:
        """The values at the cursor, or the text of the view."""
        if self._view in ("curves", "lottery"):
            plot = self.query_one(f"#{self._view}", LinePlot)
            return plot.cursor_text or "\n".join(text_of(row) for row in verdict_rows(self._summary()))
        if self._view == "layers":
            return text_of(self.query_one(Heatmap).detail())
        return self.query_one(f"#{self._view}", ListPane).text

    def _detail(self) -> JobDetail | None:
        detail = self.bench.snapshot.detail
        return detail if detail is not None and detail.job.id == self.job_id else None

    def _summary(self) -> "Summary | None":
        detail = self._detail()
        return None if detail is None else detail.summary

    def _watch(self) -> Watch:
        overlap = self._arm() if self._overlap and self._visible("layers") else None
        devices, answers = self._visible("devices"), self._visible("answers")
        return Watch(self.job_id, self._round, self._metric, overlap, devices, answers)

    def _arm(self) -> str | None:
        detail = self._detail()
        return self.drawing.arm or (None if detail is None else detail.reference)

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        self.refresh_bindings()
        self.bench.look_at(self._watch())
        detail = self._detail()
        if detail is None:
            if snapshot.loaded and not self.chosen_jobs() and self.is_active:
                self._gone()
            return
        self.query_one("#facts", Lines).put([job_texts.facts_row(detail, self.size.width)])
        error = job_texts.error_rows(detail, self.size.width)
        self.query_one("#verdicts", Lines).put([*error, *self._verdicts(detail)])
        self.query_one("#audit-line", Lines).put([job_texts.audit_row(detail)])
        if self._drawn is not None and self._pulls_away(detail, self._drawn[1]):
            return
        drawn = (detail.job.id, detail.round, detail.metric, self.drawing.axis)
        for view in self._shown():
            self._fill(view, detail, snapshot, fresh=drawn != self._drawn)
        self._drawn = drawn

    def _pulls_away(self, detail: JobDetail, shown: int) -> bool:
        """Whether a new round would replace curves under a cursor or a zoom; then the old round stays."""
        if self._round is not None or detail.round == shown or not self.query_one("#curves", LinePlot).in_use:
            return False
        if self._to_newest:
            self._to_newest = False
            return False
        self._round = shown
        self.bench.say(f"round {detail.round} has begun; this is round {shown}, press f to follow the newest")
        self.bench.look_at(self._watch())
        return True

    def _fill(self, view: str, detail: JobDetail, snapshot: Snapshot, *, fresh: bool) -> None:
        arm = self.drawing.arm or detail.reference
        if view == "curves":
            self.query_one("#curves", LinePlot).draw(learning_chart(detail, self.drawing), fresh=fresh)
        elif view == "lottery":
            self.query_one("#lottery", LinePlot).draw(lottery_chart(detail, self.drawing))
        elif view == "layers":
            table = overlap_table(detail, arm) if self._overlap else heat_table(detail, arm)
            self.query_one("#layers", Heatmap).fill(table)
        elif view == "answers":
            self.query_one(AnswersPane).fill(detail.answers)
        elif view == "devices":
            pane = self.query_one("#devices", ListPane)
            pane.put(device_rows(snapshot, pane.size.width))
        else:
            self.query_one(f"#{view}", ListPane).put(job_texts.BY_VIEW[view](detail))

    def _gone(self) -> None:
        """Go back to the queue, because the job was deleted."""
        self.bench.say(f"job {self.job_id} was deleted: u undoes the last deletion", "warning")
        self.dismiss()

    def _verdicts(self, detail: JobDetail) -> Sequence[Row]:
        """The verdicts as one line, one sentence each, or in full, by the space and the current view."""
        room = max(1, min(self.size.height // 4, self.size.height - 15))  # of 16 rows the curves need most
        if self._view == "lottery" and self.has_class("-single") and room > 1:
            rows: list[Row] = wrapped_all(verdict_rows(detail.summary), self.size.width)
        elif self.has_class("-wide"):
            rows = [*verdict_rows(detail.summary, self.size.width)]
        else:
            line = [] if detail.summary is None else verdict_line(detail.reference, detail.summary.verdicts)
            return [line] if line else []
        if len(rows) > room:
            rows = [*rows[: room - 1], [(" · truncated: y copies all of it, lth show prints it", DIM)]]
        return rows

    def _visible(self, view: str) -> bool:
        return self.query_one(f"#{view}").display

    def fit(self, width: int, height: int) -> None:
        """Show several views if they fit, else one."""
        super().fit(width, height)
        self._arrange()

    def on_resize(self, event: events.Resize) -> None:
        """Fit, then fill what has become visible."""
        super().on_resize(event)
        self.present(self.bench.snapshot)

    def _arrange(self) -> bool:
        """Lay the views out, and say whether others are visible than before."""
        before = self._shown()
        single = self._zoomed or not self.has_class("-wide") or self._view in _ALONE
        self.set_class(single, "-single")
        if self._view in _TEXT_VIEWS and self._view not in _ALONE:
            self._text_view = self._view
        for view in VIEWS:
            widget = self.query_one(f"#{view}")
            widget.display = view == self._view if single else view not in _TEXT_VIEWS or view == self._text_view
        self.query_one(TabRow).choose(self._view)  # first, or it would come a frame later
        self.set_focus(self.query_one(f"#{self._view}"), scroll_visible=False)
        return self._shown() != before

    def _shown(self) -> list[str]:
        return [view for view in VIEWS if self._visible(view)]

    def action_view(self, view: str) -> None:
        """Go to a view; a search in one text ends where another text begins."""
        if view != self._view and self.query_one(FilterLine).used:
            self.query_one(FilterLine).drop()
            for name in _TEXT_VIEWS:
                self.query_one(f"#{name}", ListPane).seek("")
        self._view = view
        if self._arrange():
            self.present(self.bench.snapshot)

    def action_next_view(self, by: int) -> None:
        """Go to the next or previous view."""
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

    def action_search(self) -> None:
        """Type what the rows of the text must have."""
        if self._view not in _TEXT_VIEWS:
            self.action_view(self._text_view)
        self.query_one(FilterLine).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while typing."""
        view = self._view if self._view in _TEXT_VIEWS else self._text_view
        self.query_one(f"#{view}", ListPane).seek(event.value)

    def action_back(self) -> None:
        """Out of the search, out of the zoom, then back to the queue."""
        if self.query_one(FilterLine).used:
            self.query_one(FilterLine).action_unfilter()
        elif self._zoomed:
            self.action_zoom()
        else:
            self.dismiss()

    def action_turn(self, by: int) -> None:
        """The round before or after the one shown; after the newest, follow the newest."""
        detail = self._detail()
        if detail is None:
            return
        begun = [trial.round for trial in detail.trials if trial.state in ("running", "done", "failed")]
        wanted = (detail.round if self._round is None else self._round) + by
        self._round = None if wanted > max(begun, default=0) else max(0, wanted)
        self.bench.look_at(self._watch())

    def action_follow(self) -> None:
        """Show the newest round, also when the next one starts."""
        from lth_tui.reading.job_reader import newest_round

        detail = self._detail()
        self._round, self._to_newest = None, detail is not None and detail.round != newest_round(detail.trials)
        self.bench.look_at(self._watch())

    def action_arm(self) -> None:
        """The next arm: in the layers, beside the reference in the curves, and the one that is hidden or isolated."""
        self._draw(Drawing.other_arm)

    def action_hide(self) -> None:
        """Hide the chosen arm, or show it again."""
        self._draw(Drawing.hide)

    def action_isolate(self) -> None:
        """Only the chosen arm and the reference; again: all."""
        self._draw(Drawing.isolate)

    def action_axis(self) -> None:
        """Curves against the next of steps, updates, games."""
        self._draw(Drawing.other_axis)

    def action_band(self) -> None:
        """The next kind of band."""
        self._draw(lambda drawing, _: drawing.other_band())

    def action_smooth(self, by: int) -> None:
        """Smooth the curves more or less; the raw values stay as faint lines."""
        self._draw(lambda drawing, _: drawing.smoother(by))

    def action_metric(self) -> None:
        """Choose the metric of the curves; in the layers what is kept, or how masks of seeds overlap."""
        from lth_tui.screens.pick import Pick

        detail = self._detail()
        if detail is None:
            return
        if self._view == "layers":
            self._overlap = not self._overlap
            self.present(self.bench.snapshot)
        elif detail.metrics:
            choices = [(name, metric_words(name)) for name in detail.metrics]
            self.app.push_screen(Pick("metrics", choices, detail.metric), self._take_metric)

    def _take_metric(self, name: str | None) -> None:
        if name is not None:
            self._metric = name
            self.present(self.bench.snapshot)

    def action_metrics(self) -> None:
        """All metrics as small plots; enter opens one large."""
        from lth_tui.screens.metrics import MetricsPage

        detail = self._detail()
        if detail is not None and detail.metrics:
            self.app.push_screen(MetricsPage(self.job_id, self._round, self.drawing, detail.metric, self._open_metric))

    def _open_metric(self, name: str) -> None:
        self._metric, self._view, self._zoomed = name, "curves", True
        self._arrange()

    def on_line_plot_toggled(self, message: LinePlot.Toggled) -> None:
        """A click on an entry of the legend hides its curve, or shows it again."""
        self._draw(lambda drawing, _: replace(drawing, hidden=drawing.hidden ^ {message.label}))

    def _draw(self, change: Callable[[Drawing, JobDetail], Drawing]) -> None:
        detail = self._detail()
        if detail is not None:
            self.drawing = change(self.drawing, detail)
            self.present(self.bench.snapshot)
