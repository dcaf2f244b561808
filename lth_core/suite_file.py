"""Reading a TOML file that may hold an experiment or a suite."""

from collections.abc import Iterable
from pathlib import Path

from lth_core import presets
from lth_core.experiment import Experiment
from lth_core.experiment_file import experiment_of, read_fields
from lth_core.suite import Suite, expand
from lth_core.text import one_line


def load(path: Path, overrides: Iterable[str] = ()) -> Experiment | Suite:
    """The suite of a file with a table `[suite]`, else the experiment that the file, or the preset of this name, holds.

    `overrides` are `field=value`, for every member of a suite. Raises InputError with one sentence for
    anything that cannot be read or is not accepted.
    """
    path = presets.find(path)
    fields = read_fields(path)
    if "suite" in fields:
        return expand(fields, one_line(path), path.stem, overrides)
    return experiment_of(fields, path, overrides)
