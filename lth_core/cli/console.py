"""The console that all commands print to."""

from rich.console import Console

PIPE_WIDTH = 160


def make_console() -> Console:
    """As wide as the terminal; in a pipe wide enough that no sentence is folded."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)
