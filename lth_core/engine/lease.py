"""The lease: exactly one engine owns a workspace. A file lock: it ends with its process, never by a timeout."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from lth_core.errors import InputError
from lth_core.store.workspace import Workspace
from lth_core.text import one_line


class LeaseHeld(Exception):
    """Another engine owns the workspace."""

    def __init__(self, pid: int, host: str) -> None:
        super().__init__(f"the workspace is owned by the engine of process {pid} on {host}")
        self.pid, self.host = pid, host


class Lease:
    """Held from construction to `release`; raises LeaseHeld if another process holds it."""

    def __init__(self, path: Path) -> None:
        # Close-on-exec is Python's default: a worker must not inherit the lock.
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise InputError(f"workspace {one_line(path.parent)}: cannot be owned: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 4096)
            os.close(self._descriptor)
            raise _held(holder) from None
        self._path, self._identity = path, _identity(os.fstat(self._descriptor))
        card = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        with contextlib.suppress(OSError):  # on a full disk the text is lost; only the lock matters
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(card).encode(), 0)

    def held(self) -> bool:
        """Whether the file is still there under its name; without it another engine would lock a new one. True if the
        disk is unavailable."""
        try:
            return _identity(self._path.lstat()) == self._identity
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def release(self) -> None:
        """Let another engine own the workspace."""
        os.close(self._descriptor)


@contextlib.contextmanager
def owned(workspace: Workspace, wanted: str) -> Iterator[None]:
    """Own a workspace while no engine may run; raises InputError if one is running."""
    workspace.create()
    try:
        lease = Lease(workspace.lease)
    except LeaseHeld as held:
        raise InputError(f"{held}; {wanted} when it has ended") from None
    try:
        yield
    finally:
        lease.release()


def _identity(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino


def _held(holder: bytes) -> LeaseHeld:
    try:
        card = json.loads(holder)
        return LeaseHeld(int(card["pid"]), str(card["host"]))
    except (ValueError, KeyError, TypeError):
        return LeaseHeld(0, "an unknown host")
