"""Digits drawn on the user's machine, from the faces that come with matplotlib: a data set without a download.

Each picture is a glyph, bent by an affine and an elastic distortion, of varied weight, crossed by a faint stroke now
and then, with noise. Every picture follows from its part and number alone, by named streams.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lth_core.randomness import stream

SIZE, CLASSES = 28, 10
COUNTS = {"train": 20_000, "test": 5_000}
FORMAT = 1
"""Increased whenever the same versions would draw other pictures."""
FACES = tuple(
    f"DejaVu{family}.ttf"
    for family in (
        "Sans", "Sans-Bold", "Sans-Oblique", "Sans-BoldOblique", "SansMono", "SansMono-Bold", "SansMono-Oblique",
        "SansMono-BoldOblique", "Serif", "Serif-Bold", "Serif-Italic", "Serif-BoldItalic",
    )
)  # fmt: skip
_GLYPH, _POINTS = 64, 58
"""Side of the square that a glyph is drawn in, and its size in it."""
_TOGETHER = 500
"""Pictures drawn at once; part of the format, since they share a stream."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pictures:
    """Pictures (n, 1, 28, 28) and their digits (n,), both uint8."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


def drawn(part: str) -> Iterator[Pictures]:
    """All pictures of a part, some at a time: the same on every machine with the same Pillow, matplotlib and numpy."""
    glyphs = _glyphs()
    for place in range(COUNTS[part] // _TOGETHER):
        yield _some(glyphs, stream(0, "digits", part, place))


def versions() -> dict[str, str]:
    """What the pictures depend on beside this file."""
    import matplotlib
    import PIL

    return {"pillow": PIL.__version__, "matplotlib": matplotlib.__version__, "numpy": np.__version__}


def _glyphs() -> Floats:
    """Every digit in every face, (faces, 10, 64, 64) in [0, 1], its middle in the middle."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = np.zeros((len(FACES), CLASSES, _GLYPH, _GLYPH), np.float32)
    for i, face in enumerate(FACES):
        # The basic layout is part of Pillow itself; the other one is a library that machines differ in.
        font = ImageFont.truetype(str(fonts / face), _POINTS, layout_engine=ImageFont.Layout.BASIC)
        for digit in range(CLASSES):
            image = Image.new("L", (_GLYPH, _GLYPH))
            left, top, right, bottom = font.getbbox(str(digit))
            at = ((_GLYPH - left - right) / 2, (_GLYPH - top - bottom) / 2)
            ImageDraw.Draw(image).text(at, str(digit), fill=255, font=font)
            found[i, digit] = np.asarray(image, np.float32) / 255
    return found


def _some(glyphs: Floats, rng: np.random.Generator) -> Pictures:
    n = _TOGETHER
    faces, labels = rng.integers(0, len(glyphs), n), rng.integers(0, CLASSES, n)
    images = _sampled(glyphs[faces, labels], _bent(_turned(rng, n), rng))
    # The weight of the line: ink is what lies above a threshold, softly.
    threshold = rng.uniform(0.3, 0.65, (n, 1, 1)).astype(np.float32)
    images = np.clip((_blurred(images) - threshold) * 3 + 0.5, 0, 1)
    images = np.maximum(images, _strokes(rng, n))
    images = images * rng.uniform(0.5, 1, (n, 1, 1)).astype(np.float32)
    images += rng.normal(0, 1, images.shape).astype(np.float32) * rng.uniform(0.02, 0.12, (n, 1, 1)).astype(np.float32)
    return Pictures((np.clip(images, 0, 1) * 255).round().astype(np.uint8)[:, None], labels.astype(np.uint8))


def _turned(rng: np.random.Generator, n: int) -> Floats:
    """For every pixel of n pictures the place in the glyph that it shows, (n, 2, 28, 28): an affine distortion."""
    angle, shear = rng.normal(0, 0.1, n), rng.normal(0, 0.1, n)
    wide, high = np.exp(rng.normal(0, 0.08, (2, n)))
    moved = rng.normal(0, 0.8, (2, n, 1, 1))
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[wide * cosine, wide * (shear * cosine - sine)], [high * sine, high * (shear * sine + cosine)]])
    axis = (np.arange(SIZE) - (SIZE - 1) / 2) * _GLYPH / SIZE
    y, x = np.meshgrid(axis, axis, indexing="ij")
    own = matrix.transpose(2, 0, 1)[:, :, :, None, None]
    found = own[:, :, 0] * x + own[:, :, 1] * y + moved.transpose(1, 0, 2, 3) * _GLYPH / SIZE
    return (found + (_GLYPH - 1) / 2).astype(np.float32)


def _bent(places: Floats, rng: np.random.Generator) -> Floats:
    """An elastic distortion: random shifts at 5 x 5 points, smooth between them (after Simard et al. 2003)."""
    coarse = rng.normal(0, 2.0, (len(places), 2, 5, 5)).astype(np.float32)
    at = np.linspace(0, 4, SIZE)
    low = np.minimum(at.astype(int), 3)
    part = at - low
    part = part * part * (3 - 2 * part)
    spread = np.zeros((SIZE, 5), np.float32)
    spread[np.arange(SIZE), low], spread[np.arange(SIZE), low + 1] = 1 - part, part
    found: Floats = places + np.einsum("yi,ncij,xj->ncyx", spread, coarse, spread, optimize=True)
    return found


def _sampled(glyphs: Floats, places: Floats) -> Floats:
    """The glyphs (n, 64, 64) at the places (n, 2, 28, 28), between pixels; empty outside."""
    edge = np.pad(glyphs, ((0, 0), (1, 1), (1, 1)))
    x, y = (np.clip(places[:, axis] + 1, 0, _GLYPH + 0.999) for axis in (0, 1))
    left, top = x.astype(np.int64), y.astype(np.int64)
    right, below = x - left, y - top
    rows = np.arange(len(glyphs))[:, None, None]
    upper = edge[rows, top, left] * (1 - right) + edge[rows, top, left + 1] * right
    lower = edge[rows, top + 1, left] * (1 - right) + edge[rows, top + 1, left + 1] * right
    found: Floats = (upper * (1 - below) + lower * below).astype(np.float32)
    return found


def _blurred(images: Floats) -> Floats:
    """Each pixel with half of its neighbours' ink."""
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    rows = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    found: Floats = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16
    return found


def _strokes(rng: np.random.Generator, n: int) -> Floats:
    """A straight stroke across a quarter of the pictures, (n, 28, 28), of varied darkness."""
    angle, offset = rng.uniform(0, np.pi, (n, 1, 1)), rng.normal(0, 6, (n, 1, 1))
    dark = rng.uniform(0.3, 0.7, (n, 1, 1)) * (rng.random((n, 1, 1)) < 1 / 4)
    axis = np.arange(SIZE) - (SIZE - 1) / 2
    away = np.abs(np.cos(angle) * axis[:, None] + np.sin(angle) * axis - offset)
    found: Floats = (np.clip(1.4 - away, 0, 1) * dark).astype(np.float32)
    return found
