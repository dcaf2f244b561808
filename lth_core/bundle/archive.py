"""The container of a bundle: a zip file with fixed times and order, written once, and read only if it is harmless.

A zip file lists its members at its end, so that all names and sizes are checked before anything is unpacked; any
system opens it. The list is read by its length first: a hostile file may say anything.
"""

import contextlib
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from lth_core.errors import InputError
from lth_core.store.plain import open_plain
from lth_core.text import is_name, one_line

MOST_FILES = 100_000
MOST_LIST = 32_000_000
"""Bytes of the list of members."""
MOST_BYTES = 1 << 40
"""Bytes of all members unpacked."""
MOST_TEXT = 1 << 30
"""Bytes of a single member that is read into memory."""
MOST_RATIO, SMALL = 100, 20_000_000
"""How often its own size a file may unpack to, if that is more than SMALL bytes."""
_LONGEST_NAME = 300
_PIECE = 1 << 20
_END, _END_SIZE = b"PK\x05\x06", 22
_LARGE_END, _LARGE_END_SIZE = b"PK\x06\x06", 56
_LOCATOR, _LOCATOR_SIZE = b"PK\x06\x07", 20
_WHEN = (1980, 1, 1, 0, 0, 0)


class Refused(InputError):
    """Not a bundle, or one that nobody should unpack."""


class _Harm(Exception):
    """Why a file is refused."""


_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError, _Harm)
"""What a file that anybody may have written raises when it is read: zipfile wraps few of its own errors, and those of
zlib, struct, of bad names or seeks (OSError, ValueError) and of a compression that it does not know
(NotImplementedError) come through."""


def write_archive(path: Path, members: Iterable[tuple[str, int, Callable[[], Iterator[bytes]]]]) -> None:
    """Write (name, size, its bytes in pieces) in the given order; the file appears when it is complete.

    Raises InputError if there is a file of this name, or its folder cannot be written to.
    """
    if os.path.lexists(path):
        raise InputError(f"{one_line(path)} already exists: expected the name of a new file")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                for name, size, pieces in members:
                    _add(archive, name, size, pieces())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{one_line(path)}: cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _add(archive: zipfile.ZipFile, name: str, size: int, pieces: Iterator[bytes]) -> None:
    info = zipfile.ZipInfo(name, _WHEN)
    info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
    # Weights do not shrink, and take long to try.
    info.compress_type = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
    info.file_size = size
    with archive.open(info, "w") as member:
        for piece in pieces:
            member.write(piece)


class Archive:
    """A bundle's file, whose members have harmless names and sizes. Nothing is written before `unpack`.

    Raises Refused with one sentence for anything else.
    """

    def __init__(self, path: Path) -> None:
        self._shown = one_line(path)
        try:
            self._file = open_plain(path)
        except OSError as error:
            raise Refused(f"{self._shown}: {error.strerror}: expected a bundle that `lth bundle` wrote") from None
        try:
            _check_list(self._file)
            self._zip = zipfile.ZipFile(self._file)
            self.sizes = _harmless(self._zip.infolist(), os.fstat(self._file.fileno()).st_size)
        except _DAMAGED as error:
            self._file.close()
            said = one_line(error, 200) or type(error).__name__
            raise Refused(f"{self._shown}: {said}: expected a bundle that `lth bundle` wrote") from None

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def pieces(self, name: str) -> Iterator[bytes]:
        """A member's bytes, never more than its list says; raises Refused if they are damaged."""
        left = self.sizes[name]
        try:
            with self._zip.open(name) as member:
                while piece := member.read(min(_PIECE, left + 1)):
                    left -= len(piece)
                    if left < 0:
                        raise zipfile.BadZipFile("is longer than its size")
                    yield piece
        except _DAMAGED as error:
            raise Refused(f"{self._shown}: {name} cannot be read: {one_line(error, 120)}") from None
        if left:
            raise Refused(f"{self._shown}: {name} is shorter than its size")

    def read(self, name: str) -> bytes:
        """A member as a whole; raises Refused if there is none, or it is too large to be a text."""
        if name not in self.sizes:
            raise Refused(f"{self._shown}: has no {name}: expected a bundle that `lth bundle` wrote")
        if self.sizes[name] > MOST_TEXT:
            raise Refused(f"{self._shown}: {name} has {self.sizes[name]:,} bytes: expected at most {MOST_TEXT:,}")
        return b"".join(self.pieces(name))

    def digest(self, name: str) -> str:
        """SHA-256 of a member."""
        found = hashlib.sha256()
        for piece in self.pieces(name):
            found.update(piece)
        return found.hexdigest()

    def unpack(self, name: str, path: Path) -> None:
        """Write a member to a new file, and the folders above it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for piece in self.pieces(name):
                file.write(piece)


def _check_list(file: IO[bytes]) -> None:
    """Read the end of a zip file, which says how long its list of members is, before anything reads that list."""
    size = file.seek(0, os.SEEK_END)
    large_at = size - _END_SIZE - _LOCATOR_SIZE - _LARGE_END_SIZE
    file.seek(max(0, large_at))
    tail = file.read()
    end = tail[-_END_SIZE:]
    if len(end) < _END_SIZE or not end.startswith(_END):
        raise _Harm("is not an archive, or only the beginning of one")
    count, listed, start = struct.unpack("<HII", end[10:20])
    locator = tail[-_END_SIZE - _LOCATOR_SIZE : -_END_SIZE]
    if locator.startswith(_LOCATOR):  # then zipfile goes by the large end, whatever the other says
        if not tail.startswith(_LARGE_END) or struct.unpack("<Q", locator[8:16]) != (large_at,):
            raise _Harm("has a damaged end")
        count, listed, start = struct.unpack("<QQQ", tail[32:56])
    if count > MOST_FILES:
        raise _Harm(f"holds {count:,} files, more than {MOST_FILES:,}")
    if listed > MOST_LIST:
        raise _Harm(f"its list of files has {listed:,} bytes, more than {MOST_LIST:,}")
    if start + listed > size:
        raise _Harm("is only a part of an archive")


def _harmless(members: list[zipfile.ZipInfo], size: int) -> dict[str, int]:
    """Sizes by name; raises _Harm for what no bundle has. size: of the archive."""
    found: dict[str, int] = {}
    for one in members:
        name, mode = one.filename, one.external_attr >> 16
        if not is_place(name) or name != one.orig_filename:
            raise _Harm(f"names a file {one_line(repr(one.orig_filename), 80)}, which is no plain path inside it")
        if name in found:
            raise _Harm(f"has {name} twice")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise _Harm(f"{name} is a link or no regular file")
        if one.flag_bits & 0x1 or one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _Harm(f"{name} is encrypted or packed in a way that is not accepted")
        if len(one.extra) > 64 or one.comment:
            raise _Harm(f"{name} has a comment or a long header")
        found[name] = one.file_size
    packed, whole = sum(one.compress_size for one in members), sum(found.values())
    if packed > size:
        raise _Harm("its files overlap")
    if whole > MOST_BYTES:
        raise _Harm(f"unpacks to {whole:,} bytes, more than {MOST_BYTES:,}")
    if whole > SMALL and whole > MOST_RATIO * size:
        raise _Harm(f"unpacks to {whole:,} bytes, more than {MOST_RATIO} times its own size")
    above = {name[:place] for name in found for place, letter in enumerate(name) if letter == "/"}
    if both := sorted(above & found.keys()):
        raise _Harm(f"has {both[0]} as a file and as a folder")
    return found


def is_place(name: str) -> bool:
    """Whether a name is a plain relative path: parts of letters, digits, `_`, `-`, `.`, none beginning with a dot."""
    return len(name) <= _LONGEST_NAME and all(is_name(part) for part in name.split("/"))
