"""Layers against rounds: the share of each layer kept, as number and colour; an empty layer is marked `!`."""

import math
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from lth_core.text import plural
from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, PLAIN, dead_ink, ink, viridis, warning_ink
from lth_tui.reading.layers import HeatTable
from lth_tui.strips import Row, Span, strip_of
from lth_tui.widgets.pane import Pane
from lth_tui.words import compact, percent

_WIDE, _TIGHT = 5, 4
_SIZE = 7


class Heatmap(Pane, can_focus=True):
    """Draws a HeatTable with a cursor; the window follows the cursor if not everything fits."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("layers", "down,j", "move(1,0)", "layer down"),
        key("layers", "up,k", "move(-1,0)", "layer up"),
        key("layers", "right,l", "move(0,1)", "round right"),
        key("layers", "left,h", "move(0,-1)", "round left"),
        key("layers", "home,g", "move(-9999,0)", "first layer"),
        key("layers", "end,G", "move(9999,0)", "last layer"),
    ]

    class Moved(Message):
        """The cursor moved to another cell."""

    def __init__(self, id: str | None = None, *, passive: bool = False) -> None:
        super().__init__(id=id)
        self.can_focus = not passive
        self._passive = passive
        self._table = HeatTable()
        self.row = 0
        self.column: int | None = None
        self._top = self._left = 0

    def fill(self, table: HeatTable) -> None:
        """Show `table`; only rows with a changed cell are sent again."""
        old, self._table = self._table, table
        self._clamp()
        if (old.rows, old.rounds) != (table.rows, table.rounds):
            self.refresh()
            return
        changed = {row for row, round in old.cells.keys() | table.cells.keys()
                   if old.cells.get((row, round)) != table.cells.get((row, round))}  # fmt: skip
        regions = [
            Region(0, 2 + row - self._top, self.size.width, 1)
            for row in changed
            if 0 <= row - self._top < self._visible_rows()
        ]
        if old.title != table.title:
            regions.append(Region(0, 0, self.size.width, 1))
        if changed or old.title != table.title:
            regions.append(Region(0, max(0, self.size.height - 1), self.size.width, 1))
            self.refresh(*regions)

    @property
    def here(self) -> int:
        """The round under the cursor; the newest one with tickets until the cursor is moved."""
        if self.column is None:
            return max((round for _, round in self._table.cells), default=0)
        return max(0, min(self._table.rounds, self.column))

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor."""
        self.row += rows
        if columns:
            self.column = self.here + columns
        self._clamp()
        self.refresh()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the cell under the pointer."""
        row, round = self._top + event.y - 2, self._left + (event.x - self._gutter()) // self._cell_width()
        if 0 <= row < len(self._table.rows) and event.x >= self._gutter():
            self.row, self.column = row, round
            self.action_move(0, 0)

    def show_focus(self) -> None:
        """Repaint the title and the row of the cursor, which show the focus."""
        width = self.size.width
        self.refresh(Region(0, 0, width, 1), Region(0, 2 + self.row - self._top, width, 1))

    def on_resize(self) -> None:
        """The window follows the cursor."""
        self._clamp()
        self.refresh()

    def _clamp(self) -> None:
        self.row = max(0, min(self.row, len(self._table.rows) - 1))
        if self.column is not None:
            self.column = max(0, min(self.column, self._table.rounds))
        rows, columns = max(1, self._visible_rows()), max(1, self._visible_columns())
        self._top = max(0, min(max(self._top, self.row - rows + 1), self.row, len(self._table.rows) - 1))
        self._top = max(0, min(self._top, len(self._table.rows) - rows))
        self._left = max(0, min(max(self._left, self.here - columns + 1), self.here))
        self._left = max(0, min(self._left, self._table.rounds + 1 - columns))

    def _visible_rows(self) -> int:
        return self.size.height - (2 if self._passive else 3)

    def _visible_columns(self) -> int:
        return (self.size.width - self._gutter()) // self._cell_width()

    def _name_width(self) -> int:
        longest = max((len(row.layer) for row in self._table.rows), default=5)
        return min(longest, max(8, self.size.width // 3))

    def _cell_width(self) -> int:
        """The width of cells: narrow, without a column of sizes, if that makes all rounds fit."""
        room = self.size.width - self._name_width() - 3 - _SIZE
        return _WIDE if room >= _WIDE * (self._table.rounds + 1) else _TIGHT

    def _gutter(self) -> int:
        gutter = self._name_width() + 3
        fits = self.size.width - gutter - _SIZE >= self._cell_width() * (self._table.rounds + 1)
        return gutter + _SIZE if fits or self.size.width > 100 else gutter

    def detail(self) -> Row:
        """The cell under the cursor in words."""
        if not self._table.rows:
            return ""
        row, cell = self._table.rows[self.row], self._table.cells.get((self.row, self.here))
        shape = "×".join(map(str, row.shape))
        head = f"{row.layer} {shape}{'' if row.prunable else ', not pruned'}, round {self.here}: "
        if cell is None:
            return [(head, BOLD), ("no ticket yet", DIM)]
        words: list[Span] = [(head, BOLD)]
        if cell.share is not None:
            return [*words, (cell.words, PLAIN)]
        if cell.dead:
            none = f"gone in {cell.dead}/{plural(cell.seeds, 'seed')}, "
            words.append((f"! {none}", warning_ink()) if row.is_news else (none, PLAIN))
        if cell.least == cell.most:
            kept = f"kept {cell.least:,} of {row.size:,}, {percent(cell.kept / row.size)} %"
        else:
            kept = f"kept {cell.kept:,.0f} of {row.size:,}, {percent(cell.kept / row.size)} %"
            kept += f" (mean of {cell.seeds} seeds, {cell.least:,} to {cell.most:,})"
        words.append((kept, PLAIN))
        return words

    @property
    def text(self) -> str:
        """What is on screen, as plain text."""
        return "\n".join(self.render_line(y).text for y in range(self.size.height))

    def render_line(self, y: int) -> Strip:
        """Title, round numbers, layers, the cell under the cursor in words."""
        width, style = self.size.width, self.rich_style
        if y == 0:
            return strip_of([(self._table.title, BOLD if self.has_focus else DIM)], width, style)
        if y == self.size.height - 1 and y > 1 and not self._passive:
            return strip_of(self.detail(), width, style)
        if not self._table.rows:
            return strip_of([(f"  {self._table.empty}" if y == 2 else "", DIM)], width, style)
        row = self._header() if y == 1 else self._layer_row(self._top + y - 2)
        return strip_of(row, width, style)

    def _header(self) -> Row:
        columns = range(self._left, min(self._table.rounds + 1, self._left + self._visible_columns()))
        sizes = "  size " if self._gutter() > self._name_width() + 3 else ""
        words: list[Span] = [("  layer".ljust(self._name_width() + 3) + sizes, DIM)]
        wide = self._cell_width() - 1
        words += [(f"{round:>{wide}} ", BOLD if round == self.here else DIM) for round in columns]
        if columns.stop <= self._table.rounds:
            words.append(("▸", DIM))
        return words

    def _layer_row(self, place: int) -> Row:
        if not 0 <= place < len(self._table.rows):
            return ""
        row, name = self._table.rows[place], self._name_width()
        chosen = place == self.row and not self._passive
        dead = row.is_news and any(cell.dead for key, cell in self._table.cells.items() if key[0] == place)
        label = row.layer if len(row.layer) <= name else "…" + row.layer[1 - name :]
        words: list[Span] = [
            ("▶" if chosen else " ", BOLD),
            ("!" if dead else " ", warning_ink()),
            (label.ljust(name + 1), warning_ink() if dead else (BOLD if chosen and self.has_focus else PLAIN)),
        ]
        if self._gutter() > name + 3:
            words.append((f"{compact(row.size):>{_SIZE - 1}} ", DIM))
        stop = min(self._table.rounds + 1, self._left + self._visible_columns())
        wide, marked = self._cell_width() - 1, self.here if chosen else None
        words += [self._cell(place, round, wide, here=round == marked) for round in range(self._left, stop)]
        return words

    def _cell(self, place: int, round: int, wide: int, *, here: bool) -> Span:
        """A round of a layer; `here`: under the cursor."""
        cell = self._table.cells.get((place, round))
        if cell is None:
            return (_marked("·", wide) if here else f"{'·':>{wide}} ", DIM)
        row = self._table.rows[place]
        density = cell.kept / row.size if cell.share is None else cell.share
        if cell.dead and row.is_news:
            word, look = ("!" if cell.dead == cell.seeds else f"!{percent(density)}"), dead_ink()
        else:
            ground, front = viridis(place_on_scale(density))
            word, look = percent(density), ink(front, ground)
        return (_marked(word, wide), look + BOLD) if here else (f"{word:>{wide}} ", look)


def _marked(word: str, wide: int) -> str:
    """The cell under the cursor, visible without colour: `[ 36]`, or `36◂` in narrow cells."""
    return f"[{word:>3}]" if wide == _WIDE - 1 else f"{word:>{wide}}◂"


def place_on_scale(density: float) -> int:
    """Place of a density on the colour scale, 0 to 100: logarithmic, so that 4 % and 1 % look different."""
    return 0 if density <= 0 else max(0, min(100, round(100 * (1 + math.log10(density) / 2.5))))
