"""Styled rows as strips of exact width: the only place where text becomes cells, and is made safe to print."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from lth_core.text import one_line
from lth_tui.palette import PLAIN

Span = tuple[str, Style]
Row = str | Sequence[Span]


def spans_of(row: Row) -> Sequence[Span]:
    """A row as spans; a plain string is one span without style."""
    return ((row, PLAIN),) if isinstance(row, str) else row


def strip_of(row: Row, width: int, style: Style) -> Strip:
    """`row` on `style`, cut with an ellipsis or padded to `width` cells; never a segment without a style."""
    segments = [Segment(text if text.isprintable() else one_line(text), style + own) for text, own in spans_of(row)]
    strip = Strip(segments)
    if strip.cell_length > width > 0:
        cut = strip.crop(0, width - 1)
        last = segments[-1].style if segments else style
        return Strip([*cut, Segment("…", last)]).adjust_cell_length(width, style)
    return strip.adjust_cell_length(max(0, width), style)


def changed_cells(old: Row, new: Row, width: int) -> tuple[int, int] | None:
    """First and one past the last cell that differ when `old` gives way to `new`; None if nothing does."""
    if old == new:
        return None
    before, after = _cells(old), _cells(new)
    if not (text_of(old) + text_of(new)).isascii() and any(cell_len(c) != 1 for c, _ in (*before, *after)):
        return 0, width  # positions and cells differ
    if (len(before) > width) != (len(after) > width):
        return 0, width
    if len(before) > width:  # both are cut with an ellipsis
        before, after = before[: width - 1], after[: width - 1]
    length = max(len(before), len(after))
    blank = [(" ", PLAIN)]
    before, after = (cells + blank * (length - len(cells)) for cells in (before, after))
    places = [place for place, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    return (places[0], places[-1] + 1) if places else None


def _cells(row: Row) -> list[tuple[str, Style]]:
    return [(character, style) for text, style in spans_of(row) for character in text]


def text_of(row: Row) -> str:
    """The characters of a row."""
    return "".join(text for text, _ in spans_of(row))


def wrapped_all(rows: Sequence[Row], width: int) -> list[Row]:
    """The rows, with those that are too long wrapped; continuation lines are indented to the last span."""
    result: list[Row] = []
    for row in rows:
        spans = list(spans_of(row))
        if sum(cell_len(text) for text, _ in spans) <= width or width < 8:
            result.append(row)
            continue
        *head, (text, style) = spans
        indent = min(sum(cell_len(words) for words, _ in head), width // 2)
        first, *rest = _pieces(text, width - sum(cell_len(words) for words, _ in head), width - indent)
        result += [[*head, (first, style)], *([(" " * indent + piece, style)] for piece in rest)]
    return result


def _pieces(text: str, first: int, others: int) -> list[str]:
    """Text in pieces of at most this many cells, cut at a space (which is dropped) if there is one near."""
    pieces, room = [], max(0, first)
    while cell_len(text) > room:
        cut = room if cell_len(text) == len(text) else room // 2  # a character takes at most two cells
        space = text.rfind(" ", max(1, cut - 24), cut + 1)
        cut = space if space > 0 else cut
        pieces.append(text[:cut])
        text, room = text[cut:].removeprefix(" "), max(8, others)
    return [*pieces, text]


def wrap_hints(text: str, width: int) -> list[str]:
    """Hints, two spaces apart, in lines of at most `width` characters; none is broken."""
    lines: list[str] = []
    for hint in text.split("  "):
        if lines and len(lines[-1]) + 2 + len(hint) <= width:
            lines[-1] += f"  {hint}"
        else:
            lines.append(hint)
    return lines


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Words of `text` in lines of at most `width` characters, all but the first indented."""
    if width < 8:
        return [text]
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
