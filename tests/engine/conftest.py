"""The workspace of a finished job, to be read, and to be spoiled and mended."""

from pathlib import Path

import pytest

from lth_core.engine import dispatch
from lth_core.store.workspace import Workspace
from tests.once import copied


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn of the engine places all it can, however busy the machine is."""
    monkeypatch.setattr(dispatch, "LONGEST", 60.0)


@pytest.fixture(scope="session")
def done(trained: Path) -> Path:
    """The workspace as its engine has left it, of `tiny()` and one slot: for reading only."""
    return trained / "workspace"


@pytest.fixture
def workspace(done: Path, tmp_path: Path) -> Workspace:
    """A copy of it that a test may spoil."""
    return Workspace(copied(done, tmp_path / "w"))
