"""An experiment as editable TOML text, one `field = value` per line, and back, with its checks."""

import json
import tomllib
from typing import Any

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.text import one_line
from lth_core.toml_text import flatten

Fields = dict[str, Any]


def fields_of(experiment: Experiment) -> Fields:
    """All fields of an experiment as plain data, without unset ones."""
    found: Fields = _without_none(json.loads(experiment.canonical()))
    return found


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None and v != {}}
    return value


def lines_of(fields: Fields) -> list[str]:
    """A line for each field, in their order, such as `training.length = 60000`."""
    return [f"{name} = {value}" for name, value in flatten(fields).items()]


def take_out(fields: Fields, name: str) -> None:
    """Remove one dotted field of plain data, and tables that are empty then; nothing if there is none."""
    first, _, rest = name.partition(".")
    below = fields.get(first)
    if rest and isinstance(below, dict):
        take_out(below, rest)
    if not rest or below == {}:
        fields.pop(first, None)


def parse(text: str) -> Fields:
    """The fields of TOML text; raises InputError."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid TOML: {one_line(error)}") from None


def check(fields: Fields, source: str) -> Experiment:
    """The experiment of these fields; raises InputError with one sentence."""
    from lth_core.experiment.file import resolve

    return resolve(fields, source)


def lines_of_file(source: str) -> dict[str, str]:
    """Fields and values of an experiment's file, by name; empty if it cannot be read any more."""
    from pathlib import Path

    from lth_core.experiment.file import load_experiment

    try:
        found = fields_of(load_experiment(Path(source)))
    except (InputError, OSError):
        return {}
    return {name: str(value) for name, value in flatten(found).items()}
