"""Curves with bands as braille dots; only changed cells are sent to the terminal."""

from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from lth_tui.keys import key
from lth_tui.palette import BOLD, DIM, few_colours, pack
from lth_tui.plot import canvas
from lth_tui.plot.canvas import Canvas
from lth_tui.plot.chart import GUTTER, Chart, Entry, alike, legend_at, legend_of, packed, readout
from lth_tui.plot.viewport import Viewport
from lth_tui.strips import Row, strip_of, text_of
from lth_tui.widgets.pane import Pane


class LinePlot(Pane, can_focus=True):
    """Draws a Chart under its title, with axes and legend; keys zoom, pan, and move a cursor that shows values."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("curves", "plus,equals_sign", "zoom_x(0.6667)", "zoom in", display="+"),
        key("curves", "minus", "zoom_x(1.5)", "zoom out", display="-"),
        key("curves", "left_curly_bracket", "zoom_y(0.6667)", "stretch the y axis", display="{"),
        key("curves", "right_curly_bracket", "zoom_y(1.5)", "squeeze the y axis", display="}"),
        key("curves", "right,l", "pan(1)", "to the right"),
        key("curves", "left,h", "pan(-1)", "to the left"),
        key("curves", "L,shift+right", "pan(10)", "far to the right", display="L"),
        key("curves", "H,shift+left", "pan(-10)", "far to the left", display="H"),
        key("curves", "0", "fit", "show all"),
        key("curves", "Y", "log_y", "logarithmic y axis", display="Y"),
        key("curves", "v", "inspect", "cursor", show=True),
        key("curves", "escape", "inspect_end", "end the cursor"),
    ]

    class Toggled(Message):
        """An entry of the legend was clicked."""

        def __init__(self, label: str) -> None:
            self.label = label
            super().__init__()

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._view = Viewport()
        self._cursor: float | None = None
        self._told = 0  # most rows that the cursor needed, so that the canvas keeps its height while it moves
        self._feet: list[Row] = []
        self._canvas = self._plain = canvas.blank(0, 0)
        self._heading_shown = ""
        self._held: int | None = None  # the column at which the mouse holds the curves
        self._dragged = self._chosen = False

    def draw(self, chart: Chart, *, fresh: bool = False) -> None:
        """Show `chart`; `fresh` forgets the y axis of the previous one (another job, another round)."""
        if fresh or not alike(chart, self._view.chart):
            self._view.show(chart, fresh=fresh)
            self._paint()

    @property
    def chart(self) -> Chart:
        """The chart that is shown."""
        return self._view.chart

    @property
    def in_use(self) -> bool:
        """Whether it has a cursor, or shows only a part."""
        return self._cursor is not None or not self._view.untouched

    @property
    def cursor_text(self) -> str:
        """The values at the cursor; empty without a cursor."""
        if self._cursor is None:
            return ""
        return "".join(text_of(entry) for entry in self._readout(self._cursor))

    @property
    def text(self) -> str:
        """What is on screen, as plain text."""
        return "\n".join([self._heading(), *self._canvas.text, *map(text_of, self._feet)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape belongs to the page unless there is a cursor to end."""
        return self._cursor is not None if action == "inspect_end" else True

    def action_zoom_x(self, factor: float) -> None:
        """A shorter or longer part of the x axis, around the cursor or the middle."""
        self._view.zoom_x(factor, 0.5 if self._cursor is None else self._cursor)
        self._paint()

    def action_zoom_y(self, factor: float) -> None:
        """A shorter or longer part of the y axis, around its middle."""
        self._view.zoom_y(factor)
        self._paint()

    def action_pan(self, by: int) -> None:
        """Move the cursor by columns, or without one the part of the x axis that is shown by tenths."""
        if self._cursor is None:
            self._view.pan(by / 10)
        else:
            self._cursor = min(1.0, max(0.0, self._cursor + by / max(1, self._canvas.columns - 1)))
        self._paint(moved=self._cursor is not None)

    def action_fit(self) -> None:
        """All of both axes."""
        self._view.fit()
        self._paint()

    def action_log_y(self) -> None:
        """Logarithmic y axis, or linear again."""
        self._view.turn_logarithmic()
        self._paint()

    def action_inspect(self) -> None:
        """A cursor that tells exact values, or none."""
        self._cursor = 0.5 if self._cursor is None else None
        self._paint()
        self.refresh_bindings()

    def action_inspect_end(self) -> None:
        """No cursor."""
        if self._cursor is not None:
            self.action_inspect()

    def point_at(self, place: float | None) -> None:
        """A cursor at a place from 0 to 1 of the x axis, or none: for plots whose cursors move together."""
        if place != self._cursor:
            moved = place is not None and self._cursor is not None
            self._cursor = place
            self._paint(moved=moved)

    def choose(self, chosen: bool) -> None:
        """Show in the title whether this is the chosen one of several plots."""
        if chosen != self._chosen:
            self._chosen = chosen
            self.show_focus()

    def on_click(self, event: events.Click) -> None:
        """On the legend: hide the curve, or show it again. Else the cursor goes to the column under the pointer."""
        columns, below = self._canvas.columns, event.y - 3 - self._canvas.rows
        if self._dragged or not self.can_focus:
            return
        if below >= 0:
            self._click_below(below, event.x)
        elif columns > 1 and event.x >= GUTTER:
            self._cursor = min(1.0, (event.x - GUTTER) / (columns - 1))
            self._paint()
            self.refresh_bindings()

    def _click_below(self, row: int, x: int) -> None:
        told = 0 if self._cursor is None else self._told
        label = legend_at(self.chart, self.size.width, len(self._feet) - 2 - told, row - told, x)
        if label is not None:
            self.post_message(self.Toggled(label))

    def _share(self, x: int) -> float:
        """A column as a place on the x axis."""
        return min(1.0, max(0.0, (x - GUTTER) / max(1, self._canvas.columns - 1)))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Wheel: zoom in around the pointer."""
        self._wheel(event, 0.8)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Wheel: zoom out."""
        self._wheel(event, 1.25)

    def _wheel(self, event: events.MouseEvent, factor: float) -> None:
        if self.can_focus:
            event.stop()
            self._view.zoom_x(factor, self._share(event.x))
            self._paint()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the curves."""
        self._dragged = False
        if self.can_focus and event.button == 1 and event.y <= self._canvas.rows:
            self._held = event.x
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the part of the x axis that is shown."""
        if self._held is not None and event.x != self._held:
            self._view.pan((self._held - event.x) / max(1, self._canvas.columns - 1))
            self._held, self._dragged = event.x, True
            self._paint()

    def on_mouse_up(self) -> None:
        """Let go."""
        if self._held is not None:
            self._held = None
            self.release_mouse()

    def on_resize(self) -> None:
        """Rasterise again for the new size."""
        self._told = 0
        self._paint()
        self.refresh()

    def recolour(self) -> None:
        """Draw again in other colours."""
        self._paint()
        self.refresh()

    def _readout(self, cursor: float) -> list[Entry]:
        places = {series.label: self._view.place(series.x) for series in self.chart.shown if not series.faint}
        return readout(self.chart, self._view.value_at(cursor), cursor, places)

    def _heading(self) -> str:
        chart, more = self.chart, self._view.words
        room = self.size.width - len(more)
        title = chart.title if len(chart.title) <= room else chart.brief or chart.title
        return (title if len(title) <= room else title[: max(0, room - 1)] + "…") + more

    def _paint(self, *, moved: bool = False) -> None:
        """Draw; `moved`: only the cursor is at another place."""
        width, height = self.size.width, self.size.height
        if not self.is_mounted or width < 1 or height < 1:
            return
        old_feet, old, old_heading = self._feet, self._canvas, self._heading_shown
        words = self._words_below(width, height)
        rows, columns = height - 1 - len(words) - 2, width - GUTTER
        if rows < 2 or columns < 4:
            self._feet, self._canvas = [], canvas.blank(max(0, height - 1), width)
        else:
            if not moved or self._plain.rows != rows:
                ground = None if few_colours() else pack(*self.background_colors[1].rgb)
                self._plain = canvas.drawn(self._view, rows, columns, ground)
            self._canvas = self._plain if self._cursor is None else self._plain.with_cursor(self._cursor)
            self._feet = [*canvas.x_axis(self._view, columns), *words]
        self._heading_shown = self._heading()
        self._send_changes(old_heading, old, old_feet)

    def _words_below(self, width: int, height: int) -> list[Row]:
        """The values at the cursor, then the legend, leaving at least two rows to the curves."""
        room = max(0, height - 5)
        told: list[Row] = []
        if self._cursor is None:
            self._told = 0
        else:
            told = packed(self._readout(self._cursor), width, min(room, max(2, height // 4)))
            self._told = max(self._told, len(told))
            told += [""] * (self._told - len(told))
        return [*told, *packed(legend_of(self.chart), width, min(room - len(told), max(1, height // 7)))]

    def _send_changes(self, old_heading: str, old: Canvas, old_feet: list[Row]) -> None:
        if old.glyphs.shape != self._canvas.glyphs.shape or len(old_feet) != len(self._feet):
            self.refresh()
            return
        width, below = self.size.width, 1 + self._canvas.rows
        regions = [region.translate((0, 1)) for region in self._canvas.changes(old)]
        regions += [
            Region(0, below + y, width, 1) for y, (a, b) in enumerate(zip(old_feet, self._feet, strict=True)) if a != b
        ]
        if old_heading != self._heading_shown:
            regions.append(Region(0, 0, width, 1))
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """Title, canvas with its axis, x axis, legend."""
        width, style = self.size.width, self.rich_style
        if y < 1:
            mark = "▶ " if self._chosen else ""
            return strip_of([(mark + self._heading(), BOLD if self.has_focus or mark else DIM)], width, style)
        if y <= self._canvas.rows:
            return self._canvas.strip(y - 1, width, style)
        foot = y - 1 - self._canvas.rows
        return strip_of(self._feet[foot] if foot < len(self._feet) else "", width, style)
