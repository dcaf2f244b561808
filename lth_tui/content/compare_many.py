"""Many jobs in one plot as the best of them and a band, or in a small plot each. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lth_core.analysis.verdict import Summary
from lth_core.text import one_line, plural
from lth_tui.content import comparison
from lth_tui.palette import GREEN, GREY, ORANGE, SKY, YELLOW, Look
from lth_tui.plot.chart import KEPT, Chart, Series
from lth_tui.plot.raster import Floats

if TYPE_CHECKING:
    from lth_core.store.views import JobView

_BEST = Look(GREEN, (1, 0), "●", "━━")
_PINNED = Look(ORANGE, (2, 2), "◆", "╍╍")
_HERE = Look(YELLOW, (1, 1), "■", "┅┅")
_MIDDLE = Look(SKY, (1, 0), " ", "──")


def _references(whole: Chart, jobs: "Sequence[JobView]") -> dict[int, tuple[Floats, Floats]]:
    """By job, the lottery curve of its reference arm in a chart of them all: densities that fall from 1, and scores."""
    named = {series.label: series for series in whole.series}
    found = {job.id: named.get(f"{job.id} {job.experiment.reference}") for job in jobs}
    return {number: (series.x, series.y) for number, series in found.items() if series is not None}


def best_of(
    jobs: "Sequence[JobView]", curves: Mapping[int, tuple[Floats, Floats]], *, relative: bool
) -> "JobView | None":  # fmt: skip
    """The job with the best score at the lowest density that all of them have reached."""
    here = [job for job in jobs if job.id in curves]
    if not here:
        return None
    end = max(float(curves[job.id][0][-1]) for job in here)
    sign = {job.id: 1.0 if relative or job.experiment.task.higher_is_better else -1.0 for job in here}
    return max(here, key=lambda job: sign[job.id] * float(_at(curves[job.id], np.array([end]))[0]))


def band_chart(
    jobs: "Sequence[JobView]", summaries: Mapping[int, Summary], *, relative: bool, pinned: int | None = None,
    here: int | None = None,
) -> Chart:  # fmt: skip
    """The reference arms of all jobs as median and range; on top the best, the baseline, and the job at the cursor."""
    whole = comparison.chart(jobs, summaries, 0, relative=relative, most=len(jobs))
    curves = _references(whole, jobs)
    best = best_of(jobs, curves, relative=relative)
    grid = np.array(sorted({float(x) for xs, _ in curves.values() for x in xs}, reverse=True), np.float64)
    series: list[Series] = []
    if len(grid):
        table = np.array([_at(curve, grid) for curve in curves.values()])
        low, middle, high = np.nanmin(table, axis=0), np.nanmedian(table, axis=0), np.nanmax(table, axis=0)
        series.append(Series(f"median of {len(curves)}", _MIDDLE, grid, middle, low, high))
    first = None if best is None else best.id
    for number, look, words in ((here, _HERE, ""), (pinned, _PINNED, " baseline"), (first, _BEST, " best")):
        if number in curves and (words == " best" or number != first) and (words or number != pinned):
            x, y = curves[number]
            series.append(Series(f"{number}{words}", look, x, y, markers=True))
    what, short = whole.title.partition(" by ")[0], whole.brief.partition(" · ")[0]
    title = f"{what} by % kept (log) · the best of {plural(len(jobs), 'job')}, and the range of all as band"
    return Chart(
        title, series, whole.x_range, True, whole.x_ticks, whole.reference, whole.empty, whole.log_y, KEPT,
        f"band {whole.y_name}", brief=f"{short} · best of {len(jobs)}, range as band",
    )  # fmt: skip


def small_charts(
    jobs: "Sequence[JobView]", summaries: Mapping[int, Summary], arm: int, *, relative: bool, pinned: int | None,
    among: "Sequence[JobView]",
) -> list[Chart]:  # fmt: skip
    """A chart for each of `jobs` on the axes of all `among`; the baseline is the grey line in each."""
    whole = comparison.chart(among, summaries, arm, relative=relative, most=len(among))
    values = np.concatenate([series.y[np.isfinite(series.y)] for series in whole.series] or [np.empty(0)])
    span = (float(values.min()), float(values.max())) if len(values) else None
    beside = _references(whole, among).get(pinned or 0)
    found: list[Chart] = []
    for job in jobs:
        series = [one for one in whole.series if one.label.startswith(f"{job.id} ")]
        if beside is not None and job.id != pinned:
            series.insert(0, Series("baseline", Look(GREY, (1, 0), "◆", "──"), *beside))
        name = f"{job.id} {one_line(job.name, 60)}"
        found.append(Chart(
            f"{name} · {whole.y_name}", series, whole.x_range, True, whole.x_ticks, whole.reference,
            whole.empty, whole.log_y, KEPT, whole.y_name, y_span=span, brief=name,
        ))  # fmt: skip
    return found


def _at(curve: tuple[Floats, Floats], densities: Floats) -> Floats:
    """A curve between its points, straight on the logarithmic axis; NaN outside of it."""
    x, y = curve
    found = np.interp(-np.log(densities), -np.log(x), y)
    return np.where((densities >= x[-1] * 0.999) & (densities <= x[0] * 1.001), found, np.nan)
