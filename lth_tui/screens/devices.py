"""The devices: what each slot runs, and the load of the machine."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType

from lth_tui.content.device_rows import device_rows
from lth_tui.keys import key
from lth_tui.reading.snapshot import Snapshot, Watch
from lth_tui.screens.page import COMMON_KEYS, Page
from lth_tui.widgets.list_pane import ListPane


class DevicesPage(Page):
    """Slots and machine; how many slots there are can be changed while trials run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("devices", "escape", "back", "queue", show=True, display="esc"),
        key("devices", "plus,equals_sign", "one_slot(1)", "one slot more", show=True, display="+"),
        key("devices", "minus", "one_slot(-1)", "one less", show=True, display="-"),
        *COMMON_KEYS,
    ]

    def compose_page(self) -> ComposeResult:
        """One pane."""
        yield ListPane("devices", wrap=True, id="devices")

    def on_mount(self) -> None:
        """Keys scroll."""
        self.query_one("#devices").focus()

    def present(self, snapshot: Snapshot) -> None:
        """Show what was read."""
        self.bench.look_at(Watch(devices=True))
        pane = self.query_one("#devices", ListPane)
        pane.put(device_rows(snapshot, pane.size.width))

    def copied(self) -> str:
        """All that is shown."""
        return self.query_one("#devices", ListPane).text

    def on_resize(self, event: events.Resize) -> None:
        """Fit the small curves into the new width."""
        super().on_resize(event)
        self.call_after_refresh(self.present, self.bench.snapshot)

    def action_back(self) -> None:
        """To the page before."""
        self.dismiss()

    def action_one_slot(self, by: int) -> None:
        """One trial or stack more side by side, or one less."""
        self.ask_for_slots(len(self.bench.snapshot.slots) + by)
