"""A widget with a title: the focus changes only the title, so only the title is sent again."""

from textual import events
from textual.geometry import Region
from textual.widget import Widget


class Pane(Widget):
    """Takes the focus without a repaint; Textual would repaint the whole widget, twice for every move between panes."""

    def on_focus(self, event: events.Focus) -> None:
        """The title shows it."""
        self._take(event, focused=True)
        if self.parent is not None:
            self.parent.post_message(events.DescendantFocus(self))

    def on_blur(self, event: events.Blur) -> None:
        """The title shows it."""
        self._take(event, focused=False)
        if self.parent is not None:
            self.parent.post_message(events.DescendantBlur(self))

    def _take(self, event: events.Event, *, focused: bool) -> None:
        event.prevent_default()
        self.set_reactive(Widget.has_focus, focused)  # no rule of the stylesheet asks for the focus
        self.show_focus()

    def show_focus(self) -> None:
        """Repaint the parts that show the focus."""
        self.refresh(Region(0, 0, self.size.width, 1))
