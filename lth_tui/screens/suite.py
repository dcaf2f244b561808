"""The answers of a suite: what `lth show --suite` prints."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from lth_core.report.rows import Row as Fields
from lth_tui.keys import key
from lth_tui.reading.snapshot import Snapshot, Watch
from lth_tui.screens.answers_pane import AnswersPane
from lth_tui.screens.page import COMMON_KEYS, Page
from lth_tui.widgets.filter_line import FilterLine


class SuitePage(Page):
    """One suite: its jobs, what pruning did in each, and all of them together."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("suite", "escape", "back", "queue", show=True, display="esc"),
        key("suite", "slash", "search", "search the text", show=True, display="/"),
        *COMMON_KEYS,
    ]

    def __init__(self, suite: str) -> None:
        super().__init__()
        self.suite = suite

    def compose_page(self) -> ComposeResult:
        """One pane."""
        yield AnswersPane(id="answers")
        yield FilterLine("show only rows that contain these words", id="search")

    def lacks(self, action: str) -> bool:
        """See Page: the answers that are to be saved or copied."""
        known = self.bench.snapshot.suite
        unread = known is None or known.name != self.suite
        return super().lacks(action) or (unread and action in ("save_table", "copy") and not self.bench.snapshot.error)

    def on_mount(self) -> None:
        """Keys scroll."""
        self.query_one(AnswersPane).focus()

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        self.bench.look_at(Watch(suite=self.suite))
        known = snapshot.suite
        if snapshot.loaded and not any(job.suite == self.suite for job in snapshot.jobs) and self.is_active:
            self.dismiss()
        elif known is not None and known.name == self.suite:
            self.query_one(AnswersPane).fill(known)
        else:
            self.query_one(AnswersPane).fill(None)

    def copied(self) -> str:
        """All that is shown."""
        return self.query_one(AnswersPane).text

    def fields(self) -> list[Fields]:
        """The table over all jobs."""
        return self.query_one(AnswersPane).exported

    def action_search(self) -> None:
        """Type what the rows of the text must have."""
        self.query_one(FilterLine).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while typing."""
        self.query_one(AnswersPane).seek(event.value)

    def action_back(self) -> None:
        """Out of the search, then to the queue."""
        line = self.query_one(FilterLine)
        if line.used:
            line.action_unfilter()
        else:
            self.dismiss()
