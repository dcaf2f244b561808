"""Opens only regular files, because in a foreign workspace a name may be a pipe, a folder or a link."""

import errno
import os
import stat
from io import BufferedReader, BufferedWriter
from pathlib import Path

_NO_FILE = {errno.ELOOP, errno.ENXIO, errno.ENOTDIR, errno.EISDIR}
"""Errors of opening a link that is not followed, a socket or pipe, or a name below a file."""


def open_plain(path: Path, *, follow: bool = True) -> BufferedReader:
    """Open a regular file for reading, through a link only with `follow`; never blocks on a pipe.

    Raises FileNotFoundError for anything else.
    """
    return os.fdopen(_descriptor(path, os.O_RDONLY | (0 if follow else os.O_NOFOLLOW)), "rb")


def read_plain(path: Path, offset: int, most: int) -> bytes:
    """At most `most` bytes of a regular file from `offset` on, without buffers; raises like `open_plain`, also for a
    link."""
    descriptor = _descriptor(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        return os.pread(descriptor, most, offset)
    finally:
        os.close(descriptor)


def append_plain(path: Path) -> BufferedWriter:
    """Open a regular file for appending, or create it; raises like `open_plain`, also for a link."""
    return os.fdopen(_descriptor(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW), "ab")


def _descriptor(path: Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path)
    return descriptor


def _no_file(path: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "not a regular file", str(path))
