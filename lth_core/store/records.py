"""Records of an attempt: append-only JSON lines, written by one worker, tailed by offset by the engine."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lth_core.store.plain import open_plain

LARGEST_READ = 8_000_000


class RecordWriter:
    """Appends one JSON object per line; a line is on disk when `append` returns, durable after `sync`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record; numbers that are not finite become null. Raises OSError when the disk is full."""
        line = json.dumps(finite(record), separators=(",", ":"), allow_nan=False).encode() + b"\n"
        view = memoryview(line)
        while view:
            view = view[self._file.write(view) :]

    def sync(self) -> None:
        """Make all records durable."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._file.close()


def read_from(path: Path, offset: int, most: int | None = None) -> tuple[list[dict[str, Any]], int]:
    """Whole records after byte `offset` and the offset behind them; a line without its end waits.

    A line that is no JSON object is skipped, and so is one of 8 MB or more. At most `most` bytes are read at once, 8 MB
    by default, unless one line is longer.
    """
    largest = LARGEST_READ if most is None else most
    try:
        with open_plain(path, follow=False) as file:
            file.seek(offset)
            content = file.read(largest)
            if len(content) == largest and b"\n" not in content:
                content += file.read(max(0, LARGEST_READ - largest))
    except FileNotFoundError:
        return [], offset
    end = content.rfind(b"\n") + 1
    if not end and len(content) >= LARGEST_READ:
        end = len(content)  # no worker of ours writes such a line; what is left of it is no JSON object
    records = []
    for line in content[:end].splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            records.append(record)
    return records, offset + end


def read_all(path: Path) -> Iterator[dict[str, Any]]:
    """All whole records of a file, a part of it in memory at a time; none where there is no regular file."""
    offset = 0
    while True:
        records, end = read_from(path, offset)
        if end == offset:
            return
        yield from records
        offset = end


def finite(value: Any) -> Any:
    """JSON has no word for what is not finite: such numbers become None, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
