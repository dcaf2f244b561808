"""Screens as one animated SVG: no script, no font, no file beside it. It moves wherever a picture is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from textual.strip import Strip

CELL, LINE, SIZE, MARGIN = 8.4, 17, 14, 10
"""Of a character: its width, the height of its line, the size of the font; and the margin, all in pixels."""
_BACK, _FRONT = "#121212", "#e0e0e0"


@dataclass(frozen=True)
class Frame:
    """A screen, what was pressed to get there, and for how many seconds it is shown."""

    rows: Sequence[Strip]
    caption: str
    seconds: float


def animated(frames: Sequence[Frame], title: str) -> str:
    """The frames one after the other, over and over; the last one alone where motion is not wanted.

    Raises ValueError without frames. All have the size of the first.
    """
    if not frames:
        raise ValueError("no frames")
    width = frames[0].rows[0].cell_length * CELL + 2 * MARGIN
    height = (len(frames[0].rows) + 2) * LINE + 2 * MARGIN
    known: dict[str, str] = {}
    shown = [_frame(frame, number * width, height, known) for number, frame in enumerate(frames)]
    kept = "".join(f'<g id="{name}">{row}</g>' for row, name in known.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">'
        f"<title>{escape(title)}</title><style>{_moves(frames, width)}</style>"
        f'<defs>{kept}</defs><rect width="100%" height="100%" rx="8" fill="{_BACK}"/>'
        f'<g class="film">{"".join(shown)}</g></svg>\n'
    )


def _moves(frames: Sequence[Frame], width: float) -> str:
    """The frames stand side by side, and all of them jump to the left by one at a time."""
    whole, passed, steps = sum(frame.seconds for frame in frames), 0.0, []
    for number, frame in enumerate(frames):
        steps.append(f"{100 * passed / whole:.2f}%{{transform:translateX({-number * width:.0f}px)}}")
        passed += frame.seconds
    last = -(len(frames) - 1) * width
    return (
        f"text{{font:{SIZE}px 'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}}.b{{font-weight:bold}}"
        f".film{{animation:film {whole:.1f}s step-end infinite}}@keyframes film{{{''.join(steps)}}}"
        f"@media(prefers-reduced-motion:reduce){{.film{{animation:none;transform:translateX({last:.0f}px)}}}}"
    )


def _frame(frame: Frame, left: float, height: float, known: dict[str, str]) -> str:
    uses = []
    for number, strip in enumerate(frame.rows):
        row = _row(strip)
        if row:  # equal rows are stored once
            name = known.setdefault(row, f"r{len(known)}")
            uses.append(f'<use href="#{name}" y="{number * LINE}"/>')
    caption = f'<text x="0" y="{height - 2 * MARGIN - 3}" fill="#f0c419" class="b">{escape(frame.caption)}</text>'
    return f'<g transform="translate({left + MARGIN:.0f} {MARGIN})">{"".join(uses)}{caption}</g>'


def _row(strip: Strip) -> str:
    """Backgrounds and texts of a row; empty if nothing is seen on it."""
    backs, texts, column = [], [], 0
    for text, style, _ in strip:
        cells = cell_len(text)
        front, back, bold = _look(style or Style.null())
        if back != _BACK:
            backs.append(f'<rect x="{column * CELL:.1f}" width="{cells * CELL:.1f}" height="{LINE}" fill="{back}"/>')
        if inked := text.strip():
            before = cell_len(text[: len(text) - len(text.lstrip())])
            texts.append(
                f'<text x="{(column + before) * CELL:.1f}" y="{LINE - 4}" textLength="{cell_len(inked) * CELL:.1f}" '
                f'lengthAdjust="spacingAndGlyphs" fill="{front}"{" class=" + chr(34) + "b" + chr(34) if bold else ""}>'
                f"{escape(inked)}</text>"
            )
        column += cells
    return "".join([*backs, *texts])


def _look(style: Style) -> tuple[str, str, bool]:
    """Colour of the text and of the background, and whether the text is bold."""
    front, back = _hex(style.color, _FRONT), _hex(style.bgcolor, _BACK)
    if style.reverse:
        front, back = back, front
    return front, back, bool(style.bold)


def _hex(color: Color | None, default: str) -> str:
    return default if color is None or color.is_default else color.get_truecolor().hex
