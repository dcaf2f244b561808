"""Lines of text files, plain or .gz, one at a time: no file is held in memory as a whole."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lth_core.errors import InputError
from lth_core.text import one_line

READING = 2
"""Increased whenever the same file would give other lines."""
LONGEST_LINE = 10**8
"""Bytes; without a limit, a file without line ends would be read at once."""
CHECKED = 256 * 10**6
"""Characters of a file that are checked before a job is queued."""
BLANK = "the file is blank: expected a file with text"
_BYTE_ORDER_MARK = "\ufeff"


def check_file(field: str, name: str, accepted: str = "a text file, plain or .gz") -> Path:
    """The path of an existing file that is not empty; else raises InputError with the field and what is `accepted`."""
    path = Path(name)
    try:
        if not path.is_file():
            path.stat()
            raise InputError(f"{field} = {one_line(name)}: not a regular file")
        if path.stat().st_size == 0:
            raise InputError(f"{field} = {one_line(name)}: the file is empty")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can have this name"
        raise InputError(f"{field} = {one_line(name)}: {reason}; expected {accepted}") from None
    return path


def check_text(field: str, name: str) -> None:
    """Raise InputError if the first CHECKED characters of a file are not text, or are blank."""
    size, blank = 0, True
    for line in read_lines(check_file(field, name)):
        size += len(line) + 1
        blank = blank and not line.strip()
        if size > CHECKED:
            break
    if blank:
        raise InputError(f"{field} = {one_line(name)}: {BLANK}")


def read_lines(path: Path) -> Iterator[str]:
    """Every line without its end, including empty ones, and without a byte order mark.

    Raises InputError if the file is not UTF-8, or is incomplete.
    """
    number = 0
    try:
        with _open(path) as file:
            while line := file.readline(LONGEST_LINE):
                number += 1
                if len(line) == LONGEST_LINE:
                    raise InputError(f"{one_line(path)}: line {number} is longer than {LONGEST_LINE:,} bytes")
                text = line.decode().rstrip("\r\n")
                yield text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else text
    except UnicodeDecodeError as error:
        raise InputError(
            f"{one_line(path)}: line {number} is not UTF-8 text (byte {error.start} of the line)"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{one_line(path)}: after line {number}: {one_line(error)}") from None


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
