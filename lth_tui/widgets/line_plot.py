"""Curves with bands as braille dots in a terminal; only cells that changed are sent again."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lth_tui import raster
from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, GREY, NO_COLOUR, blend, ink, pack
from lth_tui.raster import Floats
from lth_tui.widgets.chart import GUTTER, Chart, Series, legend_of, readout, y_labels
from lth_tui.widgets.strips import Row, strip_of, text_of
from lth_tui.words import compact

_SPACE = ord(" ")


@dataclass
class _Frame:
    glyphs: npt.NDArray[np.int32]
    inks: npt.NDArray[np.int32]
    grounds: npt.NDArray[np.int32]
    labels: list[Row] = field(default_factory=list)


class LinePlot(Widget, can_focus=True):
    """Draws a Chart; the y axis is round numbers and moves only if a curve leaves it or shrinks by half.

    Keys zoom, pan, turn the y axis logarithmic, and move a cursor that tells exact values.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        key("curves", "plus,equals_sign", "zoom_x(0.6667)", "zoom in", display="+"),
        key("curves", "minus", "zoom_x(1.5)", "zoom out", display="-"),
        key("curves", "left_curly_bracket", "zoom_y(0.6667)", "stretch the y axis", display="{"),
        key("curves", "right_curly_bracket", "zoom_y(1.5)", "squeeze the y axis", display="}"),
        key("curves", "right,l", "pan(1)", "to the right"),
        key("curves", "left,h", "pan(-1)", "to the left"),
        key("curves", "L,shift+right", "pan(10)", "far to the right", display="L"),
        key("curves", "H,shift+left", "pan(-10)", "far to the left", display="H"),
        key("curves", "0", "fit", "show all"),
        key("curves", "Y", "log_y", "logarithmic y axis", display="Y"),
        key("curves", "v", "inspect", "cursor", show=True),
        key("curves", "escape", "inspect_end", "end the cursor"),
    ]

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._chart = Chart()
        self._y_range: tuple[float, float] | None = None
        self._window = (0.0, 1.0)
        self._y_factor = 1.0
        self._log_y: bool | None = None
        self._cursor: float | None = None
        self._heads: list[Row] = [""]
        self._feet: list[Row] = []
        self._frame = _empty_frame(0, 0)

    def draw(self, chart: Chart, *, fresh: bool = False) -> None:
        """Show `chart`; `fresh` forgets the y axis of the previous one (another job, another round)."""
        if fresh or chart.y_name != self._chart.y_name or chart.log_y != self._chart.log_y:
            self._y_range = None
        if chart.y_name != self._chart.y_name:
            self._log_y = None
        self._chart = chart
        self._paint()

    @property
    def chart(self) -> Chart:
        """What is shown."""
        return self._chart

    @property
    def cursor_text(self) -> str:
        """What is told at the cursor; empty without a cursor."""
        return "" if self._cursor is None else text_of(self._readout(self._cursor))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape belongs to the page unless there is a cursor to end."""
        return self._cursor is not None if action == "inspect_end" else True

    def action_zoom_x(self, factor: float) -> None:
        """A shorter or longer part of the x axis, around the cursor or the middle."""
        left, right = self._window
        centre = left + (right - left) * (0.5 if self._cursor is None else self._cursor)
        span = min(1.0, max(0.004, (right - left) * factor))
        start = min(max(0.0, centre - span * (centre - left) / (right - left)), 1.0 - span)
        self._look_at((start, start + span))

    def action_zoom_y(self, factor: float) -> None:
        """A shorter or longer part of the y axis, around its middle."""
        self._y_factor = min(8.0, max(0.02, self._y_factor * factor))
        self._look_at(self._window)

    def action_pan(self, by: int) -> None:
        """Move the cursor by columns, or without one the part of the x axis that is shown."""
        if self._cursor is not None:
            columns = max(2, self._frame.glyphs.shape[1])
            self._cursor = min(1.0, max(0.0, self._cursor + by / (columns - 1)))
            self._paint()
            return
        left, right = self._window
        shift = min(max(-left, (right - left) * by / 10), 1.0 - right)
        self._look_at((left + shift, right + shift))

    def action_fit(self) -> None:
        """All of both axes."""
        self._y_factor = 1.0
        self._look_at((0.0, 1.0))

    def action_log_y(self) -> None:
        """Logarithmic y axis, or linear again."""
        self._log_y = not self._logarithmic
        self._look_at(self._window)

    def action_inspect(self) -> None:
        """A cursor that tells exact values, or none."""
        self._cursor = 0.5 if self._cursor is None else None
        self._paint()
        self.refresh_bindings()

    def action_inspect_end(self) -> None:
        """No cursor."""
        if self._cursor is not None:
            self.action_inspect()

    def on_click(self, event: events.Click) -> None:
        """The cursor goes to the column under the pointer."""
        columns = self._frame.glyphs.shape[1]
        if self.can_focus and columns > 1 and event.x >= GUTTER:
            self._cursor = min(1.0, (event.x - GUTTER) / (columns - 1))
            self._paint()

    def _look_at(self, window: tuple[float, float]) -> None:
        self._window, self._y_range = window, None
        self._paint()

    @property
    def _logarithmic(self) -> bool:
        return self._chart.log_y if self._log_y is None else self._log_y

    def _place(self, values: npt.ArrayLike) -> Floats:
        """Places in the part of the x axis that is shown: 0 is its left end, 1 its right."""
        left, right = self._window
        whole = raster.to_unit(values, *self._chart.x_range, log=self._chart.log_x)
        return (whole - left) / (right - left)

    def _value_at(self, place: float) -> float:
        left, right = self._window
        whole, (first, last) = left + (right - left) * place, self._chart.x_range
        if self._chart.log_x and first > 0 and last > 0:
            return float(first * (last / first) ** whole)
        return first + (last - first) * whole

    def _readout(self, cursor: float) -> Row:
        places = {series.label: self._place(series.x) for series in self._chart.shown if not series.faint}
        return readout(self._chart, self._value_at(cursor), cursor, places)

    @property
    def text(self) -> str:
        """What is on screen, as plain text."""
        body = ["".join(map(chr, row)) for row in self._frame.glyphs]
        return "\n".join([*map(text_of, self._heads), *body, *map(text_of, self._feet)])

    def on_resize(self) -> None:
        """Rasterise again for the new size."""
        self._paint()
        self.refresh()

    def on_focus(self) -> None:
        """The title shows the focus."""
        self._paint()

    def on_blur(self) -> None:
        """The title shows the focus."""
        self._paint()

    def _paint(self) -> None:
        width, height = self.size.width, self.size.height
        if not self.is_mounted or width < 1 or height < 1:
            return
        old_heads, old_feet, old = self._heads, self._feet, self._frame
        self._heads = [[(self._chart.title + self._zoom_words(), BOLD if self.has_focus else DIM)]]
        legend = legend_of(self._chart, width) if height >= 6 else []
        legend = legend[: max(1, height // 7)]
        if self._cursor is not None:
            legend = [self._readout(self._cursor), *legend]
        rows = height - 1 - len(legend) - 2
        columns = width - GUTTER
        if rows < 2 or columns < 4:
            self._feet, self._frame = [], _empty_frame(max(0, height - 1), width)
        else:
            self._frame = self._rasterise(columns, rows)
            self._feet = [*self._x_axis(columns), *legend]
        self._repaint(old_heads, old_feet, old)

    def _zoom_words(self) -> str:
        left, right = self._window
        words = "" if (left, right) == (0.0, 1.0) else f" · zoomed to {100 * (right - left):.0f} %"
        return words + (" · log y" if self._logarithmic else "")

    def _repaint(self, old_heads: list[Row], old_feet: list[Row], old: _Frame) -> None:
        frame, width = self._frame, self.size.width
        if old.glyphs.shape != frame.glyphs.shape or len(old_feet) != len(self._feet):
            self.refresh()
            return
        regions = [
            Region(0, y, width, 1) for y, (a, b) in enumerate(zip(old_heads, self._heads, strict=True)) if a != b
        ]
        foot = 1 + frame.glyphs.shape[0]
        regions += [
            Region(0, foot + y, width, 1) for y, (a, b) in enumerate(zip(old_feet, self._feet, strict=True)) if a != b
        ]
        changed = (old.glyphs != frame.glyphs) | (old.inks != frame.inks) | (old.grounds != frame.grounds)
        for y in np.flatnonzero(changed.any(axis=1)):
            cells = np.flatnonzero(changed[y])
            regions.append(Region(GUTTER + int(cells[0]), 1 + int(y), int(cells[-1] - cells[0]) + 1, 1))
        regions += [
            Region(0, 1 + y, GUTTER, 1)
            for y, (a, b) in enumerate(zip(old.labels, frame.labels, strict=False))
            if a != b
        ]
        if regions:
            self.refresh(*regions)

    def _vertical_range(self) -> tuple[float, float]:
        log, all_shown = self._logarithmic, self._window == (0.0, 1.0)
        lows, highs = [], []
        for series in self._chart.shown:
            place = self._place(series.x)
            inside = np.isfinite(place) if all_shown else (place >= 0) & (place <= 1)
            for values in (series.y, series.low, series.high):
                good = inside & np.isfinite(values) & (values > 0 if log else True) if values is not None else None
                if values is not None and good is not None and good.any():
                    lows.append(float(values[good].min()))
                    highs.append(float(values[good].max()))
        reference = self._chart.reference
        if reference is not None and math.isfinite(reference[0]) and (reference[0] > 0 or not log):
            lows.append(reference[0])
            highs.append(reference[0])
        if not lows:
            return (1.0, 10.0) if log else (0.0, 1.0)
        low, high = min(lows), max(highs)
        kept = self._y_range
        if kept and kept[0] <= low and high <= kept[1] and (log or (high - low) > 0.4 * (kept[1] - kept[0])):
            return kept
        self._y_range = raster.snap_log(low, high) if log else raster.snap(low, high)
        if self._y_factor != 1.0:
            self._y_range = _scaled(*self._y_range, self._y_factor, log=log)
        return self._y_range

    def _rasterise(self, columns: int, rows: int) -> _Frame:
        low, high = self._vertical_range()
        frame = _empty_frame(rows, columns)
        frame.labels = y_labels(low, high, rows, log=self._logarithmic)
        if self._chart.reference is not None:
            self._draw_reference(frame, *self._chart.reference, low, high)
        self._draw_bands(frame, low, high)
        for series in self._chart.shown:
            self._draw_series(frame, series, low, high)
        if self._cursor is not None:
            column = round(self._cursor * (columns - 1))
            blank = frame.glyphs[:, column] == _SPACE
            frame.glyphs[blank, column], frame.inks[blank, column] = ord("╷"), GREY
        if not any(np.isfinite(series.y).any() for series in self._chart.shown):
            _write(frame, rows // 2, max(0, (columns - len(self._chart.empty)) // 2), self._chart.empty, GREY)
        return frame

    def _unit(self, series: Series, low: float, high: float, values: Floats) -> tuple[Floats, Floats]:
        return self._place(series.x), raster.to_unit(values, low, high, log=self._logarithmic)

    def _draw_reference(self, frame: _Frame, value: float, label: str, low: float, high: float) -> None:
        unit = float(raster.to_unit([value], low, high, log=self._logarithmic)[0])
        rows, columns = frame.glyphs.shape
        if not 0 <= unit <= 1 or columns < 12:
            return
        y = round((1 - unit) * (rows - 1))
        _write(frame, y, 0, "╌" * columns, GREY)
        _write(frame, y, columns - len(label) - 1, f" {label}"[:columns], GREY)

    def _draw_bands(self, frame: _Frame, low: float, high: float) -> None:
        rows, columns = frame.glyphs.shape
        ground = self._ground()
        for series in self._chart.shown:
            if series.low is None or series.high is None:
                continue
            x, bottom = self._unit(series, low, high, series.low)
            cells = raster.band(x, bottom, self._unit(series, low, high, series.high)[1], columns, rows)
            if self._few_colours():
                frame.glyphs[cells & (frame.glyphs == _SPACE)] = ord("░")
                frame.inks[cells] = series.look.colour
                continue
            both = cells & (frame.grounds != NO_COLOUR)
            frame.grounds[cells & ~both] = blend(series.look.colour, ground, 0.24)
            for under in np.unique(frame.grounds[both]):
                frame.grounds[both & (frame.grounds == under)] = blend(series.look.colour, int(under), 0.24)

    def _draw_series(self, frame: _Frame, series: Series, low: float, high: float) -> None:
        rows, columns = frame.glyphs.shape
        x, y = self._unit(series, low, high, series.y)
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
        bits = raster.braille(raster.line(x, y, columns, rows, series.look.dash))
        drawn = bits > 0
        under = np.where(frame.glyphs >= raster.BRAILLE, frame.glyphs - raster.BRAILLE, 0)
        frame.glyphs[drawn] = raster.BRAILLE + (bits | under)[drawn]
        frame.inks[drawn] = series.look.colour
        if series.markers:
            for place, value in zip(x, y, strict=True):
                if math.isfinite(place) and math.isfinite(value) and 0 <= place <= 1:
                    column, row = (
                        round(place * (2 * columns - 1)) // 2,
                        round((1 - value) * (4 * rows - 1)) // 4,
                    )
                    _write(frame, min(rows - 1, max(0, row)), column, series.look.marker, series.look.colour)

    def _x_axis(self, columns: int) -> list[Row]:
        left, right = self._value_at(0.0), self._value_at(1.0)
        digits = 3 if self._window == (0.0, 1.0) else 5
        made = [(value, compact(value, digits)) for value in raster.ticks(left, right, columns // 12)]
        marks = list(self._chart.x_ticks) or made
        places = self._place([value for value, _ in marks])
        axis, words, free = ["─"] * columns, [" "] * (columns + GUTTER), 0
        for place, (_, label) in zip(places, marks, strict=True):
            if not (math.isfinite(place) and 0 <= place <= 1):
                continue
            column = round(place * (2 * columns - 1)) // 2
            start = max(0, min(columns + GUTTER - len(label), GUTTER + column - len(label) // 2))
            if start < free:
                continue
            axis[column] = "┬"
            words[start : start + len(label)] = label
            free = start + len(label) + 1
        return [[(" " * (GUTTER - 1) + "└" + "".join(axis), DIM)], [("".join(words), DIM)]]

    def _ground(self) -> int:
        red, green, blue = self.background_colors[1].rgb
        return pack(red, green, blue)

    def _few_colours(self) -> bool:
        if self.app.is_headless:  # a screenshot has all colours
            return False
        return self.app.no_color or self.app.console.color_system in (None, "standard", "windows")

    def render_line(self, y: int) -> Strip:
        """Title, canvas with its axis, x axis, legend."""
        width, style = self.size.width, self.rich_style
        rows = self._frame.glyphs.shape[0]
        if y < 1:
            return strip_of(self._heads[0], width, style)
        if y <= rows:
            return self._canvas_strip(y - 1, width, style)
        foot = y - 1 - rows
        return strip_of(self._feet[foot] if foot < len(self._feet) else "", width, style)

    def _canvas_strip(self, y: int, width: int, style: Style) -> Strip:
        frame = self._frame
        if not frame.labels:
            return strip_of("", width, style)
        glyphs, inks, grounds = frame.glyphs[y], frame.inks[y], frame.grounds[y]
        cuts = np.flatnonzero((np.diff(inks) != 0) | (np.diff(grounds) != 0)) + 1
        text = "".join(map(chr, glyphs))
        segments = [Segment(text_of(frame.labels[y]), style + DIM)]
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            segments.append(Segment(text[start:end], style + ink(int(inks[start]), int(grounds[start]))))
        return Strip(segments, GUTTER + len(text)).adjust_cell_length(width, style)


def _scaled(low: float, high: float, factor: float, *, log: bool) -> tuple[float, float]:
    if log:
        low, high = math.log(low), math.log(high)
    middle, half = (low + high) / 2, (high - low) / 2 * factor
    low, high = middle - half, middle + half
    return (math.exp(low), math.exp(high)) if log else (low, high)


def _empty_frame(rows: int, columns: int) -> _Frame:
    return _Frame(
        np.full((rows, columns), _SPACE, np.int32),
        np.full((rows, columns), NO_COLOUR, np.int32),
        np.full((rows, columns), NO_COLOUR, np.int32),
    )


def _write(frame: _Frame, row: int, column: int, text: str, colour: int) -> None:
    text = text[: max(0, frame.glyphs.shape[1] - column)]
    frame.glyphs[row, column : column + len(text)] = [ord(c) for c in text]
    frame.inks[row, column : column + len(text)] = colour
