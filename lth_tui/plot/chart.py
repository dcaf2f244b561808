"""The data of a plot, with its axis labels and legend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.cells import cell_len

from lth_tui.palette import Look, ink
from lth_tui.plot import raster
from lth_tui.plot.raster import Floats
from lth_tui.strips import Row, Span
from lth_tui.words import compact, fitted, percent

Entry = list[Span]
"""Spans that stay together in one row."""
KEPT = "% kept"
"""The x axis of lottery curves: densities."""
GUTTER = 7
"""Cells of the y labels and the axis."""
TICK = "┃"
"""Marks a curve's `tick`."""


@dataclass(frozen=True)
class Series:
    """One curve: NaN in `y` is a gap; `low` and `high` bound its band.

    A `hidden` curve is only in the legend; a `faint` one, the raw values below a smoothed curve, is not in it. `tick`:
    a point (x, y) of it that is marked.
    """

    label: str
    look: Look
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None
    markers: bool = False
    hidden: bool = False
    faint: bool = False
    chosen: bool = False
    tick: tuple[float, float] | None = None


@dataclass(frozen=True)
class Chart:
    """Everything a plot shows. `x_range` may descend; `x_ticks` are (value, label), computed if empty.

    `gap` names two curves whose difference is shown at the cursor, with `less_is_better` also which of them is better;
    `brief` replaces a title that is too long; `key`: what is drawn, where that is more than the name of the y axis;
    the y axis shows at least `y_span`.
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
    less_is_better: bool | None = None
    key: str = ""
    y_span: tuple[float, float] | None = None

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


def y_labels(low: float, high: float, rows: int, *, log: bool = False, empty: bool = False) -> list[Row]:
    """The label of each canvas row: round numbers at their height, else only the axis; none where nothing is drawn."""
    labels: list[Row] = [" " * (GUTTER - 1) + "│"] * rows
    if empty:
        return labels
    count = max(1, min(6, rows // 2))
    marks = raster.log_ticks(low, high, count) if log else raster.row_ticks(low, high, rows)
    for value, unit in zip(marks, raster.to_unit(marks, low, high, log=log), strict=True):
        row = round((1 - float(unit)) * (rows - 1)) if np.isfinite(unit) else -1
        if 0 <= row < rows:
            label = fitted(value, GUTTER - 1)
            labels[row] = (label if len(label) == GUTTER - 1 else f"{label} ").rjust(GUTTER - 1) + "┤"
    return labels


def legend_of(chart: Chart) -> list[Entry]:
    """Sample, label and newest value of each series: at one place, which is said, or with the place of each."""
    at, notes = standing(chart)
    entries: list[Entry] = [[(f" at {place_words(chart, at)}:", ink(dim=True))]] if at is not None else []
    for series in _in_legend(chart):
        mark = series.look.marker if series.markers else ""
        words = f"{series.label} {'hidden' if series.hidden else notes.get(series.label, '')}".rstrip()
        entries.append([
            (f" {series.look.sample}{mark} ", ink(series.look.colour, dim=series.hidden)),
            (f"{words} ", ink(dim=series.hidden, bold=series.chosen)),
        ])  # fmt: skip
    return entries


def standing(chart: Chart) -> tuple[float | None, dict[str, str]]:
    """Where the curves are compared, and the value of each there: the last place that all have reached.

    What stays at one place, such as an arm of the dense network, is no curve, and says its own place. None as the
    place where all end at the same one, or where they have none in common: then each says its own.
    """
    ends: dict[str, tuple[Floats, Floats]] = {}
    for series in chart.shown:
        good = np.isfinite(series.x) & np.isfinite(series.y)
        if good.any() and not series.faint:
            ends[series.label] = (series.x[good], series.y[good])
    if not ends:
        return None, {}
    forward = 1.0 if chart.x_range[1] >= chart.x_range[0] else -1.0
    last = {label: float(x[-1]) for label, (x, _) in ends.items()}
    curves = {label: place for label, place in last.items() if np.ptp(ends[label][0]) > 0} or last
    at = min(curves.values(), key=lambda place: forward * place)
    near = 0.02 * abs(at)
    own = {n: f"{compact(float(y[-1]))} at {place_words(chart, last[n])}" for n, (_, y) in ends.items()}
    if all(abs(place - at) <= near for place in curves.values()):
        return None, own | {label: compact(float(ends[label][1][-1])) for label in curves}
    notes = dict(own)
    for label in curves:
        x, y = ends[label]
        place = int(np.argmin(np.abs(x - at)))
        if abs(float(x[place]) - at) > near:
            return None, own
        notes[label] = compact(float(y[place]))
    return at, notes


def place_words(chart: Chart, place: float) -> str:
    """A place on the x axis with its unit, `12k steps` or `7.8 % kept`."""
    return f"{percent(place)} % kept" if chart.x_name == KEPT else f"{compact(place)} {chart.x_name}"


def packed(entries: Sequence[Entry], width: int, most: int) -> list[Row]:
    """Entries in at most `most` rows of `width` cells, none broken; `+2` means that two more do not fit."""
    return [[span for entry in row for span in entry] for row in _laid(entries, width, most)]


def legend_at(chart: Chart, width: int, most: int, row: int, x: int) -> str | None:
    """The label of the curve whose legend entry, packed like this, covers a cell; None between them."""
    entries, curves = legend_of(chart), _in_legend(chart)
    own = entries[len(entries) - len(curves) :]  # before them may stand where they are compared
    labels = {id(entry): one.label for entry, one in zip(own, curves, strict=True)}
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
        return [[(f"╷ at {_exact_place(chart, x)}: no points", ink(dim=True))]]
    pair = [found[label] for label in chart.gap or () if label in found]
    here = (pair or list(found.values()))[0][0]
    entries: list[Entry] = [[(f"╷ at {_exact_place(chart, here)}", ink(bold=True))]]
    if len(pair) == 2 and pair[0][0] == pair[1][0]:
        entries.append([(f"  {_gap_words(chart, pair[0][1], pair[1][1])}", ink(bold=True))])
    looks = {series.label: series.look for series in chart.shown}
    for label in reversed(found):
        at, value = found[label]
        apart = f" at {_exact_place(chart, at)}" if at != here else ""
        entries.append([(f"  {label}", ink(looks[label].colour)), (f" {known(value)}{apart}", ink())])
    return entries


def _gap_words(chart: Chart, one: float, other: float) -> str:
    """`winning - random +12.5 (better)`, to as many decimals as the two values have."""
    names = chart.gap or ("", "")
    decimals = max(len(known(value).partition(".")[2]) for value in (one, other))
    words = f"{names[0]} - {names[1]} {one - other:+,.{decimals}f}"
    if chart.less_is_better is None or one == other:
        return words
    return f"{words} ({'better' if (one < other) == chart.less_is_better else 'worse'})"


def known(value: float) -> str:
    """A value with the seven digits that a 32-bit number has."""
    magnitude = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    if not -5 < magnitude < 15:
        return f"{value:.7g}"
    text = f"{value:,.{max(0, 6 - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exact_place(chart: Chart, place: float) -> str:
    return f"{100 * place:.5g} % kept" if chart.x_name == KEPT else f"{exact(place)} {chart.x_name}"


def exact(value: float) -> str:
    """A position on the x axis, unrounded."""
    return f"{value:,.0f}" if value == round(value) else f"{value:.5g}"
