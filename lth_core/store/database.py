"""The SQLite file: opening it safely, migrating it, transactions. Knows the schema's number, not its meaning."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from lth_core.errors import InputError
from lth_core.store.schema import MIGRATIONS
from lth_core.text import one_line

_NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "lustre", "beegfs", "gpfs", "ceph", "fuse.sshfs", "9p", "afs")


class Database:
    """One connection, for one thread. Only a `writer` makes the file or migrates it.

    The engine is the only one that changes state; all others read, and insert into `commands`.

    Raises InputError where the file is not ours, is damaged, or is newer than this program.
    """

    def __init__(self, path: Path, *, writer: bool) -> None:
        self.path = path
        if not writer and not path.exists():
            raise InputError(f"{one_line(path)}: there is no workspace here yet")
        try:
            self._open(writer)
        except sqlite3.DatabaseError as error:
            if writer and not os.access(path.parent, os.W_OK):
                raise InputError(f"{one_line(path.parent)}: is read-only, and a run writes there") from None
            raise InputError(f"{one_line(path)}: cannot be used as a database: {one_line(error)}") from None

    def _open(self, writer: bool) -> None:
        self.connection = self._connect(writer)
        self.connection.row_factory = sqlite3.Row
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise InputError(
                f"{one_line(self.path)}: written by a newer version (schema {version}, "
                f"this program knows {len(MIGRATIONS)}); please update"
            )
        if version == 0 and self.connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            raise InputError(f"{one_line(self.path)}: is a database of another program")
        if writer or version == 0:
            journal = "DELETE" if on_network_filesystem(self.path) else "WAL"
            self.connection.execute(f"PRAGMA journal_mode = {journal}")
        self._refuse_what_acts()
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        if version < len(MIGRATIONS):
            if not writer:
                raise InputError(f"{one_line(self.path)}: written by an older version; open it with an engine once")
            self._migrate(version)

    def _connect(self, writer: bool) -> sqlite3.Connection:
        log = self.path.with_name(f"{self.path.name}-wal")
        settled = not log.exists() or log.stat().st_size == 0
        if not writer and settled and not os.access(self.path.parent, os.W_OK):
            # Where nothing can be written, nobody can be writing: SQLite would want a file beside it for its locks.
            uri = f"{self.path.resolve().as_uri()}?immutable=1"
            return sqlite3.connect(uri, uri=True, isolation_level=None)
        return sqlite3.connect(self.path, timeout=30, isolation_level=None)

    def _refuse_what_acts(self) -> None:
        """Triggers and views act when something else is asked for; ours has none, so they are somebody's doing."""
        self.connection.execute("PRAGMA trusted_schema = OFF")
        found = self.connection.execute("SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')").fetchone()
        if found is not None:
            raise InputError(
                f"{one_line(self.path)}: holds a trigger or view, {one_line(found[0], 80)}, not made by this program"
            )

    def _migrate(self, version: int) -> None:
        if version > 0:
            backup = self.path.with_name(f"{self.path.name}.schema{version}-{time.time_ns()}.backup")
            with sqlite3.connect(backup) as copy:
                self.connection.backup(copy)
            copy.close()
        for number, script in enumerate(MIGRATIONS, start=1):
            with self.transaction() as connection:  # the lock first: another process may be migrating too
                if connection.execute("PRAGMA user_version").fetchone()[0] >= number:
                    continue
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; durable when the block ends."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # on a full disk SQLite may have rolled back by itself
                self.connection.execute("ROLLBACK")
            raise

    def rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self.connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, *parameters: object) -> sqlite3.Row | None:
        """The first row of a query."""
        found: sqlite3.Row | None = self.connection.execute(sql, parameters).fetchone()
        return found

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def on_network_filesystem(path: Path) -> bool:
    """Whether `path` lies on a filesystem whose shared memory cannot carry a write-ahead log."""
    best, kind = "", ""
    for part in psutil.disk_partitions(all=True):
        mount = part.mountpoint
        if path.resolve().is_relative_to(mount) and len(mount) > len(best):
            best, kind = mount, part.fstype
    return kind.startswith(_NETWORK_FILESYSTEMS)
