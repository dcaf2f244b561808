"""From what was read to what is drawn: curves, heatmap, verdicts in short. Pure functions."""

import numpy as np

from lth_core.analysis.verdict import Summary, Verdict
from lth_core.arms import DENSE
from lth_core.text import one_line
from lth_tui.curves import ArmCurve
from lth_tui.palette import DIM, GREEN, PLAIN, VERMILLION, Look, ink, looks
from lth_tui.raster import nice_step
from lth_tui.reader import JobDetail
from lth_tui.widgets.chart import Chart, Series
from lth_tui.widgets.heatmap import HeatTable
from lth_tui.widgets.strips import Span
from lth_tui.words import compact, percent, plural

BANDS = ("95% bootstrap", "min-max", "none")
_MARKS = {"better": ("▲", GREEN), "worse": ("▼", VERMILLION), "inconclusive": ("~", None)}


def looks_of(detail: JobDetail) -> dict[str, Look]:
    """How each arm of the job is drawn."""
    return looks(detail.job.experiment.arms, detail.reference)


def arms_of(detail: JobDetail) -> tuple[str, ...]:
    """The reference arm first, then the others as the experiment lists them."""
    arms = detail.job.experiment.arms
    return (detail.reference, *(arm for arm in arms if arm != detail.reference))


def partner(detail: JobDetail, arm: str) -> str:
    """The arm drawn on top beside the reference: the chosen one, or the first control."""
    others = [a for a in arms_of(detail) if a != detail.reference]
    return arm if arm in others else (others[0] if others else detail.reference)


def learning_chart(detail: JobDetail, arm: str, band: str) -> Chart:
    """The score against steps of the shown round, all arms; bands for the reference and `arm`."""
    experiment = detail.job.experiment
    pair = (detail.reference, partner(detail, arm))
    look = looks_of(detail)
    order = [a for a in (DENSE, *reversed(arms_of(detail))) if a in detail.curves and a not in pair]
    order += [a for a in reversed(pair) if a in detail.curves and a not in order]
    bands = {a: band if a in pair or detail.round == 0 else "none" for a in order}
    series = [_learning_series(a, detail.curves[a], look[a], bands[a]) for a in order]
    seeds = max((curve.seeds for curve in detail.curves.values()), default=0)
    density = percent(experiment.pruning.density(detail.round))
    shown = "" if band == "none" or seeds < 2 else f", {band} band"
    of_seeds = f" · IQM of {plural(seeds, 'seed')}" if seeds else ""
    title = f"{experiment.task.score} · round {detail.round}, {density} % left{of_seeds}{shown}"
    return Chart(title, series, _step_range(detail), empty="no points yet")


def _learning_series(arm: str, curve: ArmCurve, look: Look, band: str) -> Series:
    bounds = {"95% bootstrap": (curve.low, curve.high), "min-max": (curve.least, curve.most)}
    low, high = bounds.get(band, (None, None))
    finite = curve.value[np.isfinite(curve.value)]
    note = compact(float(finite[-1])) if len(finite) else ""
    return Series(arm, look, curve.steps, curve.value, low, high, note)


def _step_range(detail: JobDetail) -> tuple[float, float]:
    training = detail.job.experiment.training
    last = max((float(c.steps[-1]) for c in detail.curves.values() if len(c.steps)), default=0.0)
    first = min((float(c.steps[0]) for c in detail.curves.values() if len(c.steps)), default=0.0)
    end = float(training.length) if training.unit in ("steps", "updates") else 1.0
    if end < last < 1.05 * end:  # rounded up to whole rollouts
        end = last
    elif last > end:  # another unit, or a training that goes on behind the first: in jumps, not point by point
        step = nice_step(last, 4)
        end = step * np.ceil(last / step)
    return (0.0 if first < 0.5 * end else float(training.length), end)


def lottery_chart(detail: JobDetail, arm: str, band: str) -> Chart:
    """Final score against density on a logarithmic axis, one curve per arm, the dense network as a line."""
    summary = detail.summary
    experiment = detail.job.experiment
    rounds = experiment.pruning.rounds
    densities = [experiment.pruning.density(r) for r in range(rounds + 1)]
    marks = [(density, percent(density)) for density in densities]
    shown = "" if band == "none" else ", 95% bootstrap band"
    title = f"score by % left (log) · IQM{shown}"
    x_range = (1.15, experiment.pruning.density(rounds) / 1.15)
    if summary is None:
        return Chart(title, (), x_range, log_x=True, x_ticks=marks, empty="summing up ...")
    pair = (detail.reference, partner(detail, arm))
    order = [a for a in reversed(arms_of(detail)) if a not in pair] + list(dict.fromkeys(reversed(pair)))
    look, banded = looks_of(detail), pair if band != "none" else ()
    series = [_lottery_series(summary, a, look[a], banded=a in banded) for a in order]
    dense = summary.cell(DENSE, 0)
    reference = None if dense is None else (dense.score.value, f"dense {compact(dense.score.value)}")
    return Chart(title, [s for s in series if len(s.x)], x_range, True, marks, reference,
                 "the lottery curve starts when round 1 is finished")  # fmt: skip


def _lottery_series(summary: Summary, arm: str, look: Look, *, banded: bool) -> Series:
    own = [c for c in summary.cells if c.arm in (arm, DENSE) and c.score.n]  # every curve starts at dense
    cells = sorted(own, key=lambda cell: -cell.density) if len(own) > 1 else []
    x, y, low, high = (
        np.array(values, np.float64)
        for values in (
            [c.density for c in cells], [c.score.value for c in cells],
            [c.score.low for c in cells], [c.score.high for c in cells],
        )
    )  # fmt: skip
    note = compact(float(y[-1])) if len(y) else ""
    return Series(arm, look, x, y, low if banded else None, high if banded else None, note, markers=True)


_SMALLEST_NEWS = 8


def heat_table(detail: JobDetail, arm: str) -> HeatTable:
    """Layers against rounds of one arm, over all seeds."""
    cells = {
        (row, round): cell
        for (owner, row, round), cell in detail.grid.cells.items()
        if owner == (DENSE if round == 0 else arm)
    }
    # A bias or two gone is in the cells to see; a layer gone is the news.
    large = [row for row, layer in enumerate(detail.grid.rows) if layer.size >= _SMALLEST_NEWS]
    dead = sum(1 for row in large if any(c.dead for (r, _), c in cells.items() if r == row))
    warning = f"! {plural(dead, 'layer')} collapsed · " if dead else ""
    title = f"{one_line(arm, 30)} · {warning}% kept of each layer after each round"
    return HeatTable(title, detail.grid.rows, cells, detail.job.rounds)


def short_verdict(verdicts: tuple[Verdict, ...]) -> tuple[Span, ...]:
    """`▲ random reinit ~ one_shot`: what the reference arm is better than, worse than, not decided."""
    spans: list[Span] = []
    for word, (mark, colour) in _MARKS.items():
        arms = [v.control for v in verdicts if v.word == word and v.rounds]
        if arms:
            style = DIM if colour is None else ink(colour)
            spans.append((f"{mark} {' '.join(one_line(arm, 30) for arm in arms)} ", style))
    return tuple(spans)


def verdict_line(reference: str, verdicts: tuple[Verdict, ...]) -> list[Span]:
    """`winning: better than random, reinit; undecided against one_shot`, in one row; empty before round 1."""
    spans: list[Span] = []
    for word, (_, colour) in _MARKS.items():
        arms = [one_line(v.control, 30) for v in verdicts if v.word == word and v.rounds]
        if arms:
            relation = "undecided against" if word == "inconclusive" else f"{word} than"
            lead = "; " if spans else f" {one_line(reference, 30)}: "
            spans += [(lead, DIM), (f"{relation} {', '.join(arms)}", DIM if colour is None else ink(colour))]
    return spans


def verdict_rows(summary: Summary | None) -> list[list[Span]]:
    """One sentence per control arm, marked."""
    if summary is None:
        return [[("summing up ...", DIM)]]
    if not summary.verdicts:
        return [[("a single arm: nothing to compare", DIM)]]
    rows: list[list[Span]] = []
    for verdict in summary.verdicts:
        mark, colour = _MARKS[verdict.word] if verdict.rounds else ("·", None)
        style = DIM if colour is None else ink(colour, bold=True)
        rows.append([(f" {mark} ", style), (one_line(verdict.text), PLAIN if verdict.rounds else DIM)])
    return rows
