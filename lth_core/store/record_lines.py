"""Lines of a file of records: each is a JSON object whose last two fields are checksums.

    {"kind":"metrics", ... ,"chain":"5e6f7a8b","crc32":"1a2b3c4d"}

`crc32` is the CRC-32 of the line up to that field, and shows which line is damaged; `chain` is that of the whole file
up to that field, and shows whether a file, or a part of it, is as it was written, with no line missing. Earlier
versions wrote lines without `chain`, and before that without either.
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

DAMAGED = {"kind": "damaged"}
"""Stands for one or more consecutive lines that are damaged or missing."""
_CHAIN, _MARK = b',"chain":"', b',"crc32":"'
_OWN = len(b',"crc32":"1a2b3c4d"}')
_BOTH = len(b',"chain":"5e6f7a8b"') + _OWN
TAIL = _BOTH + 1
"""Bytes of a line's checksums and its end."""


class Chain:
    """The checksum of a file of records, updated line by line.

    size: bytes of the file so far; crc: their CRC-32.
    """

    def __init__(self, size: int = 0, crc: int = 0) -> None:
        self.size, self.crc = size, crc

    def line(self, body: bytes) -> bytes:
        """The next line, with its end. body: a non-empty JSON object without its closing brace."""
        body = b'%b%b%08x"' % (body, _CHAIN, zlib.crc32(body, self.crc))
        return body + _end(body) + b"\n"

    def add(self, line: bytes) -> None:
        """Update the checksum with a written line."""
        self.size, self.crc = self.size + len(line), zlib.crc32(line, self.crc)


def content_of(bodies: Iterable[bytes]) -> bytes:
    """The content of a file of records, from their bodies."""
    chain, lines = Chain(), []
    for body in bodies:
        lines.append(chain.line(body))
        chain.add(lines[-1])
    return b"".join(lines)


def body_of(line: bytes) -> bytes:
    """A line without its checksums and closing brace."""
    body, mark, _ = line.rpartition(_MARK)
    return _without_chain(body) if mark else line.rstrip().removesuffix(b"}")


def record_of(line: bytes) -> dict[str, Any]:
    """The record of a line; DAMAGED if its own checksum does not match, or it is not a JSON object."""
    body, mark, end = line.rpartition(_MARK)
    if mark:
        if mark + end != _end(body):
            return DAMAGED
        line = _without_chain(body) + b"}"
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return DAMAGED
    return record if isinstance(record, dict) else DAMAGED


def has_checksum(line: bytes) -> bool:
    """Whether a line has a checksum, right or wrong."""
    return _MARK in line


def crc_before(tail: bytes) -> int | None:
    """The CRC-32 of a file up to here, from the last bytes of the line that ends here; None if it has no chain.

    tail: TAIL bytes, or none at the start of a file.
    """
    if not tail:
        return 0
    said = _said(tail[:-1])
    return None if said is None else zlib.crc32(tail, said)


def has_chain(content: bytes) -> bool:
    """Whether complete lines end with the checksum of the file up to them, right or wrong."""
    return _said(content[-TAIL:-1]) is not None


def chained(content: bytes, last: bytes, before: int) -> int | None:
    """The CRC-32 of the file up to the end of these complete lines; None unless they are as they were written.

    last: the last of them, without its end; before: the CRC-32 of the file before them.
    """
    crc = zlib.crc32(content[:-TAIL], before)
    if last[-_BOTH:-_OWN] != b'%b%08x"' % (_CHAIN, crc) or last[-_OWN:] != _end(last[:-_OWN]):
        return None
    return zlib.crc32(content[-TAIL:], crc)


def records_of(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """The records of lines whose chain matches, parsed at once, which takes half the time."""
    try:
        found: list[dict[str, Any]] = json.loads(b"[" + b"},".join([line[:-_BOTH] for line in lines]) + b"}]")
    except (ValueError, RecursionError):
        found = []
    if len(found) == len(lines) and {*map(type, found)} <= {dict}:
        return found
    return [record_of(line) for line in lines]  # their checksums match, but they are not records


def _said(end: bytes) -> int | None:
    """The value of the chain in the last bytes of a line."""
    start = len(end) - _BOTH
    value = end[start + len(_CHAIN) : start + len(_CHAIN) + 8]
    if start < 0 or not end.startswith(_CHAIN, start) or not value.isalnum():
        return None
    try:
        return int(value, 16)
    except ValueError:
        return None


def _without_chain(body: bytes) -> bytes:
    start = len(body) - (_BOTH - _OWN)
    return body[:start] if body.startswith(_CHAIN, max(start, 0)) else body


def _end(body: bytes) -> bytes:
    return b'%b%08x"}' % (_MARK, zlib.crc32(body))
