"""Several jobs in one plot and one list: pure functions."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lth_core.analysis.densities import lowest, nominal
from lth_core.analysis.kinds import random_first
from lth_core.analysis.verdict import Summary
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.text import one_line
from lth_core.toml_text import flatten
from lth_tui.content.charts import half_said, half_tick, lottery_cells
from lth_tui.content.verdict_words import short_verdict
from lth_tui.experiment_text import fields_of
from lth_tui.palette import BLUE, BOLD, DIM, GREEN, ORANGE, PLAIN, PURPLE, SKY, VERMILLION, YELLOW, Look, ink
from lth_tui.plot.chart import KEPT, Chart, Series
from lth_tui.strips import Row
from lth_tui.words import glyph, percent

if TYPE_CHECKING:
    from lth_core.store.views import JobView

MOST_JOBS = 8
_COLOURS = (SKY, ORANGE, GREEN, PURPLE, YELLOW, VERMILLION, BLUE, 0xE0E0E0)
_FILLED, _HOLLOW = "●▲■◆●▲■◆", "○△□◇○△□◇"


def chart(
    jobs: "Sequence[JobView]", summaries: Mapping[int, Summary], arm: int, *, relative: bool, most: int = MOST_JOBS
) -> Chart:
    """Lottery curves: one colour per job, its reference arm solid, one of its controls dashed. most: jobs, at most."""
    series: list[Series] = []
    densities: set[float] = set()
    ends: list[float] = []
    names: list[str] = []
    unscaled = _unscaled(jobs[:most], summaries)
    for place, job in enumerate(jobs[:most]):
        summary, experiment = summaries.get(job.id), job.experiment
        own = _densities(experiment, summary)
        densities |= set(own)
        ends.append(lowest(experiment, own))
        controls = random_first(experiment, (a for a in experiment.arms if a != experiment.reference))
        chosen = [experiment.reference, *([controls[arm % len(controls)]] if controls else [])]
        names += [a for a in chosen if a not in names]
        for which, one in enumerate(chosen):
            marker = (_FILLED, _HOLLOW)[which][place % MOST_JOBS]
            dash, sample = ((1, 0), "━━") if which == 0 else ((2, 2), "┅┅")
            look = Look(_COLOURS[place % MOST_JOBS], dash, marker, sample)
            turned = _turned(experiment, summary, normalised=not unscaled) if relative else None
            series.append(_series(f"{job.id} {one}", look, summary, one, turned))
    ticks = [(density, percent(density)) for density in _marks(densities, min(ends, default=0.1))]
    what, short = _said(unscaled) if relative else _scores(jobs)
    arms = ", ".join(one_line(name, 30) for name in names)
    brief = f"{short} · IQM · {arms}"
    log = not relative and bool(jobs) and all(j.experiment.task.draws_log(j.experiment.judged_by) for j in jobs)
    left = min(ends, default=0.1)
    shown = [one for one in series if len(one.x)]
    dense = (0.0 if unscaled else 1.0, "dense") if relative and shown else None
    summarised = all(job.id in summaries for job in jobs[:most])
    title = f"{what} by % kept (log) · IQM · {arms}{half_said(shown)}"
    return Chart(
        title, list(reversed(shown)), (1.15, left / 1.15), True, ticks, dense,
        "no round has finished yet" if summarised else "summarising ...", log, KEPT, what, brief=brief, key="compare",
    )  # fmt: skip


def differ(jobs: "Sequence[JobView]") -> bool:
    """Whether the jobs have different scores, which no axis can show together."""
    return len({job.experiment.judged_by for job in jobs}) > 1


def _scores(jobs: "Sequence[JobView]") -> tuple[str, str]:
    """The name of the score, and whether less of it is better."""
    names = sorted({job.experiment.judged_by for job in jobs})
    less = bool(jobs) and not any(job.experiment.task.higher_is_better for job in jobs)
    what = f"{one_line(', '.join(names), 60)}{', less is better' * less}"
    return what, what


def _densities(experiment: Experiment, summary: Summary | None) -> list[float]:
    """Densities of the dense network and the reference arm's rounds, as far as known; falling from 1."""
    cells = () if summary is None else summary.cells
    found = {cell.round: cell.density for cell in cells if cell.arm == experiment.reference}
    rounds = range(experiment.pruning.rounds + 1)
    known = (found.get(round, nominal(experiment, round)) for round in rounds)
    return [one for one in known if one is not None and np.isfinite(one)]


def _marks(densities: set[float], least: float) -> list[float]:
    """Densities to mark: those of the rounds; if the jobs have different ones, 100, 50, 20, 10 % ... instead."""
    ordered = sorted(densities, reverse=True)
    if all(other <= 0.9 * one for one, other in itertools.pairwise(ordered)):
        return ordered
    powers = range(1 + math.ceil(-math.log10(max(least, 1e-6))))
    return [m * 10.0**-power for power in powers for m in (1.0, 0.5, 0.2) if m * 10.0**-power >= 0.99 * least]


def _unscaled(jobs: "Sequence[JobView]", summaries: Mapping[int, Summary]) -> list[int]:
    """Jobs with a dense score but no scale: no reference score, or a dense network not certainly above it."""
    found = ((job.id, summaries.get(job.id)) for job in jobs)
    return [number for number, one in found if one is not None and one.cell(DENSE, 0) is not None and one.scale is None]


def _said(unscaled: Sequence[int]) -> tuple[str, str]:
    """The title of the relative plot, long and short."""
    if not unscaled:
        return "normalised score (0 is the reference, 1 the dense network)", "normalised"
    jobs = f"{'job' if len(unscaled) == 1 else 'jobs'} {', '.join(map(str, unscaled))}"
    return (
        f"gain over the dense network, more is better ({jobs}: no scale to normalise by)",
        "gain over dense, more is better",
    )


def _turned(experiment: Experiment, summary: Summary | None, *, normalised: bool) -> tuple[float, float]:
    """(zero, unit) of the relative plot; the unit is negative if lower is better."""
    sign = 1.0 if experiment.task.higher_is_better else -1.0
    if summary is not None and normalised and summary.zero is not None and summary.scale is not None:
        return summary.zero, sign * summary.scale
    dense = None if summary is None else summary.cell(DENSE, 0)
    return (np.nan if dense is None else dense.score.value), sign


def _series(label: str, look: Look, summary: Summary | None, arm: str, turned: tuple[float, float] | None) -> Series:
    cells = [] if summary is None else lottery_cells(summary, arm)
    y = np.array([cell.score.value for cell in cells], np.float64)
    if turned is not None:
        y = (y - turned[0]) / turned[1]
    x = np.array([cell.density for cell in cells], np.float64)
    tick = None if summary is None else half_tick(summary, arm)
    if tick is not None and turned is not None:
        tick = (tick[0], (tick[1] - turned[0]) / turned[1])
    return Series(label, look, x, y, markers=True, tick=tick)


def verdict_rows(jobs: "Sequence[JobView]", summaries: Mapping[int, Summary]) -> list[Row]:
    """Each job with what its arms survive, and its verdicts in full."""
    rows: list[Row] = []
    for place, job in enumerate(jobs):
        summary = summaries.get(job.id)
        head = f"{glyph(job.state)} {job.id} {one_line(job.name, 60)}  "
        short = short_verdict(summary.verdicts) if summary is not None else ()
        rows.append([("━━ ", ink(_COLOURS[place % len(_COLOURS)])), (head, BOLD), *short])
        if summary is not None:
            rows += [[("   ", PLAIN), (one_line(said), PLAIN)] for said in _said_of(summary)]
    return rows or [[("these jobs were deleted", DIM)]]


def _said_of(summary: Summary) -> Iterator[str]:
    """Where half of the gain is lost, and of each control which arm survives more pruning, then which scores more."""
    if summary.halves:
        yield f"half of the dense network's gain is lost at: {', '.join(f'{c.arm} {c.text}' for c in summary.halves)}"
    for verdict in summary.verdicts:
        if verdict.survival is not None and not verdict.survival.silent:
            yield verdict.survival.clause
        yield verdict.text


def field_rows(jobs: "Sequence[JobView]") -> list[Row]:
    """Fields that differ between the jobs, with the value of each."""
    fields = [flatten(fields_of(job.experiment)) for job in jobs]
    rows: list[Row] = []
    for name in dict.fromkeys(name for one in fields for name in one):
        values = [one.get(name, "-") for one in fields]
        if len(set(values)) > 1:
            rows.append([(one_line(name, 60), BOLD)])
            rows += [
                [(f"  {job.id:>4} ", DIM), (one_line(value), ink(_COLOURS[place % len(_COLOURS)]))]
                for place, (job, value) in enumerate(zip(jobs, values, strict=True))
            ]
    return rows or [[("no field differs", DIM)]]
