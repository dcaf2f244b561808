"""Workspaces that take a training to make and are only read: made once, however many processes run the tests."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.started import uncounted


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Of all processes that run these tests."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name, for reading only: made by the first process that asks for it, the others wait."""
    shared = shared_folder(factory)
    folder = shared / f"once-{name}"
    made = folder / ".made"
    with (shared / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            with uncounted():
                make(folder)
            made.touch()
    return folder


def copied(folder: Path, to: Path) -> Path:
    """A copy of it that may be changed; without SQLite's files of those who read it meanwhile, which come and go."""
    return shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*-wal", "*-shm", ".made"))
