"""The two plots of a job: training curves, and score against the share of parameters kept. Pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from lth_core.analysis.densities import axis_densities, known_density, lowest
from lth_core.analysis.trials import finished_scores
from lth_core.analysis.verdict import Cell, Summary
from lth_core.experiment.arms import DENSE
from lth_core.text import one_line, plural
from lth_tui.content.drawing import NAMES, Drawing, arms_of, axes_of, partner, steps_per_update
from lth_tui.palette import GREY, Look, looks
from lth_tui.plot import raster
from lth_tui.plot.chart import KEPT, TICK, Chart, Series
from lth_tui.plot.raster import Floats
from lth_tui.reading.snapshot import JobDetail
from lth_tui.words import compact, percent


def looks_of(detail: JobDetail) -> dict[str, Look]:
    """How each arm of the job is drawn."""
    return looks(detail.job.experiment.arms, detail.reference)


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
    density = known_density(experiment, detail.trials, detail.reference, detail.round)
    left = "" if density is None else f", {percent(density)} % kept"
    shown, short = (f", {words}" if words and seeds > 1 else "" for words in (drawing.band_words, drawing.band_word))
    of_seeds = f" · IQM of {plural(seeds, 'seed')}" if seeds else ""
    smooth = f" · smoothed {drawing.smoothing:g}" if drawing.smoothing else ""
    better = ", less is better" if experiment.task.less_is_better(detail.metric) else ""
    title = f"{one_line(detail.metric, 60)}{better} · round {detail.round}{left}{of_seeds}{shown}{smooth}"
    brief = f"{one_line(detail.metric, 40)}{better} · r{detail.round}{left}{' · IQM' if seeds else ''}{short}{smooth}"
    axis = drawing.axis if drawing.axis in axes_of(detail) else "step"
    return Chart(title, series, _axis_range(detail, series, axis), empty="no points yet",
                 log_y=detail.job.experiment.task.draws_log(detail.metric), x_name=NAMES[axis], y_name=detail.metric,
                 gap=pair, brief=brief, less_is_better=experiment.task.less_is_better(detail.metric),
                 x_ticks=_ticks(detail, series, axis))  # fmt: skip


def _ticks(detail: JobDetail, series: list[Series], axis: str) -> Sequence[tuple[float, str]]:
    """Only the start as long as no point says how many steps so many games or epochs take; else those that fit."""
    training = detail.job.experiment.training
    known = training.unit in ("steps", "updates") or axis == training.unit or any(len(one.x) for one in series)
    return () if known else ((0.0, "0"),)


def _learning_series(arm: str, detail: JobDetail, look: Look, drawing: Drawing, *, banded: bool) -> Series:
    curve = detail.curves[arm]
    bounds = {
        "95% bootstrap": (curve.low, curve.high), "min-max": (curve.least, curve.most),
        "sd": (curve.value - curve.spread, curve.value + curve.spread),
    }  # fmt: skip
    low, high = bounds.get(drawing.band, (None, None)) if banded else (None, None)
    return Series(arm, look, _places(arm, detail, drawing.axis), curve.value, low, high,
                  hidden=arm in drawing.hidden, chosen=arm == drawing.arm)  # fmt: skip


def _places(arm: str, detail: JobDetail, axis: str) -> Floats:
    """The recorded steps of an arm, as steps, updates or finished games."""
    steps = detail.curves[arm].steps
    if axis == "update" and steps_per_update(detail):
        return steps / steps_per_update(detail)
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
    if axis == "games":
        asked = float(training.length) if (training := detail.job.experiment.training).unit == "games" else 1.0
        return 0.0, _round_up(max((float(one.x[-1]) for one in series if len(one.x)), default=asked))
    per = steps_per_update(detail) if axis == "update" else 1
    return 0.0, _end(detail) / per  # from the start, where the dense run begins, however few records there are


def _round_up(last: float) -> float:
    """The next of about four round numbers, at least 1."""
    last = max(last, 1.0)
    step = raster.nice_step(last, 4)
    return float(step * np.ceil(last / step))


def _end(detail: JobDetail) -> float:
    """The last step of the axis."""
    training = detail.job.experiment.training
    last = max((float(c.steps[-1]) for c in detail.curves.values() if len(c.steps)), default=0.0)
    end = float(training.length) if training.unit in ("steps", "updates") else 1.0
    if end < last < 1.05 * end:  # rounded up to whole rollouts
        end = last
    elif last > end:  # another unit, or a training that continues after the first: in jumps, not point by point
        end = _round_up(last)
    return end


def lottery_chart(detail: JobDetail, drawing: Drawing) -> Chart:
    """Final score against density on a logarithmic axis, one curve per arm, the dense network as a line."""
    summary = detail.summary
    experiment = detail.job.experiment
    densities = axis_densities(experiment, detail.trials)
    marks = [(density, percent(density)) for density in densities]
    shown = f", {drawing.band_words}" if drawing.band_words else ""
    better = "" if experiment.task.higher_is_better else ", less is better"
    score = one_line(experiment.judged_by, 40)
    title = f"{score} by % kept (log){better} · IQM{shown}"
    x_range = (1.15, lowest(experiment, densities) / 1.15)
    if summary is None:
        return Chart(title, (), x_range, log_x=True, x_ticks=marks, empty="summarising ...", x_name=KEPT)
    pair = (detail.reference, partner(detail, drawing.arm))
    order = [a for a in reversed(arms_of(detail)) if a not in pair] + list(dict.fromkeys(reversed(pair)))
    look = looks_of(detail)
    series = [_lottery_series(detail, summary, a, look[a], drawing, banded=a in pair) for a in order]
    title += half_said(series)
    dense = summary.cell(DENSE, 0)
    reference = None if dense is None else (dense.score.value, f"dense {compact(dense.score.value)}")
    return Chart(title, [s for s in series if len(s.x)], x_range, True, marks, reference,
                 "the lottery curve starts when round 1 has finished",
                 log_y=experiment.task.draws_log(experiment.judged_by), x_name=KEPT,
                 y_name=experiment.judged_by, gap=pair, key=f"lottery {detail.job.id}",
                 brief=f"{score}{better} · IQM{', ' * bool(shown)}{drawing.band_word}",
                 less_is_better=not experiment.task.higher_is_better)  # fmt: skip


def _lottery_series(
    detail: JobDetail, summary: Summary, arm: str, look: Look, drawing: Drawing, *, banded: bool
) -> Series:
    cells = lottery_cells(summary, arm)
    bounds = [_bounds(detail, cell, drawing.band) for cell in cells] if banded else []
    x, y, low, high = (
        np.array(values, np.float64)
        for values in (
            [c.density for c in cells], [c.score.value for c in cells],
            [bound[0] for bound in bounds], [bound[1] for bound in bounds],
        )
    )  # fmt: skip
    known = banded and drawing.band != "none"
    return Series(arm, look, x, y, low if known else None, high if known else None, markers=True,
                  hidden=arm in drawing.hidden, chosen=arm == drawing.arm, tick=half_tick(summary, arm))  # fmt: skip


def half_tick(summary: Summary, arm: str) -> tuple[float, float] | None:
    """The critical density and its score, if chains fall below it."""
    return next(((one.density.value, one.level) for one in summary.halves if one.arm == arm and one.crossed), None)


def half_said(series: Iterable[Series]) -> str:
    """What the tick is, for the title; empty without one."""
    return f" · {TICK} half of the gain lost" if any(one.tick and not one.hidden for one in series) else ""


def lottery_cells(summary: Summary, arm: str) -> list[Cell]:
    """The points of an arm's lottery curve, which starts at the dense network; empty below two points."""
    own = [cell for cell in summary.cells if cell.arm in (arm, DENSE) and cell.score.n and np.isfinite(cell.density)]
    return sorted(own, key=lambda cell: -cell.density) if len(own) > 1 else []


def _bounds(detail: JobDetail, cell: Cell, band: str) -> tuple[float, float]:
    if band == "95% bootstrap":
        return cell.score.low, cell.score.high
    scores = finished_scores(detail.job.experiment.task, detail.trials)
    here = list(scores.get((cell.arm, cell.round), {}).values())
    if band == "min-max":
        return min(here, default=np.nan), max(here, default=np.nan)
    spread = float(np.std(here, ddof=1)) if len(here) > 1 else np.nan
    return cell.score.value - spread, cell.score.value + spread
