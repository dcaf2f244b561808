"""A chart as cells: glyphs, colours, axis labels, and the regions that changed between two canvases. No widget."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from lth_tui.palette import DIM, GREY, NO_COLOUR, band_ground, ink
from lth_tui.plot import raster
from lth_tui.plot.chart import GUTTER, TICK, Series, y_labels
from lth_tui.plot.viewport import Viewport
from lth_tui.strips import Row, strip_of, text_of, wrap
from lth_tui.words import compact

_SPACE = ord(" ")
_BAND = 0.24
"""Opacity of bands."""


@dataclass
class Canvas:
    """Cells of a plot without title and x axis: characters, packed colours, the label left of each row."""

    glyphs: npt.NDArray[np.int32]
    inks: npt.NDArray[np.int32]
    grounds: npt.NDArray[np.int32]
    labels: list[Row] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Height in cells."""
        return int(self.glyphs.shape[0])

    @property
    def columns(self) -> int:
        """Width in cells, without the labels."""
        return int(self.glyphs.shape[1])

    @property
    def text(self) -> list[str]:
        """The characters of each row, without the labels."""
        return ["".join(map(chr, row)) for row in self.glyphs]

    def strip(self, y: int, width: int, style: Style) -> Strip:
        """A row with its label as `width` cells."""
        if not self.labels:
            return strip_of("", width, style)
        glyphs, inks, grounds = self.glyphs[y], self.inks[y], self.grounds[y]
        cuts = np.flatnonzero((np.diff(inks) != 0) | (np.diff(grounds) != 0)) + 1
        text = "".join(map(chr, glyphs))
        segments = [Segment(text_of(self.labels[y]), style + DIM)]
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            segments.append(Segment(text[start:end], style + ink(int(inks[start]), int(grounds[start]))))
        return Strip(segments, GUTTER + len(text)).adjust_cell_length(width, style)

    def changes(self, old: "Canvas") -> Iterator[Region]:
        """Cells that are not as in `old`, which has the same size; the labels' left end is at (0, 0)."""
        changed = (old.glyphs != self.glyphs) | (old.inks != self.inks) | (old.grounds != self.grounds)
        for y in map(int, np.flatnonzero(changed.any(axis=1))):
            cells = np.flatnonzero(changed[y])
            yield Region(GUTTER + int(cells[0]), y, int(cells[-1] - cells[0]) + 1, 1)
        for row, (a, b) in enumerate(zip(old.labels, self.labels, strict=False)):
            if a != b:
                yield Region(0, row, GUTTER, 1)

    def with_cursor(self, place: float) -> "Canvas":
        """The same with a vertical line at a place from 0 to 1, behind what is drawn."""
        column = round(place * (self.columns - 1))
        glyphs, inks = self.glyphs.copy(), self.inks.copy()
        free = glyphs[:, column] == _SPACE
        glyphs[free, column], inks[free, column] = ord("╷"), GREY
        return replace(self, glyphs=glyphs, inks=inks)

    def write(self, row: int, column: int, text: str, colour: int) -> None:
        """Put text into cells; what does not fit is cut."""
        text = text[: max(0, self.columns - column)]
        self.glyphs[row, column : column + len(text)] = [ord(c) for c in text]
        self.inks[row, column : column + len(text)] = colour


def blank(rows: int, columns: int) -> Canvas:
    """An empty canvas of this size."""
    return Canvas(
        np.full((rows, columns), _SPACE, np.int32),
        np.full((rows, columns), NO_COLOUR, np.int32),
        np.full((rows, columns), NO_COLOUR, np.int32),
    )


def drawn(view: Viewport, rows: int, columns: int, ground: int | None) -> Canvas:
    """The viewed chart as a canvas; bands are blended into `ground`, or shaded by characters if that is None."""
    low, high = view.vertical_range()
    canvas, shown = blank(rows, columns), view.chart.shown
    if not view.logarithmic and view.unstretched:
        low, high = raster.even_rows(low, high, rows)
    canvas.labels = y_labels(low, high, rows, log=view.logarithmic, empty=view.nothing_to_see)
    line = _reference_row(canvas, view, low, high)
    if line is not None:
        canvas.write(line, 0, "╌" * columns, GREY)
    for series in shown:
        _draw_band(canvas, view, series, low, high, ground)
    for series in shown:
        _draw_series(canvas, view, series, low, high)
    for series in shown:
        _draw_tick(canvas, view, series, low, high)
    if line is not None and view.chart.reference is not None:
        _write_where_free(canvas, line, f" {view.chart.reference[1]} ")
    if not any(np.isfinite(series.y).any() for series in shown):
        _write_empty(canvas, view.chart.empty)
    return canvas


def _write_empty(canvas: Canvas, words: str) -> None:
    """Words in the middle, in as many rows as they need."""
    lines = wrap(words, canvas.columns)
    first = max(0, (canvas.rows - len(lines)) // 2)
    for row, line in enumerate(lines[: canvas.rows - first], start=first):
        canvas.write(row, max(0, (canvas.columns - len(line)) // 2), line, GREY)


def _unit(view: Viewport, values: npt.ArrayLike, low: float, high: float) -> raster.Floats:
    return raster.to_unit(values, low, high, log=view.logarithmic)


def _reference_row(canvas: Canvas, view: Viewport, low: float, high: float) -> int | None:
    """The row of the reference line; None if it is not on the canvas."""
    if view.chart.reference is None or canvas.columns < 12:
        return None
    unit = float(_unit(view, [view.chart.reference[0]], low, high)[0])
    return round((1 - unit) * (canvas.rows - 1)) if 0 <= unit <= 1 else None


def _write_where_free(canvas: Canvas, row: int, words: str) -> None:
    """Write words on a row where they hide least of the curves: at its end, middle or start."""
    most = max(0, canvas.columns - len(words))
    drawn = canvas.glyphs[row] >= raster.BRAILLE
    start = min((most, most // 2, 0), key=lambda place: int(drawn[place : place + len(words)].sum()))
    canvas.write(row, start, words, GREY)


def _draw_band(
    canvas: Canvas, view: Viewport, series: Series, low: float, high: float, ground: int | None
) -> None:  # fmt: skip
    if series.low is None or series.high is None:
        return
    bottom, top = _unit(view, series.low, low, high), _unit(view, series.high, low, high)
    cells = raster.band(view.place(series.x), bottom, top, canvas.columns, canvas.rows)
    if ground is None:
        canvas.glyphs[cells & (canvas.glyphs == _SPACE)] = ord("░")
        canvas.inks[cells] = series.look.colour
        return
    both = cells & (canvas.grounds != NO_COLOUR)
    canvas.grounds[cells & ~both] = band_ground(series.look.colour, ground, _BAND)
    for under in np.unique(canvas.grounds[both]):
        canvas.grounds[both & (canvas.grounds == under)] = band_ground(series.look.colour, int(under), _BAND)


def _draw_series(canvas: Canvas, view: Viewport, series: Series, low: float, high: float) -> None:
    x, y = view.place(series.x), _unit(view, series.y, low, high)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    bits = raster.braille(raster.line(x, y, canvas.columns, canvas.rows, series.look.dash))
    dots = bits > 0
    under = np.where(canvas.glyphs >= raster.BRAILLE, canvas.glyphs - raster.BRAILLE, 0)
    canvas.glyphs[dots] = raster.BRAILLE + (bits | under)[dots]
    canvas.inks[dots] = series.look.colour
    if series.markers:
        for place, value in zip(x, y, strict=True):
            if math.isfinite(place) and math.isfinite(value) and 0 <= place <= 1:
                column = round(place * (2 * canvas.columns - 1)) // 2
                row = round((1 - value) * (4 * canvas.rows - 1)) // 4
                canvas.write(min(canvas.rows - 1, max(0, row)), column, series.look.marker, series.look.colour)


def _draw_tick(canvas: Canvas, view: Viewport, series: Series, low: float, high: float) -> None:
    if series.tick is None:
        return
    place, value = float(view.place([series.tick[0]])[0]), float(_unit(view, [series.tick[1]], low, high)[0])
    if 0 <= place <= 1 and 0 <= value <= 1:
        column, row = round(place * (canvas.columns - 1)), round((1 - value) * (canvas.rows - 1))
        canvas.write(row, column, TICK, series.look.colour)


def _regular(placed: list[tuple[int, int, str]], free: int) -> list[tuple[int, int, str]]:
    """Every mark, or every second, third, ... so that no label touches another and none is missing in between."""
    for stride in range(1, len(placed) + 1):
        chosen, end = placed[::stride], free - 1
        for _, start, label in chosen:
            if start <= end:
                break
            end = start + len(label)
        else:
            return chosen
    return placed[:1]


def x_axis(view: Viewport, columns: int) -> list[Row]:
    """The axis below `columns` cells of a canvas, and its labels."""
    left, right = view.value_at(0.0), view.value_at(1.0)
    digits = 3 if view.whole else 5
    # What is measured once has a window too narrow for its numbers: the same one is written once.
    made = {compact(value, digits): value for value in reversed(raster.ticks(left, right, columns // 12))}
    marks = list(view.chart.x_ticks) or [(value, label) for label, value in reversed(made.items())]
    axis, words = ["─"] * columns, [" "] * (columns + GUTTER)
    name = view.chart.x_name
    words[: len(name)] = name
    placed: list[tuple[int, int, str]] = []
    for place, (_, label) in zip(view.place([value for value, _ in marks]), marks, strict=True):
        if math.isfinite(place) and 0 <= place <= 1:
            column = round(place * (2 * columns - 1)) // 2
            start = min(columns + GUTTER - len(label), GUTTER + column - len(label) // 2)
            placed.append((column, max(len(name) + 1, start) if column < 2 else max(0, start), label))
    for column, start, label in _regular(placed, len(name) + 1):
        axis[column] = "┬"
        words[start : start + len(label)] = label
    return [[(" " * (GUTTER - 1) + "└" + "".join(axis), DIM)], [("".join(words), DIM)]]
