"""Curves as braille dots: pure numpy, no terminal. A cell is 2 dots wide and 4 high; row 0 is the top."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]
Cells = npt.NDArray[np.int32]

_WEIGHTS = np.array([[1, 8], [2, 16], [4, 32], [64, 128]], np.int32)
BRAILLE = 0x2800


def to_unit(values: npt.ArrayLike, low: float, high: float, *, log: bool = False) -> Floats:
    """Positions of values between `low` (0) and `high` (1), which may be below `low`; NaN if undefined."""
    data = np.asarray(values, np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if log:
            data = np.where(data > 0, np.log(data), np.nan)
            low, high = (math.log(v) if v > 0 else math.nan for v in (low, high))
        span = high - low
        unit: Floats = (data - low) / span if span else np.full(data.shape, 0.5)
    unit[~np.isfinite(unit)] = np.nan
    return unit


def extents(x: Floats, y: Floats, columns: int, rows: int) -> tuple[npt.NDArray[np.int64], ...]:
    """The polyline through unit points as (dot column, top dot, bottom dot), no extreme lost, NaN a gap.

    `x` is in the unit interval and ascending; points outside 0..1 are left out; `columns`, `rows` count dots.
    """
    inside = (x >= 0) & (x <= 1)
    column = np.where(inside, np.rint(np.where(inside, x, 0) * (columns - 1)), -1).astype(np.int64)
    good = inside & np.isfinite(y)
    run = np.cumsum(~good)  # consecutive good points share a number
    empty = np.zeros(0, np.int64)
    found: list[tuple[npt.NDArray[np.int64], ...]] = []
    if not good.any():
        return empty, empty, empty
    column, height, run = column[good], y[good], run[good]
    starts = np.flatnonzero(np.r_[True, np.diff(run) != 0])
    for start, end in zip(starts, np.r_[starts[1:], len(run)], strict=True):
        found.append(_run_extents(column[start:end], height[start:end], rows))
    dots, top, bottom = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return dots, top, bottom


def _run_extents(column: npt.NDArray[np.int64], height: Floats, rows: int) -> tuple[npt.NDArray[np.int64], ...]:
    heads = np.flatnonzero(np.r_[True, np.diff(column) != 0])
    tails = np.r_[heads[1:], len(column)] - 1
    knots = column[heads]
    dots = np.arange(knots[0], knots[-1] + 1)
    xs = np.repeat(knots.astype(np.float64), 2) + np.tile((-0.25, 0.25), len(knots))
    ys = np.empty(2 * len(knots))
    ys[0::2], ys[1::2] = height[heads], height[tails]
    left, right = np.interp(dots - 0.5, xs, ys), np.interp(dots + 0.5, xs, ys)
    low, high = np.minimum(left, right), np.maximum(left, right)
    at = knots - knots[0]
    low[at] = np.minimum(low[at], np.minimum.reduceat(height, heads))
    high[at] = np.maximum(high[at], np.maximum.reduceat(height, heads))
    return dots, _dot_row(high, rows), _dot_row(low, rows)


def _dot_row(unit: Floats, rows: int) -> npt.NDArray[np.int64]:
    return np.rint((1 - np.clip(unit, 0, 1)) * (rows - 1)).astype(np.int64)


def line(x: Floats, y: Floats, width: int, height: int, dash: tuple[int, int] = (1, 0)) -> Bits:
    """Dots of a polyline on a canvas of `width` x `height` cells; `dash` counts dot columns on and off."""
    canvas = np.zeros((height * 4, width * 2), np.bool_)
    if width < 1 or height < 1 or len(x) == 0:
        return canvas
    dots, top, bottom = extents(x, y, width * 2, height * 4)
    on, off = dash
    if off:
        shown = dots % (on + off) < on  # by absolute column: a growing curve does not shimmer
        dots, top, bottom = dots[shown], top[shown], bottom[shown]
    edges = np.zeros((height * 4 + 1, width * 2), np.int32)
    np.add.at(edges, (top, dots), 1)
    np.add.at(edges, (bottom + 1, dots), -1)
    canvas[:] = np.cumsum(edges, axis=0)[:-1] > 0
    return canvas


def braille(canvas: Bits) -> Cells:
    """Dots as bit patterns of braille characters (add BRAILLE for the code point), one per cell."""
    height, width = canvas.shape[0] // 4, canvas.shape[1] // 2
    blocks = canvas.reshape(height, 4, width, 2)
    bits: Cells = np.einsum("hrwc,rc->hw", blocks.astype(np.int32), _WEIGHTS)
    return bits


def band(x: Floats, low: Floats, high: Floats, width: int, height: int) -> Bits:
    """Cells whose middle lies between two curves of unit points; gaps where either is NaN."""
    cells = np.zeros((height, width), np.bool_)
    good = np.isfinite(low) & np.isfinite(high) & (x >= 0) & (x <= 1)
    if width < 1 or height < 1 or not good.any():
        return cells
    centres = (np.arange(width) + 0.5) / width
    xs = x[good]
    lower, upper = np.interp(centres, xs, low[good]), np.interp(centres, xs, high[good])
    half = 0.5 / width
    covered = (centres >= xs[0] - half) & (centres <= xs[-1] + half)
    for gap in np.flatnonzero(~good):  # interpolation must not bridge it
        left = x[gap - 1] if gap > 0 else -1.0
        right = x[gap + 1] if gap + 1 < len(x) else 2.0
        covered &= ~((centres > left) & (centres < right))
    middle = 1 - (np.arange(height)[:, None] + 0.5) / height
    cells[:] = covered & (middle >= lower) & (middle <= upper)
    return cells


def nice_step(span: float, count: int) -> float:
    """The 1, 2 or 5 times a power of ten that divides `span` into at most about `count` parts."""
    raw = span / max(1, count)
    if not math.isfinite(raw) or raw <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    return next((m * power for m in (1.0, 2.0, 5.0) if m * power >= raw * (1 - 1e-9)), 10 * power)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers within [low, high], at most about `count` + 1 of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    step = nice_step(high - low, count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first > 10 * count + 10:  # steps below the resolution of the numbers
        return [low]
    return [round(i * step, 12) if abs(i * step) < 1e6 else i * step for i in range(first, last + 1)]


def even_rows(low: float, high: float, rows: int) -> tuple[float, float]:
    """[low, high] widened as little as needed for round numbers to fall on rows, all as many rows apart."""
    best = (low, high)
    least = math.inf
    for step, apart in _even_steps(high - low, rows):
        row = step / apart
        bottom = math.floor(low / row + 1e-9) * row
        top = bottom + (rows - 1) * row
        marks = math.floor(top / step + 1e-9) - math.ceil(bottom / step - 1e-9) + 1
        cost = (top - bottom) * (1.25 if marks < 3 else 1.06 if marks < min(5, rows // 3) else 1.0)
        if top >= high - 1e-9 * row and marks > 1 and cost < least * (1 - 1e-9):
            best, least = (bottom, top), cost
    return best


def row_ticks(low: float, high: float, rows: int) -> list[float]:
    """Round numbers that fall on rows of [low, high], as `even_rows` made it; of another range, as `ticks`."""
    for step, apart in _even_steps(high - low, rows):
        row = step / apart
        bottom = low / row
        if math.isclose(row * (rows - 1), high - low, rel_tol=1e-6) and abs(bottom - round(bottom)) < 1e-6:
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last > first:
                return [round(i * step, 12) if abs(i * step) < 1e6 else i * step for i in range(first, last + 1)]
    return ticks(low, high, max(1, min(6, rows // 2)))


def _even_steps(span: float, rows: int) -> list[tuple[float, int]]:
    """Round steps, and how many rows each may take; from two rows to half of them, the closest marks first."""
    if rows < 5 or not (math.isfinite(span) and span > 0):
        return []
    power = 10.0 ** math.floor(math.log10(span))
    steps = [m * power * scale for scale in (0.1, 1.0) for m in (1.0, 2.0, 2.5, 5.0)]
    return [(step, apart) for apart in range(max(2, rows // 8), rows // 2 + 1) for step in steps]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """1, 2 and 5 times powers of ten within [low, high]; only powers of ten if that is too many."""
    if not (math.isfinite(low) and math.isfinite(high)) or not 0 < low < high:
        return []
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [m * 10.0**p for p in powers for m in (1, 2, 5) if low * 0.999 <= m * 10.0**p <= high * 1.001]
    if len(fine) <= count + 1:
        return fine or [low, high]
    coarse = [10.0**p for p in powers if low * 0.999 <= 10.0**p <= high * 1.001]
    return coarse[:: math.ceil(len(coarse) / (count + 1))] if len(coarse) > 1 else fine[:: math.ceil(len(fine) / count)]


def snap_log(low: float, high: float) -> tuple[float, float]:
    """[low, high] widened to 1, 2 or 5 times powers of ten; both must be above zero."""
    if not (math.isfinite(low) and math.isfinite(high) and 0 < low <= high):
        return 1.0, 10.0
    marks = [m * 10.0**p for p in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
             for m in (1.0, 2.0, 5.0)]  # fmt: skip
    lower = max(mark for mark in marks if mark <= low * (1 + 1e-9))
    return lower, min(mark for mark in marks if mark >= high * (1 - 1e-9) and mark > lower)


def smooth(values: Floats, weight: float) -> Floats:
    """Exponential moving average of `weight`, debiased as TensorBoard's; NaN stays a gap and counts for nothing."""
    smoothed = np.full(len(values), np.nan)
    total = mass = 0.0
    for i, value in enumerate(values):
        if math.isfinite(value):
            total, mass = weight * total + (1 - weight) * value, weight * mass + (1 - weight)
            smoothed[i] = total / mass
    return smoothed


def snap(low: float, high: float, count: int = 6) -> tuple[float, float]:
    """[low, high] widened to round numbers, so that the axis stays put while a curve grows; never empty."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = nice_step(high - low, count)
    if not math.isfinite(step) or low + step == low:
        return low, high
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
