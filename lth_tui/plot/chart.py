"""The data of a plot, with its axis labels and legend."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.cells import cell_len

from lth_tui.palette import Look, ink
from lth_tui.plot import raster
from lth_tui.plot.raster import Floats
from lth_tui.strips import Row, Span
from lth_tui.words import compact

Entry = list[Span]
"""Spans that stay together in one row."""
GUTTER = 7
"""Cells of the y labels and the axis."""
TICK = "┃"
"""Marks a curve's `tick`."""


@dataclass(frozen=True)
class Series:
    """One curve: NaN in `y` is a gap; `low` and `high` bound its band; `note` is shown in the legend.

    A `hidden` curve is only in the legend; a `faint` one, the raw values below a smoothed curve, is not in it. `tick`:
    a point (x, y) of it that is marked.
    """

    label: str
    look: Look
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None
    note: str = ""
    markers: bool = False
    hidden: bool = False
    faint: bool = False
    chosen: bool = False
    tick: tuple[float, float] | None = None


@dataclass(frozen=True)
class Chart:
    """Everything a plot shows. `x_range` may descend; `x_ticks` are (value, label), computed if empty.

    `gap` names two curves whose difference is shown at the cursor; `brief` replaces a title that is too long.
    """

    title: str = ""
    series: Sequence[Series] = ()
    x_range: tuple[float, float] = (0.0, 1.0)
    log_x: bool = False
    x_ticks: Sequence[tuple[float, str]] = ()
    reference: tuple[float, str] | None = None
    empty: str = "nothing to draw yet"
    log_y: bool = False
    x_name: str = "step"
    y_name: str = "score"
    gap: tuple[str, str] | None = None
    brief: str = ""

    @property
    def shown(self) -> list[Series]:
        """The curves that are drawn."""
        return [series for series in self.series if not series.hidden]


def alike(one: Chart, other: Chart) -> bool:
    """Whether two charts look the same, to the last point; much cheaper than drawing one."""
    if one is other:
        return True
    if len(one.series) != len(other.series) or replace(one, series=()) != replace(other, series=()):
        return False
    return all(_alike_series(a, b) for a, b in zip(one.series, other.series, strict=True))


def _alike_series(one: Series, other: Series) -> bool:
    for name in Series.__dataclass_fields__:
        a, b = getattr(one, name), getattr(other, name)
        if a is b:
            continue
        if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
            if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) or a != b:
                return False
        elif not np.array_equal(a, b, equal_nan=True):
            return False
    return True


def y_labels(low: float, high: float, rows: int, *, log: bool = False) -> list[Row]:
    """The label of each canvas row: round numbers at their height, else only the axis."""
    labels: list[Row] = [" " * (GUTTER - 1) + "│"] * rows
    count = max(1, min(6, rows // 2))
    marks = raster.log_ticks(low, high, count) if log else raster.ticks(low, high, count)
    for value, unit in zip(marks, raster.to_unit(marks, low, high, log=log), strict=True):
        row = round((1 - float(unit)) * (rows - 1)) if np.isfinite(unit) else -1
        if 0 <= row < rows:
            labels[row] = compact(value).rjust(GUTTER - 2)[: GUTTER - 2] + " ┤"
    return labels


def legend_of(chart: Chart) -> list[Entry]:
    """Sample, label and newest value of each series."""
    entries: list[Entry] = []
    for series in _in_legend(chart):
        mark = series.look.marker if series.markers else ""
        words = f"{series.label} {'hidden' if series.hidden else series.note}".rstrip()
        entries.append([
            (f" {series.look.sample}{mark} ", ink(series.look.colour, dim=series.hidden)),
            (f"{words} ", ink(dim=series.hidden, bold=series.chosen)),
        ])  # fmt: skip
    return entries


def packed(entries: Sequence[Entry], width: int, most: int) -> list[Row]:
    """Entries in at most `most` rows of `width` cells, none broken; `+2` means that two more do not fit."""
    return [[span for entry in row for span in entry] for row in _laid(entries, width, most)]


def legend_at(chart: Chart, width: int, most: int, row: int, x: int) -> str | None:
    """The label of the curve whose legend entry, packed like this, covers a cell; None between them."""
    entries = legend_of(chart)
    labels = {id(entry): one.label for entry, one in zip(entries, _in_legend(chart), strict=True)}
    laid = _laid(entries, width, most)
    for entry in laid[row] if 0 <= row < len(laid) else ():
        length = _cells([entry])
        if x < length:
            return labels.get(id(entry))
        x -= length
    return None


def _in_legend(chart: Chart) -> list[Series]:
    return [series for series in reversed(chart.series) if not series.faint]


def _laid(entries: Sequence[Entry], width: int, most: int) -> list[list[Entry]]:
    rows: list[list[Entry]] = []
    for entry in entries:
        if not rows or _cells([*rows[-1], entry]) > width:
            rows.append([])
        rows[-1].append(entry)
    kept = rows[: max(0, most)]
    if kept and len(kept) < len(rows):
        left = sum(map(len, rows[most:]))
        while len(kept[-1]) > 1 and _cells(kept[-1]) + len(f" +{left}") > width:
            kept[-1].pop()
            left += 1
        kept[-1].append([(f" +{left}", ink(bold=True))])
    return kept


def _cells(entries: Sequence[Entry]) -> int:
    return sum(cell_len(text) for entry in entries for text, _ in entry)


def readout(chart: Chart, x: float, unit: float, places: dict[str, Floats]) -> list[Entry]:
    """Exact values at the cursor: each curve's point nearest to `x`, and the gap between two of them.

    `places` are the points' places on the axis, on which the cursor stands at `unit`.
    """
    found: dict[str, tuple[float, float]] = {}
    for series in chart.shown:
        if series.faint:
            continue
        good = np.flatnonzero(np.isfinite(series.y) & np.isfinite(places[series.label]))
        if len(good):
            nearest = good[np.argmin(np.abs(places[series.label][good] - unit))]
            found[series.label] = (float(series.x[nearest]), float(series.y[nearest]))
    if not found:
        return [[(f"╷ {chart.x_name} {exact(x)}: no points", ink(dim=True))]]
    pair = [found[label] for label in chart.gap or () if label in found]
    here = (pair or list(found.values()))[0][0]
    entries: list[Entry] = [[(f"╷ {chart.x_name} {exact(here)}", ink(bold=True))]]
    if len(pair) == 2 and pair[0][0] == pair[1][0]:
        entries.append([(f"  gap {pair[0][1] - pair[1][1]:+.6g}", ink(bold=True))])
    looks = {series.label: series.look for series in chart.shown}
    for label in reversed(found):
        at, value = found[label]
        apart = f" at {exact(at)}" if at != here else ""
        entries.append([(f"  {label}", ink(looks[label].colour)), (f" {value:.6g}{apart}", ink())])
    return entries


def exact(value: float) -> str:
    """A position on the x axis, unrounded."""
    return f"{value:,.0f}" if value == round(value) else f"{value:.5g}"
