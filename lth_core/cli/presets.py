"""`lth presets`: the built-in experiment files."""

from rich.table import Table
from rich.text import Text

from lth_core.cli.console import make_console
from lth_core.cli.shape_parts import Preset
from lth_core.cli.shapes import Presets, print_json
from lth_core.experiment import presets


def run(*, as_json: bool = False) -> None:
    """Print their names and first comments."""
    if as_json:
        print_json(Presets(presets=[Preset(name=name, about=presets.about(name)) for name in presets.names()]))
        return
    table = Table("name", "what it is", box=None, pad_edge=False)
    for name in presets.names():
        table.add_row(name, Text(presets.about(name)))
    make_console().print(table)
