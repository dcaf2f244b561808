"""Why a database cannot be opened: only one that is lost may be made again, any other may be whole."""

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
    """A database that cannot be used, and of which kind the cause is."""

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind

    @property
    def lost(self) -> bool:
        """Whether there is nothing in it that could be gone on with."""
        return self.kind in ("missing", "gone", "damaged")


def refusal(path: Path, error: sqlite3.DatabaseError) -> Refused:
    """What SQLite says of the database at `path`, as a refusal."""
    kind = kind_of(path, error)
    if kind == "full":
        free = shutil.disk_usage(path.parent).free
        return Refused(kind, f"disk full: {one_line(path.parent)} has {free / 1e6:.1f} MB left, too little for its "
                       f"database ({one_line(error)}); make room there")  # fmt: skip
    if kind == "locked":
        return Refused(kind, f"{one_line(path)}: is locked by another process; try again when that has ended")
    return Refused(kind, f"{one_line(path)}: cannot be used as a database: {one_line(error)}")


def gone(path: Path) -> Refused:
    """There is no database, or an empty one, where there are batches of one."""
    said = "is gone, and what it knew is still there in `batches`: `lth doctor --repair` makes it again"
    return Refused("gone", f"{one_line(path)}: {said}")


def kind_of(path: Path, error: sqlite3.DatabaseError) -> Kind:
    """The kind of what SQLite has raised; what is not known for damage is never called that."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python's own: a text that is none
        return "damaged"
    primary = code & 0xFF
    if primary in _DAMAGED:
        return "damaged"
    if primary in _LOCKED:
        return "locked"
    # A memory-mapped index or journal that cannot grow is an I/O error to SQLite, or a file that cannot be opened.
    unsure = primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    if primary == sqlite3.SQLITE_FULL or (unsure and has_little(path.parent)):
        return "full"
    return "other"
