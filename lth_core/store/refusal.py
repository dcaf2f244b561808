"""Why a database cannot be opened. Only a lost one may be rebuilt; any other may be undamaged."""

import shutil
import sqlite3
from pathlib import Path
from typing import Literal

from lth_core.errors import InputError
from lth_core.store.reserve import has_little
from lth_core.text import one_line

Kind = Literal["missing", "gone", "damaged", "older", "newer", "locked", "full", "other"]

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


class Refused(InputError):
    """A database that cannot be used, with the kind of cause."""

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind

    @property
    def lost(self) -> bool:
        """Whether its content is lost, so that it must be rebuilt."""
        return self.kind in ("missing", "gone", "damaged")


def refusal(path: Path, error: sqlite3.DatabaseError) -> Refused:
    """SQLite's error about the database at `path`, as a Refused."""
    kind = kind_of(path, error)
    if kind == "full":
        free = shutil.disk_usage(path.parent).free
        return Refused(kind, f"disk full: {one_line(path.parent)} has {free / 1e6:.1f} MB left, too little for its "
                       f"database ({one_line(error)}); free space there")  # fmt: skip
    if kind == "locked":
        return Refused(kind, f"{one_line(path)}: is locked by another process; try again when it has ended")
    return Refused(kind, f"{one_line(path)}: cannot be used as a database: {one_line(error)}")


def gone(path: Path) -> Refused:
    """The refusal of a missing or empty database whose batches still exist."""
    said = "is missing, but its content is still in `batches`: `lth doctor --repair` rebuilds it"
    return Refused("gone", f"{one_line(path)}: {said}")


def kind_of(path: Path, error: sqlite3.DatabaseError) -> Kind:
    """The kind of an SQLite error; an unknown error never counts as damage."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by Python itself: a text that is not valid UTF-8
        return "damaged"
    primary = code & 0xFF
    if primary in _DAMAGED:
        return "damaged"
    if primary in _LOCKED:
        return "locked"
    # If a memory-mapped index or journal cannot grow, SQLite reports an I/O error or a file that cannot be opened.
    unsure = primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    if primary == sqlite3.SQLITE_FULL or (unsure and has_little(path.parent)):
        return "full"
    return "other"
