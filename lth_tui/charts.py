"""From what was read to what is drawn: curves, heatmap, verdicts in short. Pure functions."""

from dataclasses import dataclass, replace

import numpy as np

from lth_core.analysis.verdict import Cell, Summary, Verdict
from lth_core.arms import DENSE
from lth_core.text import one_line
from lth_tui import raster
from lth_tui.palette import DIM, GREEN, GREY, PLAIN, VERMILLION, Look, ink, looks
from lth_tui.raster import Floats, nice_step
from lth_tui.snapshot import JobDetail
from lth_tui.widgets.chart import Chart, Series
from lth_tui.widgets.heat_table import HeatTable
from lth_tui.widgets.strips import Span
from lth_tui.words import compact, percent, plural

BANDS = ("95% bootstrap", "sd", "min-max", "none")
SMOOTHINGS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Drawing:
    """How the curves of a job are to be drawn; `arm` is the one beside the reference, empty for the first control."""

    arm: str = ""
    band: str = BANDS[0]
    smoothing: float = 0.0
    hidden: frozenset[str] = frozenset()
    axis: str = "step"


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


def axes_of(detail: JobDetail) -> tuple[str, ...]:
    """What the curves can be drawn against: the steps that are recorded, and what can be told from them."""
    training = detail.job.experiment.training
    per_update = getattr(training, "environments", 0) * getattr(training, "n_steps", 0)
    games = ("games",) if "games" in detail.metrics else ()
    return ("step", *(("update",) if per_update else ()), *games)


def learning_chart(detail: JobDetail, drawing: Drawing) -> Chart:
    """A metric while training, of the shown round, all arms; bands for the reference and the chosen arm."""
    experiment = detail.job.experiment
    pair = (detail.reference, partner(detail, drawing.arm))
    look = looks_of(detail)
    order = [a for a in (DENSE, *reversed(arms_of(detail))) if a in detail.curves and a not in pair]
    order += [a for a in reversed(pair) if a in detail.curves and a not in order]
    series: list[Series] = []
    for a in order:
        banded = a in pair or detail.round == 0
        one = _learning_series(a, detail, look[a], drawing, banded=banded)
        series += [*(_raw(one) if drawing.smoothing and banded and not one.hidden else ()), _smoothed(one, drawing)]
    seeds = max((curve.seeds for curve in detail.curves.values()), default=0)
    density = percent(experiment.pruning.density(detail.round))
    shown = "" if drawing.band == "none" or seeds < 2 else f", {_band_words(drawing.band)}"
    of_seeds = f" · IQM of {plural(seeds, 'seed')}" if seeds else ""
    smooth = f" · smoothed {drawing.smoothing:g}" if drawing.smoothing else ""
    title = f"{one_line(detail.metric, 60)} · round {detail.round}, {density} % left{of_seeds}{shown}{smooth}"
    axis = drawing.axis if drawing.axis in axes_of(detail) else "step"
    return Chart(title, series, _axis_range(detail, series, axis), empty="no points yet",
                 log_y="perplexity" in detail.metric, x_name=axis, y_name=detail.metric, gap=pair)  # fmt: skip


def _band_words(band: str) -> str:
    return "±1 sd of seeds as band" if band == "sd" else f"{band} band"


def _learning_series(arm: str, detail: JobDetail, look: Look, drawing: Drawing, *, banded: bool) -> Series:
    curve = detail.curves[arm]
    bounds = {
        "95% bootstrap": (curve.low, curve.high), "min-max": (curve.least, curve.most),
        "sd": (curve.value - curve.spread, curve.value + curve.spread),
    }  # fmt: skip
    low, high = bounds.get(drawing.band, (None, None)) if banded else (None, None)
    finite = curve.value[np.isfinite(curve.value)]
    note = compact(float(finite[-1])) if len(finite) else ""
    return Series(arm, look, _places(arm, detail, drawing.axis), curve.value, low, high, note,
                  hidden=arm in drawing.hidden, chosen=arm == drawing.arm)  # fmt: skip


def _places(arm: str, detail: JobDetail, axis: str) -> Floats:
    """The recorded steps of an arm, as steps, updates or finished games."""
    steps, training = detail.curves[arm].steps, detail.job.experiment.training
    if axis == "update" and axis in axes_of(detail):
        return steps / (getattr(training, "environments", 1) * getattr(training, "n_steps", 1))
    games = detail.games.get(arm)
    if axis == "games" and games is not None and len(games.steps):
        good = np.isfinite(games.value)
        return np.interp(steps, games.steps[good], games.value[good]) if good.any() else steps
    return steps


def _smoothed(series: Series, drawing: Drawing) -> Series:
    if not drawing.smoothing:
        return series
    return replace(series, y=raster.smooth(series.y, drawing.smoothing))


def _raw(series: Series) -> list[Series]:
    look = replace(series.look, colour=GREY, dash=(1, 0))
    return [replace(series, look=look, low=None, high=None, faint=True)]


def _axis_range(detail: JobDetail, series: list[Series], axis: str) -> tuple[float, float]:
    first, end = _step_range(detail)
    if axis == "games":
        last = max((float(one.x[-1]) for one in series if len(one.x)), default=1.0)
        step = raster.nice_step(max(last, 1.0), 4)
        return 0.0, float(step * np.ceil(max(last, 1.0) / step))
    training = detail.job.experiment.training
    per = getattr(training, "environments", 1) * getattr(training, "n_steps", 1) if axis == "update" else 1
    return first / per, end / per


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


def lottery_chart(detail: JobDetail, drawing: Drawing) -> Chart:
    """Final score against density on a logarithmic axis, one curve per arm, the dense network as a line."""
    summary = detail.summary
    experiment = detail.job.experiment
    rounds = experiment.pruning.rounds
    densities = [experiment.pruning.density(r) for r in range(rounds + 1)]
    marks = [(density, percent(density)) for density in densities]
    shown = "" if drawing.band == "none" else f", {_band_words(drawing.band)}"
    better = "" if experiment.task.higher_is_better else ", less is better"
    title = f"{one_line(experiment.task.score, 40)} by % left (log){better} · IQM{shown}"
    x_range = (1.15, experiment.pruning.density(rounds) / 1.15)
    if summary is None:
        return Chart(title, (), x_range, log_x=True, x_ticks=marks, empty="summing up ...")
    pair = (detail.reference, partner(detail, drawing.arm))
    order = [a for a in reversed(arms_of(detail)) if a not in pair] + list(dict.fromkeys(reversed(pair)))
    look = looks_of(detail)
    series = [_lottery_series(detail, summary, a, look[a], drawing, banded=a in pair) for a in order]
    dense = summary.cell(DENSE, 0)
    reference = None if dense is None else (dense.score.value, f"dense {compact(dense.score.value)}")
    return Chart(title, [s for s in series if len(s.x)], x_range, True, marks, reference,
                 "the lottery curve starts when round 1 is finished", log_y="perplexity" in experiment.task.score,
                 x_name="left", y_name=f"lottery {detail.job.id}", gap=pair)  # fmt: skip


def _lottery_series(
    detail: JobDetail, summary: Summary, arm: str, look: Look, drawing: Drawing, *, banded: bool
) -> Series:
    own = [c for c in summary.cells if c.arm in (arm, DENSE) and c.score.n]  # every curve starts at dense
    cells = sorted(own, key=lambda cell: -cell.density) if len(own) > 1 else []
    bounds = [_bounds(detail, cell, drawing.band) for cell in cells] if banded else []
    x, y, low, high = (
        np.array(values, np.float64)
        for values in (
            [c.density for c in cells], [c.score.value for c in cells],
            [bound[0] for bound in bounds], [bound[1] for bound in bounds],
        )
    )  # fmt: skip
    note = compact(float(y[-1])) if len(y) else ""
    known = banded and drawing.band != "none"
    return Series(arm, look, x, y, low if known else None, high if known else None, note, markers=True,
                  hidden=arm in drawing.hidden, chosen=arm == drawing.arm)  # fmt: skip


def _bounds(detail: JobDetail, cell: Cell, band: str) -> tuple[float, float]:
    if band == "95% bootstrap":
        return cell.score.low, cell.score.high
    here = [t.score for t in detail.trials if (t.arm, t.round) == (cell.arm, cell.round) and t.score is not None]
    if band == "min-max":
        return min(here, default=np.nan), max(here, default=np.nan)
    spread = float(np.std(here, ddof=1)) if len(here) > 1 else np.nan
    return cell.score.value - spread, cell.score.value + spread


_SMALLEST_NEWS = 8


def overlap_table(detail: JobDetail, arm: str) -> HeatTable:
    """Layers against rounds of one arm: how much the masks of two seeds overlap, the mean over pairs."""
    cells = {(row, round): cell for (owner, row, round), cell in detail.overlaps.items() if owner == arm}
    title = f"{one_line(arm, 30)} · mask overlap between seeds (intersection over union, %)"
    empty = "no two seeds have finished a round" if len(detail.job.experiment.seeds) > 1 else "one seed only"
    return HeatTable(title, detail.grid.rows if cells else (), cells, detail.job.rounds, empty)


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
