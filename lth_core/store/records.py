"""Records of an attempt: append-only JSON lines, written by one worker, tailed by offset by the engine.

Each line ends with a checksum of the rest of it, as its last field: `{"kind":"metrics", ... ,"crc32":"1a2b3c4d"}`.
Lines of earlier versions have none.
"""

import json
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lth_core.store.plain import open_plain

LARGEST_READ = 8_000_000
DAMAGED = {"kind": "damaged"}
"""What stands for one or more lines in a row that are not what a worker wrote."""
_MARK = b',"crc32":"'


class RecordWriter:
    """Appends one JSON object per line; a line is on disk when `append` returns, durable after `sync`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def append(self, record: dict[str, Any]) -> None:
        """Write one record with its checksum; numbers that are not finite become null.

        Raises OSError when the disk is full.
        """
        view = memoryview(line_of(record))
        while view:
            view = view[self._file.write(view) :]

    def sync(self) -> None:
        """Make all records durable."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._file.close()


def line_of(record: dict[str, Any]) -> bytes:
    """The line of a record that is not empty, with its checksum and its end."""
    body = json.dumps(finite(record), separators=(",", ":"), allow_nan=False).encode()[:-1]
    return body + _end(body) + b"\n"


def record_of(line: bytes) -> dict[str, Any]:
    """The record of a line; DAMAGED where its checksum does not hold, or it is no JSON object."""
    body, mark, end = line.rpartition(_MARK)
    if mark:
        if mark + end != _end(body):
            return DAMAGED
        line = body + b"}"
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return DAMAGED
    return record if isinstance(record, dict) else DAMAGED


def has_checksum(line: bytes) -> bool:
    """Whether a line carries one, right or wrong."""
    return _MARK in line


def _end(body: bytes) -> bytes:
    return b'%b%08x"}' % (_MARK, zlib.crc32(body))


def read_from(path: Path, offset: int, most: int | None = None) -> tuple[list[dict[str, Any]], int]:
    """Whole records after byte `offset` and the offset behind them; a line without its end waits.

    DAMAGED stands for lines that are no records, and so for one of 8 MB or more. At most `most` bytes are read at once,
    8 MB by default, unless one line is longer.
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
    records: list[dict[str, Any]] = []
    for line in content[:end].split(b"\n"):
        if not line:
            continue
        record = record_of(line)
        if record is not DAMAGED or not records or records[-1] is not DAMAGED:
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
