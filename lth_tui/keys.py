"""Bindings by name: every key has an id, so that the settings file can give its action another key."""

import importlib
import pkgutil
import re
from functools import cache

from textual.binding import Binding


def key(
    scope: str, keys: str, action: str, words: str, *, show: bool = False, display: str | None = None,
    priority: bool = False, name: str | None = None, told: str = "",
) -> Binding:  # fmt: skip
    """A binding with the id `SCOPE.NAME`, by default the words joined by dashes; `show` puts it into the hints.

    told: what the help says of it; by default the docstring of the action.
    """
    name = name or re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    return Binding(
        keys, action, words, show=show, key_display=display, priority=priority, id=f"{scope}.{name}", tooltip=told
    )


@cache
def binding_ids() -> dict[str, str]:
    """All ids of bindings, with what they do."""
    import lth_tui.screens
    import lth_tui.widgets

    found: dict[str, str] = {}
    modules = ["lth_tui.app"]
    for package in (lth_tui.screens, lth_tui.widgets):
        modules += [f"{package.__name__}.{one.name}" for one in pkgutil.iter_modules(package.__path__)]
    for module in modules:
        for member in vars(importlib.import_module(module)).values():
            bindings = vars(member).get("BINDINGS", ()) if isinstance(member, type) else ()
            found |= {b.id: b.description for b in bindings if isinstance(b, Binding) and b.id is not None}
    return found
