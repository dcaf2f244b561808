"""Data sets of the Hugging Face hub, through `datasets`, an optional extra. Presets by short names."""

import importlib.util
from collections.abc import Iterator
from typing import Any

from lth_core.errors import InputError
from lth_core.text import one_line

PRESETS = {
    "wikitext-2": "Salesforce/wikitext:wikitext-2-v1",
    "wikitext-103": "Salesforce/wikitext:wikitext-103-v1",
}
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def check(source: str) -> None:
    """InputError where the data set would have to be loaded and `datasets` is not installed."""
    if importlib.util.find_spec("datasets") is None:
        raise InputError(
            f'task.source = "{one_line(source)}" needs the package datasets: install the extra '
            '(pip install "lth-workbench[hub]"), or name text files with task.source = "files"'
        )


def lines(source: str, part: str) -> Iterator[str]:
    """The column `text` of a part of OWNER/NAME or OWNER/NAME:CONFIGURATION, a row a line.

    What `datasets` has cached is read without a network. InputError where the data set cannot be had.
    """
    check(source)
    from datasets import load_dataset

    name, _, configuration = PRESETS.get(source, source).partition(":")
    try:
        rows: Any = load_dataset(name, configuration or None, split=_SPLITS[part])
    except Exception as error:  # the library raises what it meets: connections, files, values
        raise InputError(
            f'task.source = "{one_line(source)}": the split {_SPLITS[part]} of the data set cannot be had, neither '
            f"from the hub nor from its cache ({type(error).__name__}: {one_line(error, 200)})"
        ) from None
    if "text" not in rows.column_names:
        raise InputError(f'task.source = "{one_line(source)}": has no column "text": found {rows.column_names}')
    for row in rows:
        yield from str(row["text"]).rstrip("\r\n").split("\n")
