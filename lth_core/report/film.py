"""A game's pictures as an animated GIF, or as coloured half blocks for a terminal."""

import io

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
_SHORTEST = 20
"""Milliseconds per frame; viewers play shorter ones more slowly."""


def as_gif(frames: Frames, rate: float) -> bytes:
    """A GIF of frames (n, height, width, 3) at `rate` per second, in real time; at high rates frames are left out."""
    from PIL import Image

    every = max(1, round(rate * _SHORTEST / 1000))
    pictures = [Image.fromarray(frame).convert("P", palette=Image.Palette.ADAPTIVE) for frame in frames[::every]]
    out = io.BytesIO()
    pictures[0].save(
        out, format="GIF", save_all=True, append_images=pictures[1:], duration=round(1000 * every / rate), loop=0
    )  # fmt: skip
    return out.getvalue()


def as_blocks(frame: Frames, columns: int, rows: int) -> str:
    """One picture (height, width, 3) scaled down into columns x rows cells of two pixels each, in 24-bit colour."""
    height, width = frame.shape[:2]
    scale = min(columns / width, 2 * rows / height, 1.0)
    across, down = max(1, int(width * scale)), max(2, int(height * scale) // 2 * 2)
    small = _shrunk(frame, down, across)
    lines = []
    for top, bottom in zip(small[::2], small[1::2], strict=True):
        cells = [
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m▀" for a, b in zip(top, bottom, strict=True)
        ]
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _shrunk(frame: Frames, down: int, across: int) -> Frames:
    """The picture scaled down by means over blocks, so that thin lines do not vanish."""
    rows = np.array_split(frame.astype(np.float32), down)
    squeezed = np.stack([block.mean(axis=0) for block in rows])
    shrunk: Frames = np.stack([part.mean(axis=1) for part in np.array_split(squeezed, across, axis=1)], axis=1).astype(
        np.uint8
    )
    return shrunk
