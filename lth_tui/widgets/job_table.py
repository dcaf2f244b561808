"""The table of jobs: the cursor stands on a job and not on a row, columns give way when it is narrow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from lth_core.text import one_line
from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, GREEN, GREY, PLAIN, SKY, VERMILLION, YELLOW, cursor_ink, ink, state_ink
from lth_tui.widgets.strips import Row, Span, changed_cells, strip_of
from lth_tui.words import STATE_GLYPHS, bar, compact, duration


@dataclass(frozen=True)
class JobRow:
    """What the table shows of a job; `verdict` is styled words, or why it waits or failed.

    A suite's own row has a negative `id` and its name in `suite`.
    """

    id: int
    name: str
    state: str
    round: int
    rounds: int
    progress: float
    trials_done: int
    trials: int
    trials_failed: int
    rate: float
    seconds_left: float | None
    verdict: tuple[Span, ...]
    device: str = ""
    priority: int = 0
    marked: bool = False
    indent: int = 0
    suite: str | None = None
    folded: bool = False


@dataclass(frozen=True)
class Column:
    """A column of fixed width."""

    title: str
    width: int
    cell: Callable[[JobRow, int], Span]
    right: bool = True


def _name(row: JobRow, width: int) -> Span:
    fold = "" if row.suite is None else ("▸ " if row.folded else "▾ ")
    name = " " * row.indent + fold + one_line(row.name, 200)
    return (name if len(name) <= width else name[: width - 1] + "…", PLAIN if row.suite is None else BOLD)


def _state(row: JobRow, width: int) -> Span:
    return (f"{STATE_GLYPHS.get(row.state, '?')} {row.state}", state_ink(row.state))


def _rate(row: JobRow, width: int) -> Span:
    return (compact(row.rate) if row.state == "running" and row.rate else "-", PLAIN)


def _bar(row: JobRow, width: int) -> Span:
    colour = {"running": GREEN, "done": SKY, "failed": VERMILLION}.get(row.state, GREY)
    return (f"{bar(row.progress, width - 5)}{row.progress:>5.0%}", ink(colour))


def _trials(row: JobRow, width: int) -> Span:
    style = ink(VERMILLION) if row.trials_failed else PLAIN
    return (f"{row.trials_done}/{row.trials}" + ("!" if row.trials_failed else ""), style)


STATE_COLUMN = Column("state", 12, _state, right=False)
COLUMNS = (
    Column("id", 4, lambda row, width: (str(row.id) if row.id > 0 else "", DIM)),
    Column("prio", 4, lambda row, width: (f"{row.priority:+}" if row.priority else "", PLAIN)),
    Column("round", 6, lambda row, width: (f"{row.round}/{row.rounds}", PLAIN)),
    Column("progress", 10, _bar, right=False),
    Column("trials", 9, _trials),
    Column("steps/s", 7, _rate),
    Column("left", 8, lambda row, width: (duration(row.seconds_left), PLAIN)),
    Column("device", 7, lambda row, width: (row.device[:width], DIM), right=False),
)
"""Between state and name on the left and the verdict on the right."""

DROP_ORDER = ("prio", "id", "trials", "device", "steps/s", "verdict", "progress", "left", "round")
"""What a narrow terminal loses, first to last; state and name stay."""
_NAME_WIDTH, _VERDICT_WIDTH = 14, 20


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

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._jobs: list[JobRow] = []
        self._top = 0
        self.cursor: int | None = None

    def fill(self, jobs: Sequence[JobRow]) -> None:
        """Show these jobs; only rows that changed are sent again."""
        old_place = self._place()
        old, self._jobs = self._jobs, list(jobs)
        if self.cursor not in {job.id for job in jobs}:
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
        """Choose the job under the pointer; a second click opens it."""
        place = self._top + event.y - 1
        if event.y > 0 and place < len(self._jobs):
            again = self._jobs[place].id == self.cursor
            self.select(self._jobs[place].id)
            if again:
                self.post_message(self.Opened() if self._jobs[place].suite is None else self.Folded())

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
        return next((job for job in self._jobs if job.id == self.cursor), None)

    @property
    def rows(self) -> Sequence[JobRow]:
        """All rows, from the first to the last."""
        return self._jobs

    def _place(self) -> int:
        return next((place for place, job in enumerate(self._jobs) if job.id == self.cursor), 0)

    def _visible(self) -> int:
        return max(0, self.size.height - 1)

    def _clamp(self) -> None:
        height, place = max(1, self._visible()), self._place()
        self._top = max(0, min(max(self._top, place - height + 1), place, max(0, len(self._jobs) - height)))

    def _region(self, place: int, old: JobRow, new: JobRow) -> Region:
        span = changed_cells(self._row(old), self._row(new), self.size.width) or (0, 0)
        return Region(span[0], 1 + place - self._top, span[1] - span[0], 1)

    def _row(self, job: JobRow) -> Row:
        columns, name, verdict = fitting(self.size.width)
        return _cells(job, columns, name, verdict, job.id == self.cursor)

    def render_line(self, y: int) -> Strip:
        """Column titles, then jobs."""
        width, style = self.size.width, self.rich_style
        columns, name, verdict = fitting(width)
        if y == 0:
            return strip_of([(_titles(columns, name, verdict), DIM)], width, style)
        place = self._top + y - 1
        if place >= len(self._jobs):
            return strip_of("", width, style)
        job = self._jobs[place]
        ground: Style = style + cursor_ink() if job.id == self.cursor else style
        return strip_of(self._row(job), width, ground)


def fitting(width: int) -> tuple[tuple[Column, ...], int, int]:
    """Which columns fit in `width` cells, and the widths of name and verdict (0: dropped)."""
    dropped: set[str] = set()
    for drop in ("", *DROP_ORDER):
        dropped.add(drop)
        columns = tuple(c for c in COLUMNS if c.title not in dropped)
        fixed = 2 + STATE_COLUMN.width + sum(c.width + 1 for c in columns)
        verdict = 0 if "verdict" in dropped else _VERDICT_WIDTH + 1
        if fixed + verdict + _NAME_WIDTH + 1 <= width:
            break
    spare = max(0, width - fixed - verdict - 1)
    if not verdict:
        return columns, spare, 0
    name = min(40, _NAME_WIDTH + (spare - _NAME_WIDTH) // 2)
    return columns, name, verdict - 1 + spare - name


def _titles(columns: Sequence[Column], name: int, verdict: int) -> str:
    words = f"  {STATE_COLUMN.title.ljust(STATE_COLUMN.width)}{'name'.ljust(name)} "
    words += "".join((c.title.rjust(c.width) if c.right else c.title.ljust(c.width)) + " " for c in columns)
    return words + ("verdict" if verdict else "")


def _cells(job: JobRow, columns: Sequence[Column], name: int, verdict: int, chosen: bool) -> Row:
    words: list[Span] = [("▶" if chosen else " ", BOLD), ("*" if job.marked else " ", ink(YELLOW, bold=True))]
    for column, width in (
        (STATE_COLUMN, STATE_COLUMN.width),
        (Column("name", name, _name, right=False), name),
    ):
        text, style = column.cell(job, width)
        words.append((text.ljust(width), style))
    words.append((" ", PLAIN))
    for column in columns:
        text, style = column.cell(job, column.width)
        words.append(((text.rjust(column.width) if column.right else text.ljust(column.width)) + " ", style))
    return [*words, *job.verdict] if verdict else words
