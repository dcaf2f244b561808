"""A filter line, shown only while in use."""

from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input

from lth_tui.keys import key


class FilterLine(Input):
    """Opened with a key; enter goes back and keeps the filter, escape ends it."""

    BINDINGS: ClassVar[list[BindingType]] = [key("filter", "escape", "unfilter", "end the filter")]

    def __init__(self, placeholder: str, id: str) -> None:
        super().__init__(placeholder=placeholder, id=id, classes="-gone")
        self._back: Widget | None = None

    @property
    def used(self) -> bool:
        """Whether it is open, or something is filtered."""
        return bool(self.value) or not self.has_class("-gone")

    def open(self) -> None:
        """Show the line and take the keys."""
        self._back = self.screen.focused
        self.remove_class("-gone")
        self.focus()

    def shut(self) -> None:
        """Hide the line and give the keys back."""
        self.add_class("-gone")
        if self._back is not None:
            self.screen.set_focus(self._back)

    def drop(self) -> None:
        """No filter; who has the keys is for the page to say."""
        self.value = ""
        self.add_class("-gone")

    def action_unfilter(self) -> None:
        """No filter."""
        self.value = ""
        self.shut()

    def on_input_submitted(self) -> None:
        """Keep the filter."""
        self.shut()
