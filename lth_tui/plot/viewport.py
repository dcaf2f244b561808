"""The visible part of a chart, and the mapping of values to its axes. No terminal."""

import math

import numpy as np
import numpy.typing as npt

from lth_tui.plot import raster
from lth_tui.plot.chart import Chart
from lth_tui.plot.raster import Floats

_ALL = (0.0, 1.0)


class Viewport:
    """Zoom, pan and scale of a chart; the y axis is round numbers and moves only if a curve leaves it or shrinks by
    half."""

    def __init__(self) -> None:
        self.chart = Chart()
        self._window = _ALL
        self._stretch = 1.0
        self._log_y: bool | None = None
        self._kept: tuple[float, float] | None = None

    def show(self, chart: Chart, *, fresh: bool = False) -> None:
        """Show another chart; `fresh` resets the y axis."""
        if fresh or _drawn(chart) != _drawn(self.chart) or chart.log_y != self.chart.log_y:
            self._kept = None
        if _drawn(chart) != _drawn(self.chart):
            self._log_y = None
        self.chart = chart

    @property
    def whole(self) -> bool:
        """Whether all of the x axis is shown."""
        return self._window == _ALL

    @property
    def unstretched(self) -> bool:
        """Whether the y axis is not zoomed."""
        return self._stretch == 1.0

    @property
    def nothing_to_see(self) -> bool:
        """Whether no curve has a point: an axis of numbers would say something that is not there."""
        return self._extremes(self.logarithmic) is None

    @property
    def untouched(self) -> bool:
        """Whether neither axis is zoomed."""
        return self.whole and self._stretch == 1.0

    @property
    def logarithmic(self) -> bool:
        """Whether the y axis is."""
        return self.chart.log_y if self._log_y is None else self._log_y

    @property
    def words(self) -> str:
        """Zoom and scale for the title; empty if both are the default."""
        left, right = self._window
        words = "" if self.whole else f" · zoom {100 * (right - left):.0f} %"
        return words + (" · log y" if self.logarithmic else "")

    def zoom_x(self, factor: float, at: float = 0.5) -> None:
        """Zoom the x axis around the position `at` of the visible part."""
        left, right = self._window
        span = min(1.0, max(0.004, (right - left) * factor))
        start = min(max(0.0, left + (right - left - span) * at), 1.0 - span)
        self._window, self._kept = (start, start + span), None

    def zoom_y(self, factor: float) -> None:
        """Zoom the y axis around its middle."""
        self._stretch, self._kept = min(8.0, max(0.02, self._stretch * factor)), None

    def pan(self, share: float) -> None:
        """Move right by a share of the visible part."""
        left, right = self._window
        shift = min(max(-left, (right - left) * share), 1.0 - right)
        self._window, self._kept = (left + shift, right + shift), None

    def fit(self) -> None:
        """Show all of both axes."""
        self._window, self._stretch, self._kept = _ALL, 1.0, None

    def turn_logarithmic(self) -> None:
        """Logarithmic y axis, or linear again."""
        self._log_y, self._kept = not self.logarithmic, None

    def place(self, values: npt.ArrayLike) -> Floats:
        """Positions of x values in the visible part: 0 is its left end, 1 its right."""
        left, right = self._window
        whole = raster.to_unit(values, *self.chart.x_range, log=self.chart.log_x)
        return (whole - left) / (right - left)

    def value_at(self, place: float) -> float:
        """The x value at a position of the visible part."""
        left, right = self._window
        whole, (first, last) = left + (right - left) * place, self.chart.x_range
        if self.chart.log_x and first > 0 and last > 0:
            return float(first * (last / first) ** whole)
        return first + (last - first) * whole

    def vertical_range(self) -> tuple[float, float]:
        """Lower and upper end of the y axis for the visible part."""
        log = self.logarithmic
        extremes = self._extremes(log)
        if extremes is None:
            return (1.0, 10.0) if log else (0.0, 1.0)
        low, high = extremes
        kept = self._kept
        if kept and kept[0] <= low and high <= kept[1] and (log or (high - low) > 0.4 * (kept[1] - kept[0])):
            return kept
        snapped = raster.snap_log(low, high) if log else raster.snap(low, high)
        self._kept = snapped if self._stretch == 1.0 else _scaled(*snapped, self._stretch, log=log)
        return self._kept

    def _extremes(self, log: bool) -> tuple[float, float] | None:
        lows, highs = [], []
        for series in self.chart.shown:
            place = self.place(series.x)
            inside = np.isfinite(place) if self.whole else (place >= 0) & (place <= 1)
            for values in (series.y, series.low, series.high):
                if values is None:
                    continue
                good = values[inside & np.isfinite(values) & ((values > 0) | (not log))]
                if len(good):
                    lows.append(float(good.min()))
                    highs.append(float(good.max()))
        if self.chart.y_span is not None:
            lows.append(self.chart.y_span[0])
            highs.append(self.chart.y_span[1])
        reference = self.chart.reference
        if reference is not None and math.isfinite(reference[0]) and (reference[0] > 0 or not log):
            lows.append(reference[0])
            highs.append(reference[0])
        return (min(lows), max(highs)) if lows else None


def _drawn(chart: Chart) -> tuple[str, str]:
    return chart.key, chart.y_name


def _scaled(low: float, high: float, factor: float, *, log: bool) -> tuple[float, float]:
    if log:
        low, high = math.log(low), math.log(high)
    middle, half = (low + high) / 2, (high - low) / 2 * factor
    low, high = middle - half, middle + half
    return (math.exp(low), math.exp(high)) if log else (low, high)
