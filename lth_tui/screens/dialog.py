"""A question laid over a page."""

from typing import Generic

from textual import messages, on
from textual.screen import ModalScreen, ScreenResultType


class Dialog(ModalScreen[ScreenResultType], Generic[ScreenResultType]):
    """A modal screen whose background work ends before its widgets go.

    Textual removes a screen's widgets before it ends its work, so that work that ended in between did not find them.
    """

    @on(messages.Prune)
    def _end_work(self) -> None:
        self.workers.cancel_node(self)
