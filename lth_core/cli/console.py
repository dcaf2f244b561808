"""The console that all commands print to."""

from collections.abc import Iterable
from typing import Literal

from rich.console import Console, RenderableType
from rich.text import Text

PIPE_WIDTH = 160
State = Literal["good", "note", "bad"]
_MARKS: dict[State, tuple[str, str]] = {"good": ("✓", "green"), "note": ("-", "yellow"), "bad": ("✗", "red")}


def make_console() -> Console:
    """As wide as the terminal; in a pipe wide enough that no sentence is folded."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def print_parts(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print tables and sentences one below the other; a sentence stays one line in a pipe."""
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text) and not console.is_terminal)


def print_finding(console: Console, state: State, line: str) -> None:
    """Print what a check found on a line of its own, after the mark of its state."""
    mark, style = _MARKS[state]
    console.print(mark, end=" ", style=style)
    console.print(line, markup=False, highlight=False, soft_wrap=True)
