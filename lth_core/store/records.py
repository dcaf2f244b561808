"""Records of an attempt: append-only JSON lines, written by one worker, tailed by offset by the engine."""

import json
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lth_core.store.plain import open_plain, read_plain
from lth_core.store.record_lines import DAMAGED, TAIL, Chain, chained, crc_before, has_chain, record_of, records_of

LARGEST_READ = 8_000_000


class RecordWriter:
    """Appends one JSON object per line; a line is on disk when `append` returns, durable after `sync`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        with open_plain(path) as file:
            content = file.read()
        self._chain = Chain(len(content), zlib.crc32(content))

    def append(self, record: dict[str, Any]) -> None:
        """Write one record with its checksums; numbers that are not finite become null.

        Raises OSError when the disk is full.
        """
        line = self._chain.line(body(record))
        view = memoryview(line)
        while view:
            view = view[self._file.write(view) :]
        self._chain.add(line)

    @property
    def written(self) -> tuple[int, int]:
        """Bytes of the file so far and their CRC-32, for `begins_with`."""
        return self._chain.size, self._chain.crc

    def sync(self) -> None:
        """Make all records durable."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._file.close()


def body(record: dict[str, Any]) -> bytes:
    """A non-empty record as JSON, without its closing brace."""
    return json.dumps(finite(record), separators=(",", ":"), allow_nan=False).encode()[:-1]


def begins_with(path: Path, size: int, crc: int) -> bool:
    """Whether a file of records begins with `size` bytes of this CRC-32."""
    try:
        with open_plain(path, follow=False) as file:
            content = file.read(size)
    except FileNotFoundError:
        return not size
    return len(content) == size and zlib.crc32(content) == crc


class RecordReader:
    """Reads a file of records on and on. It remembers the checksum of what it has read, so that the line before need
    not be read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end, self._crc = 0, 0  # the offset after what was read, -1 if its checksum did not match

    def read(self, offset: int, most: int | None = None) -> tuple[list[dict[str, Any]], int]:
        """Complete records after byte `offset`, and the offset after them; a line without its end is left.

        DAMAGED stands for lines that are no records or are missing, and for a line of 8 MB or more. At most `most`
        bytes are read at once, 8 MB by default, unless one line is longer.
        """
        largest = LARGEST_READ if most is None else most
        known = offset == self._end
        back = 0 if known else min(offset, TAIL)  # the checksums of the line before
        try:
            content = read_plain(self._path, offset - back, back + largest)
            if len(content) == back + largest and b"\n" not in content[back:]:
                content = read_plain(self._path, offset - back, back + LARGEST_READ)
        except FileNotFoundError:
            return [], offset
        before: int | None = self._crc
        if not known:
            before, content = crc_before(content[:back]), content[back:]
        if not content.endswith(b"\n"):
            if b"\n" not in content:
                return self._endless(offset, len(content))
            content = content[: content.rfind(b"\n") + 1]
        lines = content.split(b"\n")
        lines.pop()
        crc = None if before is None else chained(content, lines[-1], before)
        if crc is None:
            self._end = -1
            return _one_by_one(lines, lacks_some=before is not None and has_chain(content)), offset + len(content)
        self._end, self._crc = offset + len(content), crc
        return records_of(lines), self._end

    def _endless(self, offset: int, size: int) -> tuple[list[dict[str, Any]], int]:
        """What a line without its end stands for: not yet there, or longer than any that a worker writes."""
        if size < LARGEST_READ:
            return [], offset
        self._end = -1
        return [DAMAGED], offset + size  # the rest of it is not a JSON object


def _one_by_one(lines: list[bytes], *, lacks_some: bool) -> list[dict[str, Any]]:
    """Records of lines that are checked one by one. lacks_some: together they are not what was written."""
    records: list[dict[str, Any]] = []
    for line in filter(None, lines):
        record = record_of(line)
        if record is not DAMAGED or not records or records[-1] is not DAMAGED:
            records.append(record)
    if lacks_some and DAMAGED not in records:
        records.insert(0, DAMAGED)  # each line is undamaged, but some are missing
    return records


def read_all(path: Path) -> Iterator[dict[str, Any]]:
    """All complete records of a file, read in parts; none if there is no regular file."""
    reader, offset = RecordReader(path), 0
    while True:
        records, end = reader.read(offset)
        if end == offset:
            return
        yield from records
        offset = end


def finite(value: Any) -> Any:
    """The value with None for numbers that are not finite, at any depth, because JSON cannot hold them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
