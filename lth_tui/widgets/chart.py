"""What a plot shows, and the words around it: axis labels and legend."""

from collections.abc import Sequence
from dataclasses import dataclass

from lth_tui import raster
from lth_tui.palette import Look, ink
from lth_tui.raster import Floats
from lth_tui.widgets.strips import Row, Span
from lth_tui.words import compact

GUTTER = 7
"""Cells of the y labels and the axis."""


@dataclass(frozen=True)
class Series:
    """One curve: NaN in `y` is a gap; `low` and `high` bound its band; `note` stands in the legend."""

    label: str
    look: Look
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None
    note: str = ""
    markers: bool = False


@dataclass(frozen=True)
class Chart:
    """All that a plot shows. `x_range` may descend; `x_ticks` are (value, label), made if there are none."""

    title: str = ""
    series: Sequence[Series] = ()
    x_range: tuple[float, float] = (0.0, 1.0)
    log_x: bool = False
    x_ticks: Sequence[tuple[float, str]] = ()
    reference: tuple[float, str] | None = None
    empty: str = "nothing to draw yet"


def y_labels(low: float, high: float, rows: int) -> list[Row]:
    """What stands left of each canvas row: round numbers at their height, else only the axis."""
    labels: list[Row] = [" " * (GUTTER - 1) + "│"] * rows
    for value in raster.ticks(low, high, max(1, min(6, rows // 2))):
        row = round((1 - (value - low) / (high - low)) * (rows - 1))
        if 0 <= row < rows:
            labels[row] = compact(value).rjust(GUTTER - 2)[: GUTTER - 2] + " ┤"
    return labels


def legend_of(chart: Chart, width: int) -> list[Row]:
    """Samples, labels and newest values of all series, in as many rows as they need."""
    lines: list[list[Span]] = [[]]
    used = 0
    for series in reversed(chart.series):
        mark = series.look.marker if series.markers else ""
        entry: list[Span] = [
            (f" {series.look.sample}{mark} ", ink(series.look.colour)),
            (f"{series.label} {series.note}".rstrip() + " ", ink()),
        ]
        length = sum(len(text) for text, _ in entry)
        if used and used + length > width:
            lines.append([])
            used = 0
        lines[-1] += entry
        used += length
    return list(lines) if lines[0] else []
