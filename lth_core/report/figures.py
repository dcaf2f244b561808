"""The figures of one job, like the paper's: lottery curves, differences, learning curves, heatmap."""

import math
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from lth_core.analysis.critical import HALF, criticals
from lth_core.analysis.effect import LEVELS, level_round
from lth_core.analysis.statistics import Interval, interquartile_mean
from lth_core.experiment.arms import DENSE
from lth_core.report.anatomy_figures import anatomy, barriers, inputs, instability
from lth_core.report.drawing import GREY, Look, density_axis, legend, looks, order, panels, percent, styled
from lth_core.report.record import JobRecord
from lth_core.text import one_line

_MOST_NUMBERS = 14


def job_figures(record: JobRecord) -> dict[str, tuple[Figure, str]]:
    """(figure, caption) by file name; only figures with data."""
    made: dict[str, tuple[Figure, str]] = {}
    with styled():
        for name, draw in _FIGURES.items():
            found = draw(record)
            if found is not None:
                made[name] = found
    return made


def lottery(axes: Axes, record: JobRecord, *, inches: float = 2.5) -> None:
    """Score against density of all arms, with the dense network as a line; bands are 95 % intervals over seeds."""
    experiment, look = record.experiment, looks(record.experiment)
    dense = record.summary.cell(DENSE, 0)
    if dense is not None and dense.score.n:
        dense_line(axes, dense.score)
    for arm in order(experiment):
        cells = sorted(
            (c for c in record.summary.cells if c.arm == arm and c.score.n), key=lambda cell: -cell.density
        )  # fmt: skip
        band(axes, [c.density for c in cells], [c.score for c in cells], look[arm], arm)
    for found in criticals(record.scores):
        if found.share == HALF and found.crossed:
            axes.plot(
                [found.density.value], [found.level], linestyle="", marker="|", markersize=11, markeredgewidth=2,
                color=look[found.arm].colour, label=f"_half {found.arm}", zorder=5,
            )  # fmt: skip
    density_axis(axes, _densities(record), inches=inches)
    _limits(axes, record)


def _densities(record: JobRecord) -> list[float]:
    """The reference arm's measured density in each round; NaN if not known yet."""
    experiment, scores = record.experiment, record.scores
    return [1.0, *(scores.density(experiment.reference, k) for k in range(1, experiment.pruning.rounds + 1))]


def _limits(axes: Axes, record: JobRecord) -> None:
    """Limits of the y axis, from estimates and bounds."""
    known = [v for c in record.summary.cells for v in (c.score.value, c.score.low, c.score.high) if np.isfinite(v)]
    if known:
        room = 0.05 * (max(known) - min(known)) or 1.0
        axes.set_ylim(min(known) - room, max(known) + room)


def dense_line(axes: Axes, score: Interval) -> None:
    """The dense network's score as a line across, its interval as a band."""
    axes.axhline(score.value, color=GREY, dashes=(3, 2), linewidth=1.1, label="dense")
    if score.n > 1:
        axes.axhspan(score.low, score.high, color=GREY, alpha=0.13, linewidth=0)


def band(axes: Axes, x: list[float], scores: list[Interval], look: Look, label: str) -> None:
    """Estimates as a line and their intervals as a band around it. x: densities."""
    if not x:
        return
    axes.plot(
        x, [s.value for s in scores], color=look.colour, linestyle=look.line, marker=look.marker, label=label,
        markeredgecolor="white", markeredgewidth=0.4,
    )  # fmt: skip
    low, high = np.array([s.low for s in scores]), np.array([s.high for s in scores])
    axes.fill_between(x, low, high, color=look.colour, alpha=0.16, linewidth=0)


def lottery_figure(record: JobRecord) -> tuple[Figure, str] | None:
    """The lottery curves of a job and their caption; None where no round has a score."""
    if not any(c.round and c.score.n for c in record.summary.cells):
        return None
    figure, (axes,) = panels(1, width=5.6, height=3.5)
    lottery(axes, record, inches=5.0)
    axes.set_xlabel("prunable parameters kept (%, logarithmic)")
    axes.set_ylabel(record.experiment.judged_by)
    axes.set_title(_title(record))
    legend(figure, [axes])
    less = "" if record.experiment.task.higher_is_better else " Less is better."
    crossed = any(found.share == HALF and found.crossed for found in criticals(record.scores))
    tick = " A tick marks where half of the dense network's gain is lost (median of chains)." if crossed else ""
    return figure, f"Lottery curves{_over(record)}{less}{tick}"


def _over(record: JobRecord) -> str:
    """How many seeds the points rest on, and whether there are bands: with a single seed there are none."""
    counts = [cell.score.n for cell in record.summary.cells if cell.score.n]
    fewest, most = min(counts), max(counts)
    if most == 1:
        return " of a single seed, which has no interval."
    seeds = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f": interquartile mean over {seeds} seeds; bands are 95 % bootstrap intervals."


def _title(record: JobRecord) -> str:
    return one_line(record.job.name, 50) + ("" if record.job.state == "done" else f" ({record.job.state})")


def _differences(record: JobRecord) -> tuple[Figure, str] | None:
    experiment, look = record.experiment, looks(record.experiment)
    controls = [
        a for a in experiment.arms if a != experiment.reference
        and any(c.arm == a and c.difference is not None and c.difference.n for c in record.summary.cells)
    ]  # fmt: skip
    if not controls:
        return None
    figure, axes = panels(len(controls))
    for one, arm in zip(axes, controls, strict=True):
        cells = [c for c in record.summary.cells if c.arm == arm and c.difference is not None and c.difference.n]
        cells.sort(key=lambda cell: -cell.density)
        one.axhline(0, color=GREY, linewidth=0.9)
        band(one, [c.density for c in cells], [c.difference for c in cells if c.difference], look[arm], arm)
        decided = [c for c in cells if c.p is not None and c.p <= 0.05 and c.difference is not None]
        one.plot(
            [c.density for c in decided], [c.difference.high for c in decided if c.difference], linestyle="",
            marker="*", markersize=7, color="black", label="_decided",
        )  # fmt: skip
        density_axis(one, _densities(record))
        one.set_title(f"{experiment.reference} minus {one_line(arm, 30)}")
    figure.supxlabel("prunable parameters kept (%, logarithmic)")
    figure.supylabel(f"difference of {experiment.judged_by}")
    ahead = "" if experiment.task.higher_is_better else f" Less is better: below zero {experiment.reference} is ahead."
    return figure, (
        f"{experiment.reference} minus each control, paired by seed: interquartile mean and 95 % interval.{ahead} "
        "A star marks a round that differs by itself (sign-flip p at most 5 %, Holm over rounds)."
    )


def _learning(record: JobRecord) -> tuple[Figure, str] | None:
    experiment, look = record.experiment, looks(record.experiment)
    found = record.curves.get(experiment.task.curve)
    if not found:
        return None
    rounds = list(dict.fromkeys((1, *(level_round(experiment, level, record.trials) for level in LEVELS))))
    figure, axes = panels(len(rounds))
    for one, round in zip(axes, rounds, strict=True):
        for arm in (DENSE, *order(experiment)):
            place = 0 if arm == DENSE else round
            curves = [found[t.id] for t in record.trials if (t.arm, t.round) == (arm, place) and t.id in found]
            if not curves:
                continue
            steps = np.unique(np.concatenate([curve.steps for curve in curves]))
            values = np.array([np.interp(steps, c.steps, c.values, left=np.nan, right=np.nan) for c in curves])
            whole = np.isfinite(values).all(axis=0)
            if not whole.any():
                continue
            mean = interquartile_mean(values[:, whole].T)
            one.plot(steps[whole], mean, color=look[arm].colour, linestyle=look[arm].line, label=arm)
            if len(curves) > 1 and arm in (DENSE, experiment.reference):
                low, high = np.quantile(values[:, whole], (0.25, 0.75), axis=0)
                one.fill_between(steps[whole], low, high, color=look[arm].colour, alpha=0.14, linewidth=0)
        left = _densities(record)[round]
        one.set_title(f"round {round}" + (f", {percent(left)} % kept" if math.isfinite(left) else ""))
        one.xaxis.set_major_locator(MaxNLocator(4))
        one.xaxis.set_major_formatter(EngFormatter(sep=""))
    figure.supxlabel("steps of training")
    figure.supylabel(experiment.task.curve)
    legend(figure, axes)
    return figure, (
        "Learning curves: interquartile mean over seeds; bands (dense and reference arm) reach from the first to the "
        "third quartile of seeds."
    )


def _heatmap(record: JobRecord) -> tuple[Figure, str] | None:
    """Fraction kept per layer and round of the reference arm, mean over seeds."""
    experiment = record.experiment
    cells: dict[tuple[str, int], list[float]] = {}
    for entry in record.layers:
        if entry.prunable and (entry.arm == experiment.reference or entry.round == 0):
            cells.setdefault((entry.layer, entry.round), []).append(entry.kept / entry.size)
    names = list(dict.fromkeys(layer for layer, _ in cells))
    rounds = sorted({round for _, round in cells})
    if len(rounds) < 2:
        return None
    kept = np.array([[100 * np.mean(cells.get((name, k), [np.nan])) for k in rounds] for name in names])
    figure, (axes,) = panels(1, width=max(4.2, 1.9 + 0.42 * len(rounds)), height=0.9 + 0.24 * len(names))
    image = axes.imshow(kept, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    axes.grid(visible=False)
    axes.set_yticks(range(len(names)), [one_line(name, 40) for name in names])
    step = max(1, len(rounds) // 12)
    shown = range(0, len(rounds), step)
    axes.set_xticks(list(shown), [f"{rounds[i]}" for i in shown])
    axes.set_xlabel("round")
    if len(rounds) <= _MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(kept):
            if np.isfinite(value):
                ink = "white" if value < 55 else "black"
                axes.text(column, row, percent(value / 100), ha="center", va="center", fontsize=6.5, color=ink)
    figure.colorbar(image, ax=axes, label="% kept", pad=0.01)
    axes.set_title(f"{_title(record)}: {experiment.reference}")
    return figure, f"Percentage kept of each layer by {experiment.reference} after each round, mean over seeds."


_FIGURES: dict[str, Callable[[JobRecord], tuple[Figure, str] | None]] = {
    "lottery": lottery_figure,
    "differences": _differences,
    "learning": _learning,
    "layers": _heatmap,
    "anatomy": anatomy,
    "inputs": inputs,
    "barriers": barriers,
    "instability": instability,
}
