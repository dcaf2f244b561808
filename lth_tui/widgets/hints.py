"""The bottom row: the keys that work here, from the bindings; clicking one presses it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.keys import format_key
from textual.screen import Screen

from lth_tui.palette import DIM, SKY, ink
from lth_tui.strips import Span
from lth_tui.widgets.lines import Lines

_LAST = ("help", "quit")
_FOREIGN = ("screen.copy_text", "screen.minimize", "app.focus_next", "app.focus_previous", "copy_text")


CHANGING = frozenset({
    "add", "pause", "cancel", "retry", "clone", "edit", "delete", "undelete", "shift", "priority", "launcher", "slots",
    "save_picture", "save_table", "save_figure",
})  # fmt: skip
"""Actions that a workbench which only shows refuses, and so does not offer."""


def key_name(key: str) -> str:
    """A key as it is written on keyboards and in the help."""
    names = {"escape": "esc", "enter": "⏎", "up": "↑", "down": "↓", "left": "←", "right": "→"}
    held, plus, last = key.rpartition("+")
    return f"{held}{plus}".replace("ctrl+", "^") + names.get(last, format_key(last))


@dataclass(frozen=True)
class Hint:
    """What some keys do, and on which node their action runs. scope: the first part of the binding's name.

    told: what the help says of it, if not the docstring of the action.
    """

    keys: str
    words: str
    action: str
    node: DOMNode
    scope: str = ""
    told: str = ""

    @property
    def explained(self) -> str:
        """What the help says of it."""
        if self.told:
            return self.told
        node = self.node.app if self.action.startswith("app.") else self.node
        name = self.action.removeprefix("app.").partition("(")[0]
        method = getattr(node, f"action_{name}", None)
        own = method is not None and method.__module__.startswith("lth_tui")
        sentence = (method.__doc__ or "").strip().splitlines() if own else []
        return sentence[0].rstrip(".") if sentence else ""

    async def run(self, app: App[object]) -> None:
        """Do it."""
        await app.run_action(self.action, self.node)


def hints_of(screen: Screen[Any], *, hidden: bool = False) -> list[Hint]:
    """Everything that works on the screen now, one entry per action.

    hidden: the rare keys as well, each with its own name; without it, one name may stand for a pair of keys.
    """
    found: dict[str, Hint] = {}
    shows_only = bool(getattr(screen.app, "read_only", False))
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.action in _FOREIGN or not binding.description or not (binding.show or hidden) or not active.enabled:
            continue
        if shows_only and binding.action.partition("(")[0] in CHANGING:
            continue
        name = key_name(binding.key) if hidden else binding.key_display or key_name(binding.key)
        known = found.get(binding.action)
        keys = name if known is None else known.keys if name in known.keys.split() else f"{known.keys} {name}"
        scope = (binding.id or "").partition(".")[0]
        found[binding.action] = Hint(keys, binding.description, binding.action, active.node, scope, binding.tooltip)
    return list(found.values())


class Hints(Lines):
    """One row of keys; help and quit stand at the end and are never cut. idle: which actions are left out now."""

    DEFAULT_CSS = "Hints { height: 1; dock: bottom; }"

    def __init__(self, idle: Callable[[str], bool]) -> None:
        super().__init__("", id="hints")
        self._idle = idle
        self._places: list[tuple[int, int, Hint]] = []

    def on_mount(self) -> None:
        """Follow the bindings."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.renew())
        self.call_after_refresh(self.renew)

    def on_resize(self) -> None:
        """Fit the keys into the new width."""
        self.renew()

    def recolour(self) -> None:
        """Repaint in the colours of another theme."""
        self.renew()

    def renew(self) -> None:
        """Write the row again."""
        entries = [entry for entry in hints_of(self.screen) if not self._idle(entry.action)]
        last = [entry for entry in entries if entry.action in _LAST]
        room = self.size.width - sum(_length(entry) for entry in last)
        spans: list[Span] = []
        self._places, used = [], 0
        for entry in [entry for entry in entries if entry not in last] + last:
            length = _length(entry)
            if entry not in last and used + length > room:
                continue
            self._places.append((used, used + length, entry))
            spans += [(f" {entry.keys} ", ink(SKY, bold=True)), (f"{entry.words} ", DIM)]
            used += length
        self.put([spans])

    async def on_click(self, event: events.Click) -> None:
        """Do what the key under the pointer does."""
        for start, end, entry in self._places:
            if start <= event.x < end:
                await entry.run(self.app)


def _length(entry: Hint) -> int:
    return len(entry.keys) + len(entry.words) + 3
