"""The SQLite file: opens it safely, migrates it, runs transactions. Knows the schema's version, not its content."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from lth_core.store.refusal import Refused, gone, refusal
from lth_core.store.reserve import give_up_where_full
from lth_core.store.schema import MIGRATIONS
from lth_core.store.workspace import has_batches
from lth_core.text import one_line

PATIENCE = 30.0
"""Seconds to wait for a lock of another process."""
_NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "lustre", "beegfs", "gpfs", "ceph", "fuse.sshfs", "9p", "afs")


class Database:
    """One connection, for one thread. Only a `writer` creates or migrates the file.

    A writer deletes the workspace's reserve if the disk is full, because opening a database needs space. Only the
    engine changes state; all others read, and insert into `commands`.

    remaking: create a new database although there are batches of a lost one.

    Raises Refused, an InputError, if the file is not ours, is damaged, locked, or newer than this program, or if the
    disk is full.
    """

    def __init__(self, path: Path, *, writer: bool, remaking: bool = False) -> None:
        self.path, self._remaking, self._on_network = path, remaking, False
        if not path.exists() and self._is_gone():
            raise gone(path)
        if not writer and not path.exists():
            raise Refused("missing", f"{one_line(path)}: there is no workspace here yet")
        if writer:
            give_up_where_full(path.parent)
        try:
            self.connection = self._connect(writer)
            try:
                self._open(writer)
            except BaseException:
                self.connection.close()
                raise
        except sqlite3.DatabaseError as error:
            if writer and not os.access(path.parent, os.W_OK):
                raise Refused("other", f"{one_line(path.parent)}: is read-only, and a run writes there") from None
            raise refusal(path, error) from None

    def _open(self, writer: bool) -> None:
        self.connection.row_factory = sqlite3.Row
        # In one statement, because another process may be creating it.
        version, tables = self.connection.execute(
            "SELECT user_version, (SELECT COUNT(*) FROM sqlite_master) FROM pragma_user_version"
        ).fetchone()
        if version > len(MIGRATIONS):
            raise Refused(
                "newer",
                f"{one_line(self.path)}: written by a newer version (schema {version}, "
                f"this program knows {len(MIGRATIONS)}); please update",
            )
        if version == 0:
            if tables:
                raise Refused("damaged", f"{one_line(self.path)}: is a database of another program")
            if self._is_gone():
                raise gone(self.path)
            if not writer:  # one whose creation was interrupted
                raise Refused("missing", f"{one_line(self.path)}: is empty, there is no workspace here yet")
        if writer:
            self._on_network = on_network_filesystem(self.path)
            journal = "DELETE" if self._on_network else "WAL"
            self.connection.execute(f"PRAGMA journal_mode = {journal}")
        self._refuse_what_acts()
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        if version < len(MIGRATIONS):
            if not writer:
                said = "written by an older version; open it with an engine once"
                raise Refused("older", f"{one_line(self.path)}: {said}")
            self._migrate(version)

    def _is_gone(self) -> bool:
        """Whether there are batches, which means that the database was lost and not just created."""
        return not self._remaking and has_batches(self.path.parent)

    def _connect(self, writer: bool) -> sqlite3.Connection:
        log = self.path.with_name(f"{self.path.name}-wal")
        settled = not log.exists() or log.stat().st_size == 0
        if not writer and settled and not os.access(self.path.parent, os.W_OK):
            # If nothing can be written here, nobody is writing. Without this, SQLite needs a file for its locks.
            uri = f"{self.path.resolve().as_uri()}?immutable=1"
            return sqlite3.connect(uri, uri=True, isolation_level=None)
        return sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)

    def _refuse_what_acts(self) -> None:
        """Refuse triggers and views: they run code during other queries, and our schema has none."""
        self.connection.execute("PRAGMA trusted_schema = OFF")
        found = self.connection.execute("SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')").fetchone()
        if found is not None:
            said = f"holds a trigger or view, {one_line(found[0], 80)}, not made by this program"
            raise Refused("damaged", f"{one_line(self.path)}: {said}")

    def _migrate(self, version: int) -> None:
        if version > 0:
            backup = self.path.with_name(f"{self.path.name}.schema{version}-{time.time_ns()}.backup")
            try:
                with contextlib.closing(sqlite3.connect(backup)) as copy:
                    self.connection.backup(copy)
            except sqlite3.DatabaseError:  # half a copy would take space that is missing
                backup.unlink(missing_ok=True)
                raise
        for number, script in enumerate(MIGRATIONS, start=1):
            with self.transaction() as connection:  # the lock first: another process may be migrating too
                if connection.execute("PRAGMA user_version").fetchone()[0] >= number:
                    continue
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all of the block or nothing; durable when it ends."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # on a full disk SQLite may have rolled back by itself
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Within the block all queries see one state, even if an engine writes; inside a transaction, its state."""
        within = self.connection.in_transaction
        if not within:
            self.connection.execute("BEGIN")
        try:
            yield
        finally:
            if not within:
                self.connection.execute("COMMIT")

    @property
    def on_network(self) -> bool:
        """Whether the file is on a network filesystem, where each query costs more."""
        return self._on_network

    def version_of_others(self) -> int:
        """A number that changes whenever another connection has written."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

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
    """Whether `path` is on a filesystem without the shared memory that a write-ahead log needs."""
    best, kind = "", ""
    for part in psutil.disk_partitions(all=True):
        mount = part.mountpoint
        if path.resolve().is_relative_to(mount) and len(mount) > len(best):
            best, kind = mount, part.fstype
    return kind.startswith(_NETWORK_FILESYSTEMS)
