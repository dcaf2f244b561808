"""A scrollbar of one column, drawn by the lists themselves."""

from rich.style import Style
from textual.strip import Strip

from lth_tui.palette import DIM
from lth_tui.strips import strip_of


def thumb(top: int, height: int, total: int) -> tuple[int, int]:
    """First row of the thumb and one past its last, for a window of `height` rows at `top` of `total`."""
    if height <= 0 or total <= height:
        return 0, max(0, height)
    length = max(1, height * height // total)
    first = round((height - length) * top / (total - height))
    return first, first + length


def with_bar(strip: Strip, row: int, place: tuple[int, int], style: Style) -> Strip:
    """A strip with the scrollbar's cell at its end; row: which of the window's rows it is."""
    mark = "┃" if place[0] <= row < place[1] else "│"
    return Strip.join([strip, strip_of([(mark, DIM)], 1, style)])
