"""A screen closes nothing but itself, and once: Textual closes whatever is on top, or ends in an error."""

from typing import Any

from textual.await_complete import AwaitComplete
from textual.screen import Screen

_original = Screen.dismiss


def dismiss(screen: Screen[Any], result: Any = None) -> AwaitComplete:
    """Like `Screen.dismiss`; a screen that is closed already, or covered by another, stays as it is."""
    return _original(screen, result) if screen.is_active else AwaitComplete()


def apply() -> None:
    """From now on, for every screen of this process."""
    Screen.dismiss = dismiss  # type: ignore[method-assign,assignment]
