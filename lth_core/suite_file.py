"""Reading a TOML file that may hold an experiment or a suite."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lth_core import presets
from lth_core.experiment import Experiment
from lth_core.experiment_file import LARGEST_FILE, load_experiment
from lth_core.suite import Suite, expand
from lth_core.text import one_line


def load(path: Path, overrides: Iterable[str] = ()) -> Experiment | Suite:
    """The suite of a file with a table `[suite]`, else the experiment that the file, or the preset of this name, holds.

    `overrides` are `field=value`, for every member of a suite. Raises InputError with one sentence for
    anything that cannot be read or is not accepted.
    """
    path = presets.find(path)
    fields = _fields(path)
    if fields is None or "suite" not in fields:
        return load_experiment(path, overrides)  # which also says what is wrong with a file that cannot be read
    return expand(fields, one_line(path), path.stem, overrides)


def _fields(path: Path) -> dict[str, Any] | None:
    try:
        if not path.is_file() or path.stat().st_size > LARGEST_FILE:
            return None
        return tomllib.loads(path.read_bytes().decode())
    except (OSError, ValueError, RecursionError):
        return None
