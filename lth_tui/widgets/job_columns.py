"""The columns of the table of jobs, and which are dropped on narrow screens. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lth_core.text import one_line
from lth_tui.palette import BOLD, DIM, GREEN, GREY, PLAIN, SKY, VERMILLION, YELLOW, ink, state_ink
from lth_tui.strips import Row, Span
from lth_tui.words import bar, compact, duration, glyph


@dataclass(frozen=True)
class JobRow:
    """A job's row in the table. verdict: styled words, or why it waits or failed.

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

    @property
    def name_width(self) -> int:
        """Cells of the name with what stands before it."""
        return self.indent + len(self.name) + 2 * (self.suite is not None)


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
    return (f"{glyph(row.state)} {row.state}", state_ink(row.state))


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


def fitting(width: int, longest: int = 40) -> tuple[tuple[Column, ...], int, int]:
    """Which columns fit in `width` cells, and the widths of name and verdict (0: dropped).

    The name gets the width of the `longest` before the verdict gets more than its minimum.
    """
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
    name = max(_NAME_WIDTH, min(40, longest, spare))
    return columns, name, verdict - 1 + spare - name


def titles_of(
    columns: Sequence[Column], name: int, verdict: int, marks: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:  # fmt: skip
    """The row of titles as (column, words) in order. marks: an arrow after the title of the sorted column."""
    found = [("", "  "), ("state", _titled("state", STATE_COLUMN.width, marks)), ("name", _titled("name", name, marks)),
             ("", " ")]  # fmt: skip
    found += [(c.title, _titled(c.title, c.width + 1, marks, right=c.right)) for c in columns]
    return [*found, *([("verdict", "verdict")] if verdict else [])]


def _titled(title: str, width: int, marks: Mapping[str, str] | None, *, right: bool = False) -> str:
    """A title in its width; an arrow may take the space after it."""
    arrow = (marks or {}).get(title, "")
    if not right:
        return f"{title}{arrow}".ljust(width)
    return f"{title}{arrow}".rjust(width) if arrow else f"{title} ".rjust(width)


def cells_of(job: JobRow, columns: Sequence[Column], name: int, verdict: int, chosen: bool) -> Row:
    """A job as a row of these columns. name, verdict: widths; chosen: whether it is the row under the cursor."""
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
