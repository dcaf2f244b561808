"""A plot without a terminal: what of a chart is looked at, what its cells hold, what of them is sent again."""

import numpy as np
import pytest
from rich.style import Style
from textual.geometry import Region

from lth_tui import palette
from lth_tui.palette import SKY, Look
from lth_tui.plot import canvas, raster
from lth_tui.plot.chart import GUTTER, Chart, Entry, Series, alike, legend_of, packed, readout
from lth_tui.plot.viewport import Viewport
from lth_tui.strips import text_of

SOLID = Look(SKY, (1, 0), "●", "━━")


def chart(last: float = 10.0, *, points: int = 11, **fields: object) -> Chart:
    x = np.linspace(0, last, points)
    return Chart("title", [Series("winning", SOLID, x, x**2 + 1)], (0.0, 10.0), **fields)  # type: ignore[arg-type]


def view(shown: Chart) -> Viewport:
    made = Viewport()
    made.show(shown)
    return made


def test_the_y_axis_stays_while_a_curve_grows_and_moves_when_it_must() -> None:
    looked = view(chart(9.0, points=10))
    before = looked.vertical_range()
    looked.show(chart(9.5, points=11))
    assert looked.vertical_range() == before and before[1] >= 9.5**2 + 1
    looked.show(chart(20.0))
    assert looked.vertical_range()[1] >= 401
    looked.show(chart(2.0))
    assert looked.vertical_range()[1] <= 10, "a curve that shrinks by half is drawn larger"


def test_zoom_keeps_what_is_under_the_cursor_and_pan_stays_inside() -> None:
    looked = view(chart())
    for at in (0.0, 0.3, 1.0):
        looked.fit()
        value = looked.value_at(at)
        looked.zoom_x(0.5, at)
        assert looked.value_at(at) == pytest.approx(value) and not looked.whole
    looked.pan(50.0)
    assert looked.value_at(1.0) == pytest.approx(10.0)
    looked.pan(-50.0)
    assert looked.value_at(0.0) == pytest.approx(0.0)
    looked.fit()
    assert looked.whole and looked.words == ""


def test_a_logarithmic_axis_has_no_room_for_nothing() -> None:
    x = np.array([0.0, 5.0, 10.0])
    looked = view(Chart(series=[Series("a", SOLID, x, np.array([0.0, 0.5, 200.0]))], x_range=(0.0, 10.0)))
    looked.turn_logarithmic()
    low, high = looked.vertical_range()
    assert 0 < low <= 0.5 and high >= 200 and "log y" in looked.words


def test_charts_are_alike_to_the_last_point_only() -> None:
    assert alike(chart(), chart())
    for other in (chart(9.9), chart(points=12), chart(empty="other"), chart(reference=(1.0, "dense"))):
        assert not alike(chart(), other)
    gap = np.array([1.0, np.nan, 2.0])
    a, b = (Chart(series=[Series("a", SOLID, gap, gap.copy(), low=gap, high=gap)]) for _ in range(2))
    assert alike(a, b)
    c = Chart(series=[Series("a", SOLID, gap, gap, low=None, high=gap)])
    assert not alike(a, c) and not alike(c, a)


def test_only_cells_that_changed_are_sent_again() -> None:
    old = canvas.drawn(view(chart(5.0, points=6, reference=(101.0, "top"))), 12, 60, 0)
    new = canvas.drawn(view(chart(5.2, points=6, reference=(101.0, "top"))), 12, 60, 0)
    sent = list(new.changes(old))
    changed = np.argwhere((old.glyphs != new.glyphs) | (old.inks != new.inks) | (old.grounds != new.grounds))
    assert len(changed) and sum(region.area for region in sent) < 60
    for y, x in changed:
        assert any(region.contains(GUTTER + int(x), int(y)) for region in sent)
    assert list(new.changes(new)) == []


def test_a_changed_label_is_sent_with_its_row() -> None:
    old, new = canvas.blank(3, 10), canvas.blank(3, 10)
    old.labels, new.labels = ["a", "b", "c"], ["a", "x", "c"]
    assert list(new.changes(old)) == [Region(0, 1, GUTTER, 1)]


def test_the_cursor_stands_behind_the_curve() -> None:
    plain = canvas.drawn(view(chart()), 10, 40, 0)
    ruled = plain.with_cursor(1.0)
    column = ruled.glyphs[:, 39]
    drawn = plain.glyphs[:, 39] >= raster.BRAILLE
    assert drawn.any() and (column[~drawn] == ord("╷")).all() and (column[drawn] == plain.glyphs[drawn, 39]).all()
    assert (ruled.glyphs[:, :39] == plain.glyphs[:, :39]).all()


def test_words_of_an_empty_chart_are_never_cut() -> None:
    words = "the lottery curve starts when round 1 has finished"
    for columns in (20, 41, 60):
        drawn = canvas.drawn(view(Chart(empty=words)), 10, columns, 0)
        assert " ".join(" ".join(drawn.text).split()) == words


def test_the_name_of_the_line_is_put_where_it_hides_no_curve() -> None:
    x = np.linspace(5, 10, 20)
    late = Series("late", SOLID, x, np.full(20, 50.0))
    early = Series("early", SOLID, np.array([0.0, 1.0]), np.array([0.0, 100.0]))
    at_the_end = Chart(series=[late, early], x_range=(0.0, 10.0), reference=(50.0, "dense 50"))
    row = next(row for row in canvas.drawn(view(at_the_end), 11, 60, 0).text if "dense 50" in row)
    assert row.index("dense 50") < 25


def test_bands_are_shaded_by_characters_where_colours_are_few() -> None:
    x = np.linspace(0, 10, 11)
    banded = Chart(series=[Series("a", SOLID, x, x, low=x - 5, high=x + 5)], x_range=(0.0, 10.0))
    assert "░" in "".join(canvas.drawn(view(banded), 12, 40, None).text)
    with_colours = canvas.drawn(view(banded), 12, 40, 0x101010)
    assert "░" not in "".join(with_colours.text) and (with_colours.grounds >= 0).any()


@pytest.mark.parametrize("columns", [4, 33, 120])
def test_rows_have_the_width_asked_for(columns: int) -> None:
    drawn = canvas.drawn(view(chart()), 6, columns, 0)
    assert {drawn.strip(y, columns + GUTTER, Style()).cell_length for y in range(6)} == {columns + GUTTER}


@pytest.mark.parametrize("width", [12, 23, 40, 80])
@pytest.mark.parametrize("most", [0, 1, 2, 9])
def test_what_has_no_room_is_counted(width: int, most: int) -> None:
    entries: list[Entry] = [[(f" {name}", Style()), (" 271.777", Style())] for name in ("a", "b", "c", "d", "e")]
    rows = [text_of(row) for row in packed(entries, width, most)]
    assert len(rows) <= most and all(len(row) <= max(width, 14) for row in rows)
    told = " ".join(rows).split()
    left = int(told[-1]) if told and told[-1].startswith("+") else 0
    assert not most or told.count("271.777") + left == len(entries)


def _legend(**ends: float) -> str:
    series = [
        Series(name, SOLID, np.arange(0, end + 1, 1000.0), np.arange(0, end + 1, 1000.0)) for name, end in ends.items()
    ]
    shown = Chart("", series, (0.0, 60_000.0), x_name="steps")
    return " ".join(text_of(entry).strip() for entry in legend_of(shown))


def test_a_legend_compares_at_one_step_or_says_at_which_each_stands() -> None:
    assert _legend(one=36_000, two=60_000) == "at 36k steps: ━━ two 36k ━━ one 36k"
    assert _legend(one=60_000, two=60_000) == "━━ two 60k ━━ one 60k"
    late = Series("two", SOLID, np.array([50_000.0, 60_000.0]), np.array([1.0, 2.0]))
    early = Series("one", SOLID, np.array([0.0, 6_000.0]), np.array([1.0, 3.0]))
    apart = Chart("", [early, late], (0.0, 60_000.0), x_name="steps")
    assert [text_of(entry).strip() for entry in legend_of(apart)] == ["━━ two 2 at 60k steps", "━━ one 3 at 6k steps"]
    point = Series("point", SOLID, np.array([0.0]), np.array([7.0]))
    beside = Chart("", [late, point], (0.0, 60_000.0), x_name="steps")
    assert [text_of(entry).strip() for entry in legend_of(beside)] == ["━━ point 7 at 0 steps", "━━ two 2"]
    again = Series("again", SOLID, np.array([0.0, 0.0]), np.array([7.0, 8.0]))  # the dense network, trained twice
    twice = Chart("", [late, again], (0.0, 60_000.0), x_name="steps")
    assert [text_of(entry).strip() for entry in legend_of(twice)] == ["━━ again 8 at 0 steps", "━━ two 2"]


@pytest.mark.parametrize(("less", "word"), [(True, " (worse)"), (False, " (better)"), (None, "")])
def test_the_gap_names_its_arms_and_says_which_is_better(less: bool | None, word: str) -> None:
    x = np.array([0.0, 1.0])
    series = [
        Series("winning", SOLID, x, np.array([0.0, 498.61668])),
        Series("random", SOLID, x, np.array([0.0, 49.5])),
    ]
    shown = Chart("", series, (0.0, 1.0), x_name="steps", gap=("winning", "random"), less_is_better=less)
    told = "".join(text_of(entry) for entry in readout(shown, 1.0, 1.0, {"winning": x, "random": x}))
    assert told == f"╷ at 1 steps  winning - random +449.1167{word}  random 49.5  winning 498.6167"


def test_nothing_drawn_has_no_numbers_on_its_y_axis() -> None:
    empty = canvas.drawn(view(Chart(empty="nothing yet")), 12, 60, None)
    assert not any(character.isdigit() for label in empty.labels for character in text_of(label))


def test_bands_of_256_colours_are_greys_on_which_every_line_can_be_read() -> None:
    try:
        palette.use(light=False, colours="eight_bit")
        once = palette.band_ground(SKY, 0x121212, 0.24)
        twice = palette.band_ground(palette.ORANGE, once, 0.24)
        for ground in (once, twice):
            assert len(set(palette.unpack(ground))) == 1
            for colour in (SKY, palette.ORANGE, palette.GREEN, palette.PURPLE, palette.YELLOW, palette.VERMILLION):
                light, dark = palette.luminance(colour) + 0.05, palette.luminance(ground) + 0.05
                assert light / dark >= 2, "contrast"
    finally:
        palette.use(light=False)


def test_a_number_stands_once_on_the_x_axis() -> None:
    x = np.array([120_064.0])
    once = Chart("", [Series("one", SOLID, x, np.array([1.0]))], (120_063.0, 120_065.0), x_name="steps")
    words = text_of(canvas.x_axis(view(once), 60)[-1]).split()
    assert words[0] == "steps" and words[1:] and len(set(words)) == len(words)
