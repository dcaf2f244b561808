"""Colours and marks: Okabe-Ito for arms, with a dash and a marker each, and viridis for densities."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rich.color import Color
from rich.style import Style

from lth_core.experiment.arms import DENSE

NO_COLOUR = -1
"""Stands for "the terminal's or the widget's own colour" wherever a colour is a packed 0xRRGGBB."""

SKY, ORANGE, GREEN, PURPLE = 0x56B4E9, 0xE69F00, 0x009E73, 0xCC79A7
YELLOW, VERMILLION, BLUE, GREY = 0xF0E442, 0xD55E00, 0x0072B2, 0x8A8A8A

_VIRIDIS = (
    0x440154,
    0x482878,
    0x3E4989,
    0x31688E,
    0x26828E,
    0x1F9E89,
    0x35B779,
    0x6DCD59,
    0xB4DE2C,
    0xFDE725,
)
_STATES = {
    "running": GREEN, "done": SKY, "failed": VERMILLION, "blocked": VERMILLION, "paused": YELLOW,
    "queued": NO_COLOUR, "waiting": NO_COLOUR, "cancelled": GREY,
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How an arm is drawn: colour, dash (sub-columns on, off), marker of points, sample for the legend."""

    colour: int
    dash: tuple[int, int]
    marker: str
    sample: str


_LOOKS = (
    Look(ORANGE, (4, 3), "○", "╍╍"),
    Look(GREEN, (2, 2), "▲", "┅┅"),
    Look(PURPLE, (1, 3), "△", "┈┈"),
    Look(YELLOW, (6, 2), "■", "╌╌"),
    Look(VERMILLION, (3, 1), "□", "╍╍"),
    Look(BLUE, (1, 1), "◆", "┉┉"),
)
_REFERENCE = Look(SKY, (1, 0), "●", "━━")
_DENSE = Look(GREY, (2, 3), "+", "┈┈")


def looks(arms: Sequence[str], reference: str) -> dict[str, Look]:
    """A look per arm: the reference arm is always the solid line, dense the faint one."""
    others = [arm for arm in arms if arm not in (reference, DENSE)]
    found = {arm: _LOOKS[i % len(_LOOKS)] for i, arm in enumerate(others)}
    return {reference: _REFERENCE, **found, DENSE: _DENSE}


_DARKER = {
    SKY: 0x0A6AA8, ORANGE: 0xA86400, GREEN: 0x00704F, PURPLE: 0xA0437A, YELLOW: 0x8A7A00, VERMILLION: 0xB84A00,
    BLUE: 0x00588C, GREY: 0x6A6A6A,
}  # fmt: skip
"""The same colours as text on a light ground."""
_SIXTEEN = {
    SKY: (0x55FFFF, 0x0000AA), ORANGE: (0xAA5500, 0xAA5500), GREEN: (0x55FF55, 0x00AA00), PURPLE: (0xFF55FF, 0xAA00AA),
    YELLOW: (0xFFFF55, 0xAA5500), VERMILLION: (0xFF5555, 0xAA0000), BLUE: (0x5555FF, 0x5555FF),
    GREY: (0xAAAAAA, 0x555555),
}  # fmt: skip
"""The same as colours that sixteen-colour terminals have, on a dark and on a light ground: left to itself, the
nearest of sixteen takes vermillion for yellow and green for the blue of what is done."""
_SIXTEEN_STEPS = (
    (15, 0x0000AA, 0xFFFFFF),
    (45, 0x00AAAA, 0x000000),
    (75, 0x00AA00, 0x000000),
    (100, 0xFFFF55, 0x000000),
)
Range = Literal["all", "eight_bit", "sixteen", "none"]
_light = False
_range: Range = "all"


def use(*, light: bool, colours: Range = "all") -> None:
    """From now on draw for a light or dark background, with all colours, 256, the sixteen of old terminals, or none."""
    global _light, _range
    if (light, colours) != (_light, _range):
        _light, _range = light, colours
        ink.cache_clear()
        viridis.cache_clear()


def few_colours() -> bool:
    """Whether the terminal has too few colours for blending."""
    return _range in ("sixteen", "none")


def cursor_ink() -> Style:
    """The background of the row under the cursor."""
    if _range in ("all", "eight_bit"):
        return ink(background=0xBFD9F2 if _light else 0x264F78)
    return ink(reverse=True) if _range == "none" else ink(background=0xAAAAAA if _light else 0x0000AA)


def warning_ink() -> Style:
    """The style of error text."""
    return ink(VERMILLION, bold=True)


def dead_ink() -> Style:
    """The style of a cell of an empty layer."""
    return ink(bold=True, reverse=True) if _range == "none" else ink(0xFFFFFF, 0xAA0000, bold=True)


@lru_cache(maxsize=4096)
def ink(colour: int = NO_COLOUR, background: int = NO_COLOUR, *, bold: bool = False, dim: bool = False,
        reverse: bool = False) -> Style:  # fmt: skip
    """The rich style of a packed foreground and background; darker as text on a light ground."""
    if _range == "none":
        colour = background = NO_COLOUR
    elif _range == "sixteen":
        colour = _SIXTEEN.get(colour, (colour, colour))[_light]
    elif _light:
        colour = _DARKER.get(colour, colour)
    return Style(
        color=None if colour == NO_COLOUR else Color.from_rgb(*unpack(colour)),
        bgcolor=None if background == NO_COLOUR else Color.from_rgb(*unpack(background)),
        bold=bold or None,
        dim=dim or None,
        reverse=reverse or None,
    )


PLAIN = ink()
BOLD = ink(bold=True)
DIM = ink(dim=True)


def state_ink(state: str) -> Style:
    """The style of a state's glyph and word."""
    return ink(_STATES.get(state, NO_COLOUR), dim=state == "cancelled")


def unpack(colour: int) -> tuple[int, int, int]:
    """0xRRGGBB as three numbers."""
    return colour >> 16 & 255, colour >> 8 & 255, colour & 255


def pack(red: float, green: float, blue: float) -> int:
    """Three numbers as 0xRRGGBB."""
    return round(red) << 16 | round(green) << 8 | round(blue)


def blend(over: int, under: int, share: float) -> int:
    """`over` laid on `under` with opacity `share`."""
    return pack(*(a * share + b * (1 - share) for a, b in zip(unpack(over), unpack(under), strict=True)))


def band_ground(colour: int, under: int, share: float) -> int:
    """The ground of a band in this colour over another ground.

    The nearest of 256 colours to a dark tint is a bright one, in which the line of the band cannot be seen; of greys
    there are enough.
    """
    if _range != "eight_bit":
        return blend(colour, under, share)
    grey = round(luminance(under) ** (1 / 2.2) * 255)
    grey = max(0, grey - 24) if _light else min(72, grey + 22)
    return pack(grey, grey, grey)


@lru_cache(maxsize=256)
def viridis(position: int) -> tuple[int, int]:
    """(background, readable text colour) at `position` of 0 to 100."""
    if _range == "sixteen":
        return next((ground, front) for most, ground, front in _SIXTEEN_STEPS if position <= most or most == 100)
    place = min(100, max(0, position)) / 100 * (len(_VIRIDIS) - 1)
    left = min(int(place), len(_VIRIDIS) - 2)
    colour = blend(_VIRIDIS[left + 1], _VIRIDIS[left], place - left)
    return colour, 0x000000 if luminance(colour) > 0.179 else 0xFFFFFF


def luminance(colour: int) -> float:
    """Relative luminance of a packed colour, 0 to 1 (WCAG 2); above 0.179 black text is more readable than white."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in unpack(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
