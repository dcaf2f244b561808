"""`lth presets`: the built-in experiment files."""

from rich.table import Table
from rich.text import Text

from lth_core.cli.console import make_console
from lth_core.cli.shape_parts import Preset
from lth_core.cli.shapes import Presets, print_json
from lth_core.errors import InputError
from lth_core.experiment import presets
from lth_core.text import did_you_mean, one_line


def run(wanted: str = "", *, as_json: bool = False) -> None:
    """Print their names and what they are: all in brief, or in full those with `wanted` in their names."""
    names = [name for name in presets.names() if wanted in name]
    if not names:
        near = did_you_mean(wanted, presets.names())
        raise InputError(f"presets: no preset has {one_line(wanted, 80)} in its name{near}; without it, all are listed")
    if as_json:
        print_json(Presets(presets=[Preset(name=name, about=presets.about(name)) for name in names]))
        return
    table = Table("name", "what it is", box=None, pad_edge=False)
    for name in names:
        about = presets.about(name)
        table.add_row(name, Text(about if wanted else presets.brief(about)))
    console = make_console()
    console.print(table)
    if not wanted:
        console.print("`lth presets NAME` prints all that is said of one", markup=False, highlight=False)
