"""Screens as one animated SVG: well-formed, everything in it once, the right screen at the right time."""

import re
from xml.etree import ElementTree

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from lth_tui.animation import CELL, LINE, MARGIN, Frame, animated

SVG = "{http://www.w3.org/2000/svg}"


def screen(*rows: str, style: str = "") -> list[Strip]:
    return [Strip([Segment(row.ljust(20), Style.parse(style))]) for row in rows]


def parsed(*frames: Frame) -> ElementTree.Element:
    return ElementTree.fromstring(animated(frames, "a < b"))  # noqa: S314  # our own


def test_text_is_escaped_and_has_the_width_of_its_cells() -> None:
    image = parsed(Frame(screen("  a<b&c", ""), "press <enter>", 1.0))
    (text,) = [one for one in image.iter(f"{SVG}text") if one.text == "a<b&c"]
    assert float(text.attrib["x"]) == pytest.approx(2 * CELL) and float(text.attrib["textLength"]) == 5 * CELL
    assert [one.text for one in image.iter(f"{SVG}title")] == ["a < b"]
    assert any(one.text == "press <enter>" for one in image.iter(f"{SVG}text"))


def test_equal_rows_are_stored_once_and_used_where_they_stand() -> None:
    image = parsed(Frame(screen("same", "one"), "", 1.0), Frame(screen("two", "same"), "", 1.0))
    kept = {"".join(one.itertext()): one.attrib["id"] for one in image.find(f"{SVG}defs") or ()}
    assert set(kept) == {"same", "one", "two"}
    uses = [(one.attrib["href"], one.attrib["y"]) for one in image.iter(f"{SVG}use")]
    assert uses == [(f"#{kept['same']}", "0"), (f"#{kept['one']}", f"{LINE}"), (f"#{kept['two']}", "0"),
                    (f"#{kept['same']}", f"{LINE}")]  # fmt: skip


def test_each_frame_is_shown_for_its_time_and_the_last_one_alone_without_motion() -> None:
    frames = [Frame(screen(str(number)), "", seconds) for number, seconds in enumerate((1.0, 2.0, 1.0))]
    style = animated(frames, "")
    width = 20 * CELL + 2 * MARGIN
    steps = re.findall(r"([\d.]+)%\{transform:translateX\((-?\d+)px\)\}", style)
    assert steps == [("0.00", "0"), ("25.00", f"{-width:.0f}"), ("75.00", f"{-2 * width:.0f}")]
    assert f"reduce){{.film{{animation:none;transform:translateX({-2 * width:.0f}px)" in style


def test_colours_reverse_and_bold_are_kept() -> None:
    image = parsed(
        Frame(screen("bold", style="bold #ff0000 on #00ff00"), "", 1),
        Frame(screen("turned", style="reverse #ff0000 on #00ff00"), "", 1),
    )
    looks = {one.text: (one.attrib["fill"], one.get("class")) for one in image.iter(f"{SVG}text") if one.text}
    assert looks == {"bold": ("#ff0000", "b"), "turned": ("#00ff00", None)}
    assert {one.attrib["fill"] for one in image.iter(f"{SVG}rect")} == {"#121212", "#00ff00", "#ff0000"}


def test_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        animated([], "")
