"""A scrollable, searchable list of rows, which may keep its end in view."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from itertools import chain
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, cursor_ink
from lth_tui.strips import Row, spans_of, strip_of, text_of, wrapped_all
from lth_tui.widgets.pane import Pane
from lth_tui.widgets.scrollbar import thumb, with_bar

_MARK = "▶ "


class ListPane(Pane, can_focus=True):
    """Rows of plain text under a title. With `cursor` a row can be chosen, and the title says which of how many;
    without, keys scroll.

    wrap: break rows that are too long instead of cutting them; the cursor moves by whole rows.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        key("list", "down,j", "move(1)", "down"),
        key("list", "up,k", "move(-1)", "up"),
        key("list", "pagedown,ctrl+d", "page(1)", "page down"),
        key("list", "pageup,ctrl+u", "page(-1)", "page up"),
        key("list", "home,g", "edge(0)", "first"),
        key("list", "end,G", "edge(1)", "last"),
    ]

    class Chosen(Message):
        """The cursor moved to another row, or the row was clicked or entered."""

        def __init__(self, index: int) -> None:
            self.index = index
            super().__init__()

    def __init__(self, title: str, *, cursor: bool = False, follow: bool = False, wrap: bool = False,
                 id: str | None = None) -> None:  # fmt: skip
        super().__init__(id=id)
        self._heading = title
        self._all: list[Row] = []
        self._rows: list[Row] = []
        self._whole: Sequence[int] = ()  # for each shown row, the row it is a piece of
        self._headings: frozenset[int] = frozenset()
        self._wraps = wrap
        self._sought: tuple[str, ...] = ()
        self._has_cursor = cursor
        self._follow = self._follow_wanted = follow  # scrolling back to the end follows again
        self._top = self._found = 0
        self.index = 0
        self._has_height = False

    def put(self, rows: Sequence[Row], title: str | None = None, headings: Collection[int] = ()) -> None:
        """Show these rows; the window stays where it is, or at the end while following.

        headings: places of the rows that are not counted, and that the cursor passes over on its way to others.
        """
        if rows == self._all and title in (None, self._heading):
            return
        self._headings = frozenset(headings)
        old_window, old_heading, old_bar = self._window(), self._heading_text(), self._bar()
        self._all = list(rows)
        self._heading = self._heading if title is None else title
        self._arrange()
        new_window = self._window()
        height, width = max(len(old_window), len(new_window)), self.size.width
        changed = [y + 1 for y in range(height) if old_window[y : y + 1] != new_window[y : y + 1]]
        if old_bar != self._bar():
            changed = list(range(1, self._height() + 1))
        if old_heading != self._heading_text():
            changed.append(0)
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def go_to(self, index: int) -> None:
        """Put the cursor on a row, or if it is a heading on the row after it."""
        self._choose(index, 1)

    def show_row(self, index: int) -> None:
        """Put a row at the top of the window."""
        self._top = bisect_left(self._whole, index)
        self._clamp()
        self._follow = False
        self.refresh()

    def seek(self, words: str) -> None:
        """Show only rows that have all these words."""
        self._sought = tuple(words.lower().split())
        self._arrange()
        self.refresh()

    def _arrange(self) -> None:
        """Choose and break the rows, keep the window inside."""
        found = [row for row in self._all if all(word in text_of(row).lower() for word in self._sought)]
        self._found = len(found)
        room = self.size.width - len(_MARK) * self._has_cursor
        pieces = self._pieces(found, room)
        if self._wraps and sum(map(len, pieces)) > self._height() > 0:
            pieces = self._pieces(found, room - 1)  # the scrollbar takes a column
        self._rows = [piece for row in pieces for piece in row]
        self._whole = [place for place, row in enumerate(pieces) for _ in row]
        self.index = max(0, min(self.index, self._found - 1))
        if self._follow:
            self._top = len(self._rows)
        self._clamp()

    def _pieces(self, rows: Sequence[Row], room: int) -> list[list[Row]]:
        return [wrapped_all([row], room) for row in rows] if self._wraps and room > 0 else [[row] for row in rows]

    def _bar(self) -> tuple[int, int] | None:
        """The scrollbar's thumb; None if all rows fit."""
        scrolls = len(self._rows) > self._height() > 0
        return thumb(self._top, self._height(), len(self._rows)) if scrolls else None

    @property
    def text(self) -> str:
        """All rows as plain text, the title first."""
        return "\n".join([self._heading, *(text_of(row) for row in self._all)])

    def action_move(self, by: int) -> None:
        """Cursor or window down or up."""
        self._go(by)

    def action_page(self, by: int) -> None:
        """A window further."""
        rows = by * max(1, self._height() - 1)
        if self._has_cursor and self._rows:
            first = bisect_left(self._whole, self.index)
            row = self._whole[max(0, min(len(self._rows) - 1, first + rows))]
            if row > self.index + 1 and bisect_right(self._whole, row) > first + self._height():
                row -= 1  # its last piece would push one out that nobody has seen
            rows = row - self.index
        self._go(rows)

    def action_edge(self, end: int) -> None:
        """To the first or the last row."""
        self._go(len(self._rows) if end else -len(self._rows))

    def _go(self, by: int) -> None:
        if self._has_cursor:
            self._choose(self.index + by, -1 if by < 0 else 1)
            return
        self._top += by
        self._clamp()
        self._follow = self._follow_wanted and self._top >= len(self._rows) - self._height()
        self.refresh()

    def on_resize(self) -> None:
        """Break the rows anew; before it had a height, no window was right."""
        if self._has_cursor and not self._has_height:
            self._top = 0
        self._has_height = self._height() > 0
        self._arrange()
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Wheel: three rows."""
        event.stop()
        self._go(1 if self._has_cursor else 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Wheel: three rows."""
        event.stop()
        self._go(-1 if self._has_cursor else -3)

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the pointer."""
        row = self._top + event.y - 1
        if self._has_cursor and 0 <= row < len(self._rows) and event.y > 0:
            self._go(self._whole[row] - self.index)

    def _height(self) -> int:
        return max(0, self.size.height - 1)

    def _choose(self, index: int, step: int) -> None:
        """Put the cursor on a row, or if it is a heading on the next in this direction; below the last entry, on it."""
        index = max(0, min(self._found - 1, index))
        way = chain(range(index, self._found if step > 0 else -1, step), range(index, self._found))
        self.index = next((place for place in way if place not in self._headings), index)
        self.post_message(self.Chosen(self.index))
        self._clamp()
        self.refresh()

    def _place(self) -> str:
        """Which of the entries the cursor is on: `14 of 60`."""
        before = sum(place <= self.index for place in self._headings)
        return f"{max(1, self.index + 1 - before):,} of {self._found - len(self._headings):,}"

    def _clamp(self) -> None:
        height = max(1, self._height())
        if self._has_cursor:
            above = self.index - 1 in self._headings and self.index not in self._headings
            first, end = bisect_left(self._whole, self.index - above), bisect_right(self._whole, self.index)
            self._top = max(min(self._top, first), end - height)
        self._top = max(0, min(self._top, len(self._rows) - height))

    def _window(self) -> list[Row]:
        return self._rows[self._top : self._top + self._height()]

    def _heading_text(self) -> str:
        height, total = self._height(), len(self._rows)
        heading = self._heading
        if self._sought:
            heading += f" with {' '.join(self._sought)}: {self._found:,} of {len(self._all):,}"
        if self._follow_wanted and total:
            heading += " · following" if self._follow else " · G follows again"
        if height <= 0 or not total or (total <= height and not self._has_cursor):
            return heading
        window = f"{self._top + 1:,}-{min(total, self._top + height):,} of {total:,}"
        place = self._place() if self._has_cursor else window
        room = self.size.width - len(place) - 4
        if total <= height and len(heading) > room:
            return heading
        return f"{heading[: max(0, room)]}  ({place})"

    def render_line(self, y: int) -> Strip:
        """The title, then the rows of the window."""
        width, style = self.size.width, self.rich_style
        if y == 0:
            return strip_of([(self._heading_text(), BOLD if self.has_focus else DIM)], width, style)
        place = self._top + y - 1
        if place >= len(self._rows):
            return strip_of("", width, style)
        bar = self._bar()
        strip = self._row_strip(place, width - (bar is not None), style)
        return strip if bar is None else with_bar(strip, y - 1, bar, style)

    def _row_strip(self, place: int, width: int, style: Style) -> Strip:
        row = self._rows[place]
        if not self._has_cursor:
            return strip_of(row, width, style)
        chosen = self._whole[place] == self.index
        mark = _MARK if chosen and place == bisect_left(self._whole, self.index) else " " * len(_MARK)
        return strip_of([(mark, BOLD), *spans_of(row)], width, style + cursor_ink() if chosen else style)
