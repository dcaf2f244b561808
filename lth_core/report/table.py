"""The table and the verdicts at the end of a run, as rich renderables: the same in `lth headless` and `lth show`."""

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lth_core.analysis.collapse import collapsed_means
from lth_core.analysis.questions import NOT_ASKED, Finding, left_out, notes
from lth_core.analysis.statistics import Interval
from lth_core.analysis.verdict import Cell, Summary
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.lengths import are_equal
from lth_core.report.answers import JobAnswers
from lth_core.text import one_line, plural, significant

COLOURS = {
    "better": "green", "worse": "red", "inconclusive": "yellow", "helps": "green", "leaves alone": "cyan",
    "hurts": "red", "crashes": "red", "larger": "cyan", "smaller": "cyan", "open": "yellow",
}  # fmt: skip
"""Colours of answers and verdicts."""


_LEAST_NEEDED = ("collapsed", "mean", "exponential", "training")
"""Columns that a narrow terminal loses, first to last."""


def number(value: float, digits: int = 4, *, signed: bool = False) -> str:
    """A value with this many significant digits; a dash for not-a-number."""
    return significant(value, digits, signed=signed) if math.isfinite(value) else "-"


def interval(estimate: Interval | None, *, signed: bool = False) -> str:
    """An estimate with its interval, `231.4 [198.2, 260.1]`; without the interval below two seeds."""
    if estimate is None or estimate.n == 0:
        return "-"
    value = number(estimate.value, signed=signed)
    return value if estimate.n == 1 else f"{value} [{number(estimate.low, 3)}, {number(estimate.high, 3)}]"


class SummaryTable:
    """`summary_table` with as many of its columns as fit into the width."""

    def __init__(self, experiment: Experiment, summary: Summary) -> None:
        self._experiment, self._summary = experiment, summary

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Without the last of the least needed columns until it fits."""
        for dropped in range(len(_LEAST_NEEDED) + 1):
            table = summary_table(self._experiment, self._summary, _LEAST_NEEDED[:dropped])
            if Measurement.get(console, options.update(max_width=1000), table).maximum <= options.max_width:
                break
        else:
            table.padding, table.show_edge = 0, False
            table.columns[2].no_wrap = False  # the arms' names are cut first
            table.columns[2].overflow = "ellipsis"
        yield table


def summary_table(experiment: Experiment, summary: Summary, without: Sequence[str] = ()) -> Table:
    """Per round and arm: density, interquartile mean over seeds, and the reference minus the arm, paired by seed.

    Beside it the mean and, where there is a scale, how many seeds collapsed. How much training is behind each arm has
    a column where that differs between arms or rounds. without: kinds of columns that are left out.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, justify in (("round", "right"), ("kept", "right"), ("arm", "left")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    task, lengths = experiment.task, not are_equal(experiment) and "training" not in without
    log = bool(task.log_score) and "exponential" not in without
    mean, collapsed = "mean" not in without, summary.scale is not None and "collapsed" not in without
    if lengths:
        table.add_column(experiment.training.unit, justify="right", no_wrap=True)
    table.add_column(experiment.judged_by, no_wrap=True)
    if log:
        table.add_column(experiment.score.partition("/")[0], justify="right", no_wrap=True)
    if mean:
        table.add_column("mean", justify="right", no_wrap=True)
    if collapsed:
        table.add_column("collapsed", justify="right", no_wrap=True)
    better = "" if task.higher_is_better else "\n(less is better)"
    table.add_column(f"{experiment.reference} minus arm{better}", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    before, shown = -1, ""
    for cell in summary.cells:
        first, density = cell.round != before, f"{100 * cell.density:.1f} %" if math.isfinite(cell.density) else "-"
        # Imported tickets and smaller networks may keep another share than the other arms.
        known = density if first or density != shown else ""
        table.add_row(*_cells(cell, first, known, lengths=lengths, log=log, mean=mean, collapsed=collapsed))
        before, shown = cell.round, density
    return table


def _cells(
    cell: Cell, first: bool, density: str, *, lengths: bool, log: bool, mean: bool, collapsed: bool
) -> Iterator[str]:
    yield str(cell.round) if first else ""
    yield density
    yield cell.arm
    if lengths:
        yield f"{cell.trained:,}"
    yield interval(cell.score)
    if log:
        yield number(math.exp(cell.score.value)) if cell.score.n else "-"
    if mean:
        yield number(cell.mean)
    if collapsed:
        yield str(cell.collapsed) if cell.score.n else "-"
    yield interval(cell.difference, signed=True) if cell.difference else ""
    yield f"{cell.p:.2g}" if cell.p is not None else ""
    yield str(cell.score.n) + (f" ({cell.failed} failed)" if cell.failed else "")


def answer_lines(findings: Sequence[Finding]) -> Iterator[Text]:
    """A heading per question, its answers, each with its basis in grey; at the end the questions not asked."""
    for finding in findings:
        if finding.word == NOT_ASKED:
            continue
        yield Text(one_line(finding.question), style="bold")
        for line in finding.lines:
            yield from said(line.short, line.facts, line.word)
    open_ = left_out(findings)
    if open_:
        yield Text(one_line(open_, 4000), style="dim")


def said(short: str, facts: Sequence[str], word: str) -> Iterator[Text]:
    """An answer in the colour of its word, with its basis in grey."""
    yield Text("  ").append(one_line(short, 1000), style=COLOURS.get(word, ""))
    if facts:
        yield Text(f"    {one_line('; '.join(facts), 4000)}", style="dim")


def result(found: JobAnswers) -> list[RenderableType]:
    """Table, notes on its numbers, answers to the paper's questions, data, and audit, to be printed one by one."""
    return [SummaryTable(found.experiment, found.summary), *table_notes(found), *answer_lines(found.findings),
            *closing(found)]  # fmt: skip


def table_said(experiment: Experiment, summary: Summary) -> str:
    """What the columns of a job's table are."""
    seeds, over = len(experiment.seeds), experiment.training.scored_over
    return (
        f"interquartile mean over {plural(seeds, 'seed')} [95 % bootstrap]; p: of {experiment.reference} minus arm, "
        "Holm over its rounds"
        + ("" if experiment.task.higher_is_better else f"; {experiment.judged_by}: less is better")
        + (f"; {experiment.score}: the mean of {over}" if over else "")
        + ("" if summary.scale is None else f"; collapsed: {collapsed_means(seeds)}")
    )


def table_notes(found: JobAnswers) -> list[Text]:
    """What the numbers of the table are, and what limits them."""
    experiment, summary = found.experiment, found.summary
    facts = Text(f"{experiment.name}: {table_said(experiment, summary)}", style="dim")
    noted = [Text(one_line(note), style="yellow" if "cannot" in note else "dim") for note in notes(experiment, summary)]
    noted += [Text(one_line(note), style="yellow") for note in found.related]
    ran = [Text(one_line(found.changed, 1000), style="yellow")] if found.changed else []
    return [facts, *noted, *ran]


def closing(found: JobAnswers) -> Iterator[Text]:
    """What was not pruned, what was trained on, what the audit found, and what failed."""
    passed, failed = found.audits
    if found.never_pruned:
        yield Text(f"not pruned: {one_line(', '.join(found.never_pruned), 1000)}", style="dim")
    yield from (Text(f"data: {one_line(sentence, 1000)}", style="dim") for sentence in found.data)
    yield Text(f"audit: {passed:,} checks passed, {failed:,} failed", style="red" if failed else "dim")
    if found.summary.failed:
        yield Text(f"{found.summary.failed} trials failed or were blocked", style="red")
        yield from (Text(f"  {one_line(cause, 1000)}", style="red") for cause in found.failures)
