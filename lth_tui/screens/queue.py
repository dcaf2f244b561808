"""The queue page: all jobs, and a preview of the one under the cursor."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from lth_core import places
from lth_core.store.commands import Move
from lth_tui import settings
from lth_tui.content import comparison
from lth_tui.content.charts import learning_chart, lottery_chart
from lth_tui.content.drawing import Drawing
from lth_tui.content.job_texts import suite_rows, summary_rows
from lth_tui.content.layer_tables import heat_table
from lth_tui.content.listing import SORTS, Listing, listed, position
from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, PLAIN
from lth_tui.plot.chart import Chart
from lth_tui.reading.feed import LabelledCommand
from lth_tui.reading.snapshot import JobDetail, Snapshot, Watch
from lth_tui.screens.job_commands import JOB_KEYS, JobCommands
from lth_tui.strips import Row, wrapped_all
from lth_tui.widgets.filter_line import FilterLine
from lth_tui.widgets.heatmap import Heatmap
from lth_tui.widgets.job_table import JobTable
from lth_tui.widgets.line_plot import LinePlot
from lth_tui.widgets.lines import Lines
from lth_tui.widgets.splitter import Splitter

if TYPE_CHECKING:
    from lth_core.store.views import JobView

_NOTHING: list[Row] = [
    "Test lottery tickets: train, prune round by round, compare with controls.",
    "An experiment is a TOML file; once queued, it is a job and is listed here.",
    [
        ("Press ", PLAIN),
        ("n", BOLD),
        (" for an experiment, ", PLAIN),
        ("?", BOLD),
        (" for all keys, ", PLAIN),
        ("q", BOLD),
        (" to quit.", PLAIN),
    ],
]
_OF_THE_ROW = (
    "open",
    "answers",
    "log",
    "pause",
    "cancel",
    "retry",
    "clone",
    "edit",
    "delete",
    "mark",
    "priority",
    "shift",
)
"""Actions on the job under the cursor."""
_NO_MATCH: list[Row] = [[("no job matches the filter: ", PLAIN), ("/", BOLD), (" changes it, ", PLAIN), ("esc", BOLD),
                         (" ends it", PLAIN)]]  # fmt: skip


class QueuePage(JobCommands):
    """All jobs in the order of running, or sorted and filtered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("queue", "n", "add", "new", show=True),
        key("queue", "enter", "open", "open", show=True),
        key("queue", "a", "answers", "answers", show=True),
        key("queue", "l", "log", "log"),
        key("queue", "slash", "filter", "filter", show=True, display="/"),
        key("queue", "space", "mark", "mark", show=True, display="space"),
        *JOB_KEYS,
        key("queue", "J", "shift(1)", "move", show=True, display="J/K", name="move-down", told="Move the job down"),
        key("queue", "K", "shift(-1)", "move up", display="K", told="Move the job up"),
        key("queue", "plus", "priority(1)", "higher priority", display="+"),
        key("queue", "minus", "priority(-1)", "lower priority", display="-"),
        key("queue", "asterisk", "mark_all", "mark all, or none", display="*"),
        key("queue", "o", "sort", "next sort order"),
        key("queue", "O", "reverse", "reverse the order", display="O"),
        key("queue", "z", "fold", "fold the suite"),
        key("queue", "greater_than_sign", "split(10)", "longer list", display=">"),
        key("queue", "less_than_sign", "split(-10)", "longer preview", display="<"),
        key("queue", "v", "compare", "compare marked jobs"),
        key("queue", "L", "launcher", "here/cluster", display="L"),
        key("queue", "escape", "leave", "end filter and marks", display="esc"),
    ]

    listing = Listing()

    def compose_page(self) -> ComposeResult:
        """Table, and the preview: words and layers beside a curve."""
        yield FilterLine("words, state:failed, suite:name, a|b, !not", id="job-filter")
        yield Lines(id="empty")
        yield JobTable(id="jobs")
        yield Splitter(id="listing")
        with Vertical(id="preview"):
            yield Lines(id="summary")
            with Horizontal(id="preview-plots"):
                yield Heatmap(id="preview-layers", passive=True)
                yield LinePlot(id="preview-curves")

    def on_mount(self) -> None:
        """The table has the keys; the preview only shows."""
        self.query_one("#preview-curves").can_focus = False
        self.query_one(JobTable).focus()
        self._drawn: tuple[int, int] | None = None
        self._share = 40
        kept = settings.last_split(places.settings_file())
        if kept is not None:
            self._split_at(kept)

    def on_resize(self, event: events.Resize) -> None:
        """Break the texts for the new width."""
        super().on_resize(event)
        self.present(self.bench.snapshot)

    def lacks(self, action: str) -> bool:
        """See Page: the jobs, and the one that was queued a moment ago, to which the cursor goes."""
        return super().lacks(action) or (action in _OF_THE_ROW and self.bench.queuing)

    def idle(self, action: str) -> bool:
        """See Page: while there are no jobs, all that is about one."""
        of_jobs = action.partition("(")[0] in (*_OF_THE_ROW, "filter")
        return super().idle(action) or (of_jobs and not self.bench.snapshot.jobs)

    def chosen_jobs(self) -> "Sequence[JobView]":
        """The marked jobs, or else the one under the cursor, or all of the suite under it."""
        jobs = self.bench.snapshot.jobs
        if self.listing.marked:
            return [job for job in jobs if job.id in self.listing.marked]
        row = self.query_one(JobTable).row
        return [job for job in jobs if row is not None and self._within(row.id, row.suite, job)]

    def _within(self, number: int, suite: str | None, job: "JobView") -> bool:
        return job.id == number if suite is None else job.suite == suite

    def chart(self) -> Chart:
        """The curves of the preview."""
        return self.query_one("#preview-curves", LinePlot).chart

    def copied(self) -> str:
        """Name, source and identity of the jobs."""
        return "\n".join(f"{job.id}\t{job.name}\t{job.state}\t{job.identity}" for job in self.chosen_jobs())

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        table, empty = self.query_one(JobTable), self.query_one("#empty", Lines)
        gone = self.listing.marked - {job.id for job in snapshot.jobs}
        if gone:
            self.listing = replace(self.listing, marked=self.listing.marked - gone)
        rows = listed(snapshot, self.listing)
        empty.set_class(bool(rows), "-gone")
        table.set_class(not rows, "-gone")
        self.query_one(Splitter).set_class(not snapshot.jobs, "-gone")
        nothing = _NO_MATCH if snapshot.jobs else _NOTHING
        width = max(20, self.size.width - 4)
        empty.put(wrapped_all(nothing, width) if snapshot.loaded else ["reading the workspace ..."])
        table.fill(rows, self.listing.marks)
        self._tell_place()
        if self.bench.wanted_job is not None and any(row.id == self.bench.wanted_job for row in rows):
            table.select(self.bench.wanted_job)
            self.bench.wanted_job = None
        self._look()
        self._preview(snapshot.detail)

    def go_to(self, job: int) -> None:
        """Put the cursor on a job, out of a filter or a folded suite that hides it."""
        found = next((one for one in self.bench.snapshot.jobs if one.id == job), None)
        if found is None:
            return
        if found.suite in self.listing.folded:
            self._relist(replace(self.listing, folded=self.listing.folded - {found.suite}))
        if all(row.id != job for row in self.query_one(JobTable).rows):
            self.query_one(FilterLine).value = ""
            self._relist(replace(self.listing, filter=""))
        self.query_one(JobTable).select(job)

    def _tell_place(self) -> None:
        """The row below the list: position, count, order, filter."""
        table, jobs = self.query_one(JobTable), self.bench.snapshot.jobs
        words = [position(table.rows, table.cursor, len(jobs)) if jobs else "", self.listing.text]
        self.query_one(Splitter).tell(" · ".join(word for word in words if word))

    def _look(self) -> None:
        self.refresh_bindings()
        cursor = self.query_one(JobTable).cursor
        self.bench.look_at(Watch(abs(cursor) if cursor else None))

    def _preview(self, detail: JobDetail | None) -> None:
        cursor, row = self.query_one(JobTable).cursor, self.query_one(JobTable).row
        self.query_one("#preview-layers").set_class(row is not None and row.suite is not None, "-gone")
        if row is not None and row.suite is not None:
            self._preview_suite(row.suite)
            return
        here = detail is not None and cursor is not None and detail.job.id == abs(cursor)
        self.query_one("#preview").set_class(not here, "-gone")
        if detail is None or not here:
            return
        self.query_one("#summary", Lines).put(summary_rows(detail, self.size.width, short=not self.has_class("-wide")))
        self.query_one("#preview-layers", Heatmap).fill(heat_table(detail, detail.reference))
        drawn = (detail.job.id, detail.round)
        ended = detail.job.state == "done" and detail.job.rounds > 0
        chart = (lottery_chart if ended else learning_chart)(detail, Drawing())
        self.query_one("#preview-curves", LinePlot).draw(chart, fresh=drawn != self._drawn)
        self._drawn = drawn

    def _preview_suite(self, suite: str) -> None:
        """The jobs of a suite, and their lottery curves in one plot."""
        summaries = self.bench.snapshot.summaries
        jobs = [job for job in self.bench.snapshot.jobs if job.suite == suite]
        self.query_one("#preview").remove_class("-gone")
        rows, room = suite_rows(suite, jobs, summaries), max(3, self.query_one("#preview").size.height // 2)
        if len(rows) > room:
            rows = [*rows[: room - 1], [(f"  and {len(rows) - room + 1} more; a shows their answers", DIM)]]
        self.query_one("#summary", Lines).put(rows)
        chart = comparison.chart(jobs, summaries, 0, relative=comparison.differ(jobs))
        self.query_one("#preview-curves", LinePlot).draw(chart, fresh=self._drawn is not None)
        self._drawn = None

    def on_job_table_highlighted(self) -> None:
        """Look closely at the job under the cursor."""
        self._tell_place()
        self._look()

    def on_job_table_headed(self, message: JobTable.Headed) -> None:
        """A click on the head of a column sorts by it, a second one the other way round."""
        self._relist(self.listing.by_column(message.column))

    def on_splitter_dragged(self, message: Splitter.Dragged) -> None:
        """The list ends where the handle is dragged to."""
        table = self.query_one(JobTable)
        self._split_at(round(100 * (message.row - table.region.y) / max(1, self.size.height)))

    def action_split(self, by: int) -> None:
        """More room for the list, or for the preview."""
        self._split_at(self._share + by)

    def _split_at(self, share: int) -> None:
        before, self._share = self._share, min(80, max(15, share))
        self.query_one(JobTable).styles.max_height = f"{self._share}%"
        if self._share != before:
            settings.remember_split(places.settings_file(), self._share)

    def on_job_table_opened(self) -> None:
        """A second click opens, a third does no more."""
        if self.is_active:
            self.action_open()

    def on_job_table_folded(self) -> None:
        """A second click on a suite folds it."""
        self.action_fold()

    def action_open(self) -> None:
        """Open the job under the cursor; fold or unfold a suite."""
        from lth_tui.screens.job import JobPage

        row = self.query_one(JobTable).row
        if row is None:
            self._jobs_or_say()
        elif row.suite is not None:
            self.action_fold()
        else:
            self.app.push_screen(JobPage(row.id))

    def action_answers(self) -> None:
        """The answers of the job under the cursor, or of the suite: what `lth show` prints."""
        from lth_tui.screens.job import JobPage
        from lth_tui.screens.suite import SuitePage

        row = self.query_one(JobTable).row
        if row is None:
            self._jobs_or_say()
        elif row.suite is not None:
            self.app.push_screen(SuitePage(row.suite))
        else:
            self.app.push_screen(JobPage(row.id, "answers"))

    def action_log(self) -> None:
        """Follow the log of the job under the cursor."""
        from lth_tui.screens.job import JobPage

        row = self.query_one(JobTable).row
        if row is None or row.suite is not None:
            self.bench.refuse("a log belongs to a job: put the cursor on one")
        else:
            self.app.push_screen(JobPage(row.id, "log"))

    def action_add(self) -> None:
        """Choose an experiment and queue it."""
        from lth_tui.screens.add import Add

        if self.bench.may_change():
            self.app.push_screen(Add(self.bench.snapshot.jobs, self.bench.snapshot.slots), self._added)

    def _added(self, commands: list[LabelledCommand] | None) -> None:
        for command in commands or ():
            self.bench.ask(command)

    def action_shift(self, by: int) -> None:
        """Move the job down or up in the queue."""
        if self.listing.sort != SORTS[0] or self.listing.reverse:
            self.bench.say("jobs can only be moved in queue order: press o to sort by it", "warning")
            return
        jobs = list(self._jobs_or_say())
        for job in reversed(jobs) if by > 0 else jobs:  # the foremost in the direction of the move goes first
            self.send_command(Move(job=job.id, by=by))

    def _relist(self, listing: Listing) -> None:
        self.listing = listing
        self.present(self.bench.snapshot)

    def action_mark(self) -> None:
        """Mark the job, or all of the suite, and go on to the next row."""
        table = self.query_one(JobTable)
        row = table.row
        if row is None:
            return
        here = {job.id for job in self.bench.snapshot.jobs if self._within(row.id, row.suite, job)}
        marked = self.listing.marked - here if row.marked else self.listing.marked | here
        self._relist(replace(self.listing, marked=frozenset(marked)))
        table.action_move(1)

    def action_mark_all(self) -> None:
        """Mark all jobs in the list; if all are marked, none."""
        here = frozenset(row.id for row in self.query_one(JobTable).rows if row.suite is None)
        self._relist(replace(self.listing, marked=frozenset() if here <= self.listing.marked else here))

    def action_sort(self) -> None:
        """The next way of sorting."""
        place = (SORTS.index(self.listing.sort) + 1) % len(SORTS)
        self._relist(replace(self.listing, sort=SORTS[place]))

    def action_reverse(self) -> None:
        """The other way round."""
        self._relist(replace(self.listing, reverse=not self.listing.reverse))

    def action_fold(self) -> None:
        """Fold the suite under the cursor, or unfold it."""
        table = self.query_one(JobTable)
        here = next((job.suite for job in self.bench.snapshot.jobs if job.id == abs(table.cursor or 0)), None)
        if here is None:
            self.bench.say("this job is not part of a suite", "warning")
            return
        number = min(job.id for job in self.bench.snapshot.jobs if job.suite == here)
        self._relist(replace(self.listing, folded=self.listing.folded ^ {here}))
        if any(row.id == -number for row in table.rows):
            table.select(-number)

    def action_filter(self) -> None:
        """Type what the jobs shown must have."""
        self.query_one(FilterLine).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        self._relist(replace(self.listing, filter=event.value.strip()))

    def action_leave(self) -> None:
        """End the filter, then the marks."""
        line = self.query_one(FilterLine)
        if line.used:
            line.action_unfilter()
        elif self.listing.marked:
            self._relist(replace(self.listing, marked=frozenset()))

    def action_compare(self) -> None:
        """The lottery curves of the marked jobs side by side."""
        from lth_tui.screens.compare import ComparePage

        jobs = self.chosen_jobs()
        if len(jobs) < 2:
            self.bench.refuse("mark two or more jobs with space, then compare")
            return
        self.app.push_screen(ComparePage([job.id for job in jobs]))
