"""The table of jobs; its cursor stays on a job, not on a row."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, cursor_ink
from lth_tui.strips import Row, changed_cells, strip_of
from lth_tui.widgets.job_columns import Column, JobRow, cells_of, fitting, titles_of
from lth_tui.widgets.scrollbar import thumb, with_bar


class JobTable(Widget, can_focus=True):
    """Rows of jobs with a cursor that stays on its job when the order changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("jobs", "down,j", "move(1)", "down"),
        key("jobs", "up,k", "move(-1)", "up"),
        key("jobs", "pagedown,ctrl+d", "move(10)", "page down"),
        key("jobs", "pageup,ctrl+u", "move(-10)", "page up"),
        key("jobs", "home,g", "move(-99999)", "first"),
        key("jobs", "end,G", "move(99999)", "last"),
    ]

    class Highlighted(Message):
        """The cursor moved to another job."""

    class Folded(Message):
        """A suite's row was clicked twice."""

    class Opened(Message):
        """A job was clicked twice."""

    class Headed(Message):
        """The head of a column was clicked."""

        def __init__(self, column: str) -> None:
            self.column = column
            super().__init__()

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._jobs: list[JobRow] = []
        self._top = self._longest = 0
        self.cursor: int | None = None
        self._places: dict[int, int] = {}
        self._marks: Mapping[str, str] = {}

    def fill(self, jobs: Sequence[JobRow], marks: Mapping[str, str] | None = None) -> None:
        """Show these jobs; only rows that changed are sent again. marks: arrows on the heads of sorted columns."""
        old_place = self._place()
        if marks is not None and marks != self._marks:
            self._marks = marks
            self.refresh(Region(0, 0, self.size.width, 1))
        old, self._jobs = self._jobs, list(jobs)
        self._places = {job.id: place for place, job in enumerate(self._jobs)}
        longest = max((job.name_width for job in jobs), default=0)
        if longest != self._longest:
            self._longest = longest
            self.refresh()
        if self.cursor not in self._places:
            self.cursor = jobs[min(old_place, len(jobs) - 1)].id if jobs else None
            self.post_message(self.Highlighted())
        if len(old) != len(jobs):
            self._clamp()
            self.styles.height = 1 + len(jobs)
            self.refresh()
            return
        top = self._top
        self._clamp()
        if top != self._top:
            self.refresh()
            return
        pairs = enumerate(zip(old, self._jobs, strict=True))
        regions = [
            self._region(place, a, b) for place, (a, b) in pairs if a != b and 0 <= place - top < self._visible()
        ]
        if regions:
            self.refresh(*regions)

    @property
    def text(self) -> str:
        """What is on screen, as plain text."""
        return "\n".join(self.render_line(y).text for y in range(self.size.height))

    def select(self, job: int) -> None:
        """Put the cursor on a job."""
        self.cursor = job
        self._clamp()
        self.refresh()
        self.post_message(self.Highlighted())

    def action_move(self, by: int) -> None:
        """Cursor down or up."""
        if self._jobs:
            self.select(self._jobs[max(0, min(len(self._jobs) - 1, self._place() + by))].id)

    def on_click(self, event: events.Click) -> None:
        """Choose the job under the pointer; a second click opens it. On the head of a column, sort by it."""
        place = self._top + event.y - 1
        if event.y == 0:
            self._click_head(event.x)
            return
        if self._scrolls() and event.x == self.size.width - 1:
            share = (event.y - 1) / max(1, self._visible() - 1)
            self.select(self._jobs[round(share * (len(self._jobs) - 1))].id)
            return
        if place < len(self._jobs):
            again = self._jobs[place].id == self.cursor
            self.select(self._jobs[place].id)
            if again:
                self.post_message(self.Opened() if self._jobs[place].suite is None else self.Folded())

    def _click_head(self, x: int) -> None:
        for column, words in titles_of(*self._fitting()):
            if 0 <= x < len(words) and column:
                self.post_message(self.Headed(column))
            x -= len(words)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Wheel: one job down."""
        event.stop()
        self.action_move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Wheel: one job up."""
        event.stop()
        self.action_move(-1)

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self._clamp()
        self.refresh()

    @property
    def row(self) -> JobRow | None:
        """The row under the cursor."""
        place = self._places.get(self.cursor) if self.cursor is not None else None
        return None if place is None else self._jobs[place]

    @property
    def rows(self) -> Sequence[JobRow]:
        """All rows, from the first to the last."""
        return self._jobs

    def _place(self) -> int:
        return 0 if self.cursor is None else self._places.get(self.cursor, 0)

    def _scrolls(self) -> bool:
        return len(self._jobs) > self._visible() > 0

    def _visible(self) -> int:
        return max(0, self.size.height - 1)

    def _clamp(self) -> None:
        height, place = max(1, self._visible()), self._place()
        self._top = max(0, min(max(self._top, place - height + 1), place, max(0, len(self._jobs) - height)))

    def _region(self, place: int, old: JobRow, new: JobRow) -> Region:
        span = changed_cells(self._row(old), self._row(new), self._width()) or (0, 0)
        return Region(span[0], 1 + place - self._top, span[1] - span[0], 1)

    def _fitting(self) -> tuple[tuple[Column, ...], int, int]:
        return fitting(self._width(), self._longest)

    def _width(self) -> int:
        return self.size.width - self._scrolls()

    def _row(self, job: JobRow) -> Row:
        columns, name, verdict = self._fitting()
        return cells_of(job, columns, name, verdict, job.id == self.cursor)

    def render_line(self, y: int) -> Strip:
        """Column titles, then jobs, with a scrollbar if they do not fit."""
        width, style = self._width(), self.rich_style
        if y == 0:
            titles = titles_of(*self._fitting(), self._marks)
            row = [(words, BOLD if column in self._marks else DIM) for column, words in titles]
            return strip_of(row, self.size.width, style)
        place = self._top + y - 1
        if place >= len(self._jobs):
            return strip_of("", width, style)
        job = self._jobs[place]
        ground: Style = style + cursor_ink() if job.id == self.cursor else style
        strip = strip_of(self._row(job), width, ground)
        if not self._scrolls():
            return strip
        return with_bar(strip, y - 1, thumb(self._top, self._visible(), len(self._jobs)), style)
