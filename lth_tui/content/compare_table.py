"""The table of compared jobs: a row each, beside a baseline. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_core.analysis.verdict import Cell, Summary
from lth_core.experiment.arms import DENSE
from lth_core.text import one_line
from lth_tui.content.charts import lottery_cells
from lth_tui.content.verdict_words import short_verdict
from lth_tui.palette import BOLD, DIM, PLAIN, YELLOW, ink
from lth_tui.strips import Row, Span
from lth_tui.words import compact, glyph, percent

if TYPE_CHECKING:
    from lth_core.store.views import JobView

_ALIKE = 1.05
"""Densities within this factor count as the same."""


@dataclass(frozen=True)
class Difference:
    """The reference arm's score less the baseline's, at the lowest density that both have. better: None where their
    intervals overlap or one has none, which decides nothing."""

    value: float
    density: float
    better: bool | None


def last_cell(job: "JobView", summary: Summary | None) -> Cell | None:
    """The reference arm's cell with the fewest weights; None before a round has finished."""
    cells = [] if summary is None else lottery_cells(summary, job.experiment.reference)
    return cells[-1] if cells else None


def difference(
    job: "JobView", baseline: "JobView | None", summaries: Mapping[int, Summary]
) -> Difference | None:  # fmt: skip
    """How the job stands to the baseline; None without one, for another score, or if no density is shared."""
    if baseline is None or baseline.id == job.id or job.experiment.judged_by != baseline.experiment.judged_by:
        return None
    own, other = summaries.get(job.id), summaries.get(baseline.id)
    if own is None or other is None:
        return None
    theirs = lottery_cells(other, baseline.experiment.reference)
    for cell in reversed(lottery_cells(own, job.experiment.reference)):
        match = next((c for c in theirs if 1 / _ALIKE <= c.density / cell.density <= _ALIKE), None)
        if match is not None and cell.density < 1:
            mine, beside = cell.score, match.score
            apart = mine.low > beside.high or mine.high < beside.low
            value = mine.value - beside.value
            better = (value > 0) == job.experiment.task.higher_is_better if apart else None
            return Difference(value, cell.density, better)
    return None


def table_rows(
    jobs: "Sequence[JobView]", summaries: Mapping[int, Summary], baseline: "JobView | None", width: int = 80
) -> tuple[str, list[Row]]:  # fmt: skip
    """The heads of the columns, and a row for each job, for a pane of `width` cells."""
    most = max(8, min(24, width - 33 - 17 * (baseline is not None)))
    longest = max((len(one_line(job.name, most)) for job in jobs), default=4)
    against = "" if baseline is None else f"{f'less {baseline.id}':>15} "
    head = f"{'id':>4}   {'name':<{longest}} {'dense':>6} {'pruned':>6} {'kept':>4} {'n':>3} {against}who wins"
    rows: list[Row] = []
    for job in jobs:
        summary = summaries.get(job.id)
        dense, last = None if summary is None else summary.cell(DENSE, 0), last_cell(job, summary)
        words = f"{one_line(job.name, most):<{longest}} {compact(dense.score.value) if dense else '-':>6} "
        words += "     -    -   -" if last is None else f"{compact(last.score.value):>6} {percent(last.density):>4} " \
            f"{last.score.n:>3}"  # fmt: skip
        pinned = baseline is not None and job.id == baseline.id
        mark = ("⚑ ", ink(YELLOW, bold=True)) if pinned else (f"{glyph(job.state)} ", DIM)
        beside = [] if baseline is None else [_beside(job, baseline, summaries)]
        verdict = short_verdict(summary.verdicts) if summary is not None else ()
        rows.append([(f"{job.id:>4} ", DIM), mark, (words + " ", BOLD if pinned else PLAIN), *beside, *verdict])
    return head, rows


def _beside(job: "JobView", baseline: "JobView", summaries: Mapping[int, Summary]) -> Span:
    found = difference(job, baseline, summaries)
    if found is None:
        return (f"{'baseline' if job.id == baseline.id else '-':>15} ", DIM)
    sign = {True: "better", False: "worse", None: "open"}[found.better]
    return (f"{f'{found.value:+.3g}':>8} {sign:>6} ", PLAIN)
