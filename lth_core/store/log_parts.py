"""The parts of a log that checkpoints share: each checkpoint writes what is new, and names the parts it needs.

A part is a tensor file `log-FIRST-END.SHA256.safetensors` beside the checkpoints, with the arrays `log/NAME/FIRST` of
the entries from FIRST to END. It is deleted once neither of the two newest checkpoints needs it.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lth_core.store.tensors import Arrays, DamagedFile, load_tensors, save_hashed

NAME = re.compile(r"log-(\d{12})-(\d{12})\.([0-9a-f]{64})\.safetensors")
_PREFIX = "log/"


class LogParts:
    """The parts in an attempt's folder, and those of earlier attempts that its checkpoints need."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[str] = []
        self._before: list[str] = []

    def goes_on(self, parts: Sequence[str]) -> None:
        """Continue from a checkpoint that needs these."""
        self._parts = list(parts)

    def save(self, arrays: Arrays, first: int, total: int) -> tuple[Arrays, list[str]]:
        """Write what a checkpoint adds to the log; returns its other arrays, and the parts that it needs.

        first, total: of the log's needed entries.
        """
        added = {name: one for name, one in arrays.items() if name.startswith(_PREFIX)}
        parts = [name for name in self._parts if _end(name) > first]
        if added:
            number = int(next(iter(added)).rpartition("/")[2])
            parts.append(save_hashed(self._folder, f"log-{number:012d}-{total:012d}", added).name)
        self._before, self._parts = self._parts, parts
        return {name: one for name, one in arrays.items() if name not in added}, parts

    def clear(self) -> None:
        """Delete what neither of the two newest checkpoints needs; called when the newest is written."""
        for path in self._folder.glob("log-*.safetensors"):
            if NAME.fullmatch(path.name) and path.name not in {*self._before, *self._parts}:
                path.unlink(missing_ok=True)


def _end(name: str) -> int:
    match = NAME.fullmatch(name)
    return int(match[2]) if match else 0


def load_parts(folders: Iterable[Path], names: Sequence[str]) -> Arrays:
    """The arrays of these parts; DamagedFile if one is missing or damaged."""
    found: Arrays = {}
    folders = list(folders)
    for name in names:
        match = NAME.fullmatch(name)
        if match is None:
            raise DamagedFile("a checkpoint names a part of its log that is none")
        paths = [folder / name for folder in folders if (folder / name).is_file()]
        if not paths:
            raise DamagedFile(f"{name[:30]}...: missing")
        found |= load_tensors(paths[0], match[3])[0]
    return found
