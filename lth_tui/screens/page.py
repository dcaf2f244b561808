"""The base of all pages: header, hints, size classes, saving what is on screen."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget

from lth_core.report.rows import Row as Fields
from lth_core.store.commands import Slots
from lth_core.text import plural
from lth_tui.keys import key
from lth_tui.palette import BOLD
from lth_tui.plot.chart import Chart
from lth_tui.reading.feed import LabelledCommand
from lth_tui.widgets.header import Header
from lth_tui.widgets.hints import Hints
from lth_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from lth_tui.bench import Bench
    from lth_tui.reading.snapshot import Snapshot

LEAST_WIDTH, LEAST_HEIGHT = 60, 16
MOST_SLOTS = 1024


COMMON_KEYS = (
    key("page", "S", "save_picture", "save the screen as SVG", display="S"),
    key("page", "E", "save_table", "save curves or table as CSV", display="E"),
    key("page", "P", "save_figure", "save the figure as PNG", display="P"),
    key("page", "y", "copy", "copy what is under the cursor"),
    key("page", "w", "slots", "number of slots"),
    key("page", "d", "app.devices", "devices"),
    key("page", "question_mark", "help", "help", show=True, display="?"),
)
"""Keys of all pages, put after each page's own."""

AT_ONCE = ("back", "leave", "quit", "help", "messages", "redraw", "save_picture")
"""Actions for which nothing needs to be read."""


class Page(Screen[None]):
    """A page of the workbench; below 60x16 it only asks to be enlarged."""

    AUTO_FOCUS: ClassVar[str | None] = ""  # each page decides which widget has the focus
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """Textual's own, which sends the whole screen again whenever the focus moves."""
    _kept_focus: Widget | None = None

    def compose(self) -> ComposeResult:
        """Header, the page's own widgets, hints."""
        yield Header()
        yield from self.compose_page()
        yield Hints(self.idle)
        yield Lines([(f"enlarge to {LEAST_WIDTH}x{LEAST_HEIGHT}", BOLD)], "jobs keep running", id="enlarge")

    @abstractmethod
    def compose_page(self) -> ComposeResult:
        """The page's own widgets."""

    @abstractmethod
    def present(self, snapshot: "Snapshot") -> None:
        """Show what was read."""

    def lacks(self, action: str) -> bool:
        """Whether what an action is about is still being read; its key waits then, and all that is typed after it."""
        return action not in AT_ONCE and not (self.bench.snapshot.loaded or self.bench.snapshot.error)

    def idle(self, action: str) -> bool:
        """Whether an action would find nothing to do now: its key is not in the bottom row then."""
        return False

    def chart(self) -> Chart | None:
        """The curves that the user is looking at, for saving them."""
        return None

    def fields(self) -> Sequence[Fields] | None:
        """The table that the user is looking at, for saving it instead of curves."""
        return None

    def copied(self) -> str:
        """The text to copy."""
        return ""

    @property
    def bench(self) -> "Bench":
        """The app, by the interface that screens use."""
        return cast("Bench", self.app)

    def on_resize(self, event: events.Resize) -> None:
        """Take the size class."""
        self.fit(event.size.width, event.size.height)

    def fit(self, width: int, height: int) -> None:
        """Set the classes by which the stylesheet arranges the page."""
        tiny = width < LEAST_WIDTH or height < LEAST_HEIGHT
        if tiny and not self.tiny:
            self._kept_focus = self.focused  # a hidden widget loses the focus
        self.set_class(tiny, "-tiny")
        if not tiny and self._kept_focus is not None:
            self.call_after_refresh(self._give_focus_back)
        self.set_class(width >= 110 and height >= 30, "-wide")

    @property
    def tiny(self) -> bool:
        """Whether the terminal is too small for the page, which then shows nothing and takes no keys."""
        return self.has_class("-tiny")

    def _give_focus_back(self) -> None:
        kept, self._kept_focus = self._kept_focus, None
        if kept is not None and self.focused is None:
            self.set_focus(kept, scroll_visible=False)

    def on_screen_resume(self) -> None:
        """Catch up with what was read while another screen was on top."""
        self.fit(*self.app.size)  # the size may have changed below a modal
        self.bench.renew()

    def action_help(self) -> None:
        """Show all keys."""
        from lth_tui.screens.help import Help

        self.app.push_screen(Help(self))

    def action_slots(self) -> None:
        """How many workers run at once, from now on."""
        from lth_tui.screens.ask import Ask

        def refuse(text: str) -> str | None:
            return None if _slots_of(text) is not None else f"expected a number from 1 to {MOST_SLOTS}"

        def answered(text: str | None) -> None:
            count = None if text is None else _slots_of(text)
            if count is not None:
                self.ask_for_slots(count)

        if self.bench.may_change():
            now = len(self.bench.snapshot.slots)
            question = "How many trials, or stacks of them, may run at once? If fewer, the others stop at a checkpoint."
            self.app.push_screen(Ask(question, str(now or 1), refuse), answered)

    def ask_for_slots(self, count: int) -> None:
        """Ask for that many slots."""
        if 1 <= count <= MOST_SLOTS:
            self.bench.ask(LabelledCommand(Slots(count=count), plural(count, "slot")))
        else:
            self.bench.say(f"expected a number of slots from 1 to {MOST_SLOTS}", "warning")

    def action_save_picture(self) -> None:
        """The screen as it is, as SVG."""
        from lth_tui import exports

        picture = self.app.export_screenshot(title="lth-tui")
        self.bench.do_aside("picture", lambda: exports.save_picture(self.bench.exports, picture))

    def action_save_table(self) -> None:
        """The curves on screen, or the table, as CSV."""
        from lth_tui import exports

        rows = self.fields()
        if rows is not None:
            self._save_fields(rows)
            return
        chart = self._chart_or_say()
        if chart is not None:
            self.bench.do_aside("table", lambda: exports.save_table(self.bench.exports, chart))

    def _save_fields(self, rows: Sequence[Fields]) -> None:
        from lth_tui import exports

        if rows:
            self.bench.do_aside("table", lambda: exports.save_fields(self.bench.exports, rows))
        else:
            self.bench.say("no table on screen to save yet", "warning")

    def action_save_figure(self) -> None:
        """The curves on screen as PNG, drawn by another process."""
        from lth_tui import exports

        chart = self._chart_or_say()
        if chart is not None:
            self.bench.do_aside("figure", lambda: exports.save_figure(self.bench.exports, chart))

    def action_copy(self) -> None:
        """What the cursor is on: to the terminal's clipboard (OSC 52), and into a file where that is not heard."""
        from lth_tui import exports

        words = self.copied()
        if not words:
            self.bench.say("nothing to copy here", "warning")
            return
        self.app.copy_to_clipboard(words)
        if self.bench.read_only:
            self.bench.say("copied to the clipboard, if the terminal supports it; a read-only workbench writes no file")
        else:
            self.bench.do_aside("clipboard", lambda: exports.save_copy(words))

    def _chart_or_say(self) -> Chart | None:
        chart = self.chart()
        if chart is None or not any(len(series.x) for series in chart.series):
            self.bench.say("no curves on screen to save", "warning")
            return None
        return chart


def _slots_of(text: str) -> int | None:
    """The number of slots that a text names."""
    good = text.strip().isdecimal() and 1 <= int(text) <= MOST_SLOTS
    return int(text) if good else None
