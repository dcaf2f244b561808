"""The console that all commands print to."""

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.text import Text

PIPE_WIDTH = 160


def make_console() -> Console:
    """As wide as the terminal; in a pipe wide enough that no sentence is folded."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def print_parts(console: Console, parts: Iterable[RenderableType]) -> None:
    """Print tables and sentences one below the other; a sentence stays one line in a pipe."""
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text) and not console.is_terminal)
