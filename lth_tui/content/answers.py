"""The answers of a job or a suite as rows: the same words and tables as `lth show`. Pure functions."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from rich import box
from rich.console import Console, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from lth_core.analysis.critical import SHARES, Critical
from lth_core.analysis.suite_summary import JobResult, SuiteSummary
from lth_core.analysis.verdict import Cell
from lth_core.report import suite_table
from lth_core.report.answers import JobAnswers, SuiteAnswers
from lth_core.report.rows import Row as Fields
from lth_core.report.table import SummaryTable, answer_lines, closing, table_notes
from lth_core.report.tables import effect_rows, lottery_rows
from lth_core.text import one_line
from lth_tui.palette import BOLD, DIM, GREEN, PLAIN, SKY, VERMILLION, YELLOW, ink
from lth_tui.strips import Row, Span

Result = JobAnswers | SuiteAnswers
Order = Callable[[Cell], tuple[float | str, ...]]
_COLOURS = {"green": GREEN, "red": VERMILLION, "yellow": YELLOW, "cyan": SKY}
_LAST = math.inf
JOB_ORDERS = ("round", "arm", "score", "difference", "p", "n")
SUITE_ORDERS = ("job", "name", "dense", "gain")


def orders_of(found: Result) -> tuple[str, ...]:
    """What the table of a result can be sorted by; the first is how it comes."""
    return SUITE_ORDERS if isinstance(found, SuiteAnswers) else JOB_ORDERS


def result_rows(found: Result, width: int, order: str, *, reverse: bool) -> tuple[list[Row], int]:
    """Everything that is known, for `width` cells, and at which row its table begins. Long texts are not broken."""
    if isinstance(found, SuiteAnswers):
        ordered = replace(found, summary=_ordered_jobs(found.summary, order, reverse=reverse))
        rows = list(_rows(suite_table.parts(ordered), width))
        return [rows[0], _sorted_by(order, reverse=reverse), *rows[1:]], 1
    above = list(_rows(answer_lines(found.findings), width))
    if found.criticals:
        above += ["", [("Critical densities", BOLD)], *_rows([_critical_table(found.criticals)], width)]
    cells = sorted_cells(found, order, reverse=reverse)
    table = SummaryTable(found.experiment, replace(found.summary, cells=tuple(cells)))
    head: Row = [("Rounds and arms", BOLD), *_sorted_by(order, reverse=reverse)]
    below = _rows([table, *table_notes(found), *closing(found)], width)
    return [*above, "", head, *below], len(above) + 1


def export_rows(found: Result, order: str, *, reverse: bool) -> list[Fields]:
    """The table of a result with all its columns, in the order of the screen."""
    if isinstance(found, SuiteAnswers):
        return effect_rows(_ordered_jobs(found.summary, order, reverse=reverse))
    return lottery_rows(replace(found.summary, cells=tuple(sorted_cells(found, order, reverse=reverse))))


def sorted_cells(found: JobAnswers, order: str, *, reverse: bool) -> list[Cell]:
    """The cells of a job; scores and differences the best first, those without a number last."""
    sign = -1.0 if found.experiment.task.higher_is_better else 1.0
    keys: Mapping[str, Order] = {
        "round": lambda cell: (),
        "arm": lambda cell: (cell.arm, cell.round),
        "score": lambda cell: (sign * cell.score.value if cell.score.n else _LAST,),
        "difference": lambda cell: (sign * cell.difference.value if cell.difference is not None else _LAST,),
        "p": lambda cell: (_LAST if cell.p is None else cell.p,),
        "n": lambda cell: (-cell.score.n,),
    }
    key = keys[order]
    lacking = [cell for cell in found.summary.cells if key(cell) == (_LAST,)]
    cells = sorted((cell for cell in found.summary.cells if key(cell) != (_LAST,)), key=key)
    return [*(cells[::-1] if reverse else cells), *lacking]


def _ordered_jobs(summary: SuiteSummary, order: str, *, reverse: bool) -> SuiteSummary:
    keys: Mapping[str, Callable[[JobResult], tuple[float | str, ...]]] = {
        "job": lambda job: (),
        "name": lambda job: (job.name.lower(),),
        "dense": lambda job: (-job.dense.value if job.dense.n else _LAST,),
        "gain": lambda job: (min((-a.gain.value for a in job.answers if a.gain.n), default=_LAST),),
    }
    jobs = sorted(summary.jobs, key=keys[order])
    return replace(summary, jobs=tuple(jobs[::-1] if reverse else jobs))


def _sorted_by(order: str, *, reverse: bool) -> list[Span]:
    return [(f"  sorted by {order}{', reversed' * reverse}; o: another order, O: reverse, E: save as CSV", DIM)]


def _critical_table(found: Sequence[Critical]) -> Table:
    """A row per arm: how much is kept where this part of the dense network's gain is lost."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for heading in ("arm", *(f"{share:.0%} of the gain down to" for share in SHARES), "chains"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "chains" else "left")
    for arm in dict.fromkeys(one.arm for one in found):
        own = {one.share: one for one in found if one.arm == arm}
        chains = str(max(one.density.n for one in own.values()))
        table.add_row(one_line(arm, 40), *(own[s].text if s in own else "-" for s in SHARES), chains)
    return table


def _rows(parts: Iterable[RenderableType], width: int) -> Iterator[Row]:
    """Renderables as rows; a text is one row, which whoever shows it breaks below its first word."""
    console = Console(width=max(20, width), color_system="truecolor", force_terminal=True, legacy_windows=False)
    for part in parts:
        if isinstance(part, Text):
            text = part.plain
            style = next((span.style for span in part.spans), part.style)
            indent = len(text) - len(text.lstrip(" "))
            known = style if isinstance(style, Style) else console.get_style(style or "none")
            yield [(" " * indent, PLAIN), (text[indent:], _ink(known))] if indent else [(text, _ink(known))]
            continue
        for line in console.render_lines(part, pad=False):
            row = [(segment.text, _ink(segment.style)) for segment in line]
            while row and not row[-1][0].strip():
                row.pop()  # blanks at the end of a full row would be broken off as a row of their own
            if row:
                yield [*row[:-1], (row[-1][0].rstrip(), row[-1][1])]


def _ink(style: Style | None) -> Style:
    """A style of the command line in the colours of the workbench."""
    if style is None:
        return PLAIN
    name = style.color.name if style.color is not None else ""
    if name in _COLOURS:
        return ink(_COLOURS[name], bold=bool(style.bold))
    return BOLD if style.bold else DIM if style.dim else PLAIN
