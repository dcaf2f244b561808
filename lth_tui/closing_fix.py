"""A screen closes only itself, and only once, where Textual would close the top screen, or raise an error."""

from typing import Any

from textual.await_complete import AwaitComplete
from textual.screen import Screen

_original = Screen.dismiss


def dismiss(screen: Screen[Any], result: Any = None) -> AwaitComplete:
    """Like `Screen.dismiss`, but does nothing for a screen that is already closed or covered by another."""
    return _original(screen, result) if screen.is_active else AwaitComplete()


def apply() -> None:
    """Use this `dismiss` for every screen of this process."""
    Screen.dismiss = dismiss  # type: ignore[method-assign,assignment]
