"""Data sets of the Hugging Face hub, through the optional package `datasets`; some have short names."""

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_core.errors import InputError
from lth_core.text import one_line


@dataclass(frozen=True)
class DataSet:
    """A data set for `datasets`. folder: of its parts, if they are in one; revision: if it is not the newest."""

    name: str
    configuration: str | None = None
    folder: str | None = None
    revision: str | None = None


PRESETS = {
    "wikitext-2": DataSet("Salesforce/wikitext", "wikitext-2-v1"),
    "wikitext-103": DataSet("Salesforce/wikitext", "wikitext-103-v1"),
    "multi30k": DataSet("bentrevett/multi30k"),
    "wmt14": DataSet("wmt/wmt14", "de-en"),
    # The data set itself is a script, which is never run; this is the hub's own conversion.
    "iwslt2017": DataSet("IWSLT/iwslt2017", folder="iwslt2017-{0}-{1}", revision="refs/convert/parquet"),
}
"""By short name; {0} and {1} in a folder are the languages of the pair."""
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def data_set(source: str, languages: tuple[str, str] = ("", "")) -> DataSet:
    """The data set of a short name, OWNER/NAME or OWNER/NAME:CONFIGURATION."""
    name, _, configuration = source.partition(":")
    found = PRESETS.get(source, DataSet(name, configuration or None))
    folder = found.folder and found.folder.format(*languages)
    return DataSet(found.name, found.configuration, folder, found.revision)


def revision(source: str, languages: tuple[str, str] = ("", "")) -> str | None:
    """The commit of a data set's last downloaded files; None if unknown."""
    wanted = data_set(source, languages)
    if "/" not in wanted.name:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(wanted.name, "README.md", repo_type="dataset", revision=wanted.revision)
    return Path(found).parent.name if isinstance(found, str) else None


def check(source: str) -> None:
    """Raise InputError if the data set must be loaded and `datasets` is not installed."""
    if importlib.util.find_spec("datasets") is None:
        raise InputError(
            f'task.source = "{one_line(source)}" needs the package datasets: install the extra '
            '(pip install "lth-workbench[hub]"), or use files of your own with task.source = "files"'
        )


def rows(source: str, part: str, languages: tuple[str, str] = ("", "")) -> Iterator[Mapping[str, Any]]:
    """The rows of a part, one at a time, from a memory-mapped file.

    Data in the cache of `datasets` is read without a network. Raises InputError if the data set cannot be loaded.
    """
    check(source)
    from datasets import load_dataset

    wanted = data_set(source, languages)
    try:
        found: Any = load_dataset(
            wanted.name, wanted.configuration, data_dir=wanted.folder, revision=wanted.revision, split=_SPLITS[part]
        )
    except Exception as error:  # the library raises errors of connections, files and values alike
        raise InputError(
            f'task.source = "{one_line(source)}": the split {_SPLITS[part]} of the data set cannot be loaded, neither '
            f"from the hub nor its cache ({type(error).__name__}: {one_line(error, 200)})"
        ) from None
    return iter(found)


def lines(source: str, part: str) -> Iterator[str]:
    """The column `text` of a part, one line per row."""
    for row in rows(source, part):
        if "text" not in row:
            raise InputError(f'task.source = "{one_line(source)}": has no column "text": found {sorted(row)}')
        yield from str(row["text"]).rstrip("\r\n").split("\n")
