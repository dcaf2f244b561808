"""`lth presets`: the built-in experiment files."""

from rich.table import Table
from rich.text import Text

from lth_core.cli.console import make_console
from lth_core.experiment import presets


def run() -> None:
    """Print their names and first comments."""
    table = Table("name", "what it is", box=None, pad_edge=False)
    for name in presets.names():
        table.add_row(name, Text(presets.about(name)))
    make_console().print(table)
