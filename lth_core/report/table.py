"""The table and the verdicts at the end of a run, as rich renderables: the same in `lth headless` and `lth show`."""

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lth_core.analysis.collapse import collapsed_means
from lth_core.analysis.questions import NOT_ASKED, Finding, left_out, notes
from lth_core.analysis.statistics import Interval
from lth_core.analysis.verdict import Cell, Summary
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.lengths import are_equal
from lth_core.text import one_line

COLOURS = {
    "better": "green", "worse": "red", "inconclusive": "yellow", "helps": "green", "leaves alone": "cyan",
    "hurts": "red", "crashes": "red",
}  # fmt: skip
"""Colours of answers and verdicts."""


def number(value: float, digits: int = 4, *, signed: bool = False) -> str:
    """A value with this many significant digits; a dash for not-a-number."""
    sign = "+" if signed else ""
    return f"{value:{sign}.{digits}g}" if math.isfinite(value) else "-"


def interval(estimate: Interval | None, *, signed: bool = False) -> str:
    """An estimate with its interval, `231.4 [198.2, 260.1]`; without the interval below two seeds."""
    if estimate is None or estimate.n == 0:
        return "-"
    value = number(estimate.value, signed=signed)
    return value if estimate.n == 1 else f"{value} [{number(estimate.low, 3)}, {number(estimate.high, 3)}]"


def summary_table(experiment: Experiment, summary: Summary) -> Table:
    """Per round and arm: density, interquartile mean over seeds, and the reference minus the arm, paired by seed.

    Beside it the mean and, where there is a scale, how many seeds collapsed. How much training is behind each arm has
    a column where that differs between arms or rounds.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, justify in (("round", "right"), ("kept", "right"), ("arm", "left")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    task, lengths = experiment.task, not are_equal(experiment)
    if lengths:
        table.add_column(experiment.training.unit, justify="right", no_wrap=True)
    table.add_column(experiment.judged_by, no_wrap=True)
    if task.log_score:
        table.add_column(experiment.score.partition("/")[0], justify="right", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    if summary.scale is not None:
        table.add_column("collapsed", justify="right", no_wrap=True)
    table.add_column(f"{experiment.reference} minus arm", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    before, shown = -1, ""
    for cell in summary.cells:
        first, density = cell.round != before, f"{100 * cell.density:.1f} %" if math.isfinite(cell.density) else "-"
        # Imported tickets and smaller networks may keep another share than the other arms.
        table.add_row(*_cells(cell, first, density if first or density != shown else "", lengths, bool(task.log_score)))
        before, shown = cell.round, density
    return table


def _cells(cell: Cell, first: bool, density: str, lengths: bool, log: bool) -> Iterator[str]:
    yield str(cell.round) if first else ""
    yield density
    yield cell.arm
    if lengths:
        yield f"{cell.trained:,}"
    yield interval(cell.score)
    if log:
        yield number(math.exp(cell.score.value)) if cell.score.n else "-"
    yield number(cell.mean)
    if cell.collapsed is not None:
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


def result(
    experiment: Experiment,
    summary: Summary,
    findings: Sequence[Finding],
    audits: tuple[int, int],
    data: Sequence[str] = (),
    changed: str = "",
    failures: Sequence[str] = (),
    related: Sequence[str] = (),
) -> list[RenderableType]:
    """Table, notes on its numbers, answers to the paper's questions, data, and audit, to be printed one by one.
    changed: rounds and what they ran with, if that differs. failures: see `failures.causes`; related: see
    `related.related_notes`."""
    seeds = len(experiment.seeds)
    passed, failed = audits
    over = experiment.training.scored_over
    facts = Text(
        f"{experiment.name}: interquartile mean over {seeds} seeds with 95 % bootstrap interval; kept: of the "
        f"prunable parameters; p: of {experiment.reference} minus arm, Holm over the rounds of the arm"
        + (f"; {experiment.score}: the mean of {over}" if over else "")
        + ("" if summary.scale is None else f"; collapsed: {collapsed_means(seeds)}"),
        style="dim",
    )
    audit = Text(f"audit: {passed:,} checks passed, {failed:,} failed", style="red" if failed else "dim")
    noted = [Text(one_line(note), style="yellow" if "cannot" in note else "dim") for note in notes(experiment, summary)]
    trained_on = [Text(f"data: {one_line(sentence, 1000)}", style="dim") for sentence in data]
    noted += [Text(one_line(note), style="yellow") for note in related]
    ran = [Text(one_line(changed, 1000), style="yellow")] if changed else []
    parts: list[RenderableType] = [
        summary_table(experiment, summary), facts, *noted, *ran, *answer_lines(findings), *trained_on, audit,
    ]  # fmt: skip
    if summary.failed:
        parts.append(Text(f"{summary.failed} trials failed or were blocked", style="red"))
        parts += [Text(f"  {one_line(cause, 1000)}", style="red") for cause in failures]
    return parts
