"""Braille lines: nothing lost, gaps kept, any input survived."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lth_tui.plot import raster

SIZES = st.tuples(st.integers(1, 60), st.integers(1, 20))
UNITS = st.lists(st.floats(0, 1), min_size=1, max_size=80)


@settings(deadline=None, max_examples=150)
@given(UNITS, st.data(), SIZES)
def test_every_point_lights_its_dot(xs: list[float], data: st.DataObject, size: tuple[int, int]) -> None:
    width, height = size
    x = np.sort(np.array(xs))
    y = data.draw(arrays(np.float64, len(x), elements=st.floats(0, 1)))
    canvas = raster.line(x, y, width, height)
    columns = np.rint(x * (2 * width - 1)).astype(int)
    rows = np.rint((1 - y) * (4 * height - 1)).astype(int)
    assert canvas[rows, columns].all()


@settings(deadline=None, max_examples=150)
@given(UNITS, SIZES)
def test_a_line_without_gaps_leaves_no_empty_column(xs: list[float], size: tuple[int, int]) -> None:
    x = np.sort(np.array(xs))
    canvas = raster.line(x, np.linspace(0, 1, len(x)), *size)
    drawn = np.flatnonzero(canvas.any(axis=0))
    assert len(drawn) == drawn[-1] - drawn[0] + 1
    for left, right in itertools.pairwise(drawn):  # neighbours touch: the curve is one piece
        assert np.abs(np.flatnonzero(canvas[:, left])[:, None] - np.flatnonzero(canvas[:, right])).min() <= 1


@settings(deadline=None, max_examples=200)
@given(
    arrays(np.float64, st.integers(0, 50), elements=st.floats(width=64)), st.integers(0, 40), st.integers(0, 12),
    st.floats(width=64), st.floats(width=64), st.booleans(),
)  # fmt: skip
def test_any_numbers_are_survived(y: np.ndarray, width: int, height: int, low: float, high: float, log: bool) -> None:
    x = np.linspace(0, 1, len(y))
    unit = raster.to_unit(y, low, high, log=log)
    assert raster.line(x, unit, width, height, (2, 1)).shape == (4 * height, 2 * width)
    assert raster.band(x, unit, unit, width, height).shape == (height, width)
    raster.snap(low, high)
    assert len(raster.ticks(min(low, high), max(low, high), 5)) <= 61


def test_not_a_number_is_a_gap() -> None:
    x, y = np.linspace(0, 1, 11), np.full(11, 0.5)
    y[4:7] = np.nan
    columns = raster.line(x, y, 50, 4).any(axis=0)
    assert columns[:30].all() and not columns[31:68].any() and columns[70:].all()
    band = raster.band(x, y - 0.3, y + 0.3, 50, 4).any(axis=0)
    assert band[:14].all() and not band[16:34].any() and band[36:].all()


@given(arrays(np.bool_, (12, 10)))
def test_braille_patterns_hold_every_dot(canvas: np.ndarray) -> None:
    offsets = {(0, 0): 0, (1, 0): 1, (2, 0): 2, (0, 1): 3, (1, 1): 4, (2, 1): 5, (3, 0): 6, (3, 1): 7}
    bits = raster.braille(canvas)
    for (row, column), bit in offsets.items():
        assert (canvas[row::4, column::2] == (bits >> bit & 1)).all()


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_the_axis_snaps_outward_and_little(low: float, span: float) -> None:
    bottom, top = raster.snap(low, low + span)
    slack = 1e-6 * max(abs(low), span, 1)
    assert bottom <= low + slack and top >= low + span - slack
    assert top - bottom <= 1.9 * span + 2 * slack or span < 1e-6 * abs(low)


def test_a_descending_logarithmic_axis() -> None:
    assert raster.to_unit([1.0, 0.1, 0.01, 0.0], 1.0, 0.01, log=True)[:3].round(9).tolist() == [0, 0.5, 1]
    assert np.isnan(raster.to_unit([0.0], 1.0, 0.01, log=True)[0])


@given(st.floats(1e-6, 1e9), st.floats(1.0, 1e6))
def test_a_logarithmic_axis_holds_what_it_must_and_is_round(low: float, factor: float) -> None:
    high = low * factor
    left, right = raster.snap_log(low, high)
    assert left <= low * (1 + 1e-6) and right >= high * (1 - 1e-6) and left < right
    marks = raster.log_ticks(left, right, 6)
    assert 1 <= len(marks) <= 8 and marks == sorted(marks)
    assert all(left * 0.99 <= mark <= right * 1.01 for mark in marks)


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), max_size=40), st.sampled_from([0.5, 0.9, 0.99]))
def test_smoothing_stays_within_the_values_and_keeps_gaps(values: list[float], weight: float) -> None:
    data = np.array(values, np.float64)
    smoothed = raster.smooth(data, weight)
    good = np.isfinite(data)
    assert (np.isfinite(smoothed) == good).all()
    if good.any():
        slack = 1e-6 * max(1.0, np.abs(data[good]).max())
        assert smoothed[good].min() >= data[good].min() - slack and smoothed[good].max() <= data[good].max() + slack
        assert smoothed[good][0] == pytest.approx(data[good][0])


@pytest.mark.parametrize("rows", [5, 7, 10, 13, 25, 40])
@pytest.mark.parametrize(("low", "high"), [(0, 500), (100, 460), (-1.3, 0.2), (4.1, 4.9), (-300, -80), (2, 2.0001)])
def test_marks_of_the_y_axis_are_as_many_rows_apart(low: float, high: float, rows: int) -> None:
    bottom, top = raster.even_rows(*raster.snap(low, high), rows)
    marks = raster.row_ticks(bottom, top, rows)
    places = [(1 - unit) * (rows - 1) for unit in raster.to_unit(marks, bottom, top)]
    assert bottom <= low and high <= top and len(marks) > 1
    assert all(abs(place - round(place)) < 1e-6 for place in places)
    assert len({round(b - a) for a, b in itertools.pairwise(places)}) == 1
