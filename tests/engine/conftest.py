"""A workspace with a finished job, to be spoiled and mended."""

import shutil
from pathlib import Path

import pytest

from lth_core.store.workspace import Workspace
from tests.engine.experiments import tiny
from tests.engine.test_engine import running


@pytest.fixture(scope="package")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace as its engine has left it: for reading only."""
    folder = tmp_path_factory.mktemp("done")
    with running(folder) as r:
        r.submit(tiny(arms=["winning", "random"]))
        r.until_state(1, "done")
    return folder


@pytest.fixture
def workspace(done: Path, tmp_path: Path) -> Workspace:
    """A copy of it that a test may spoil."""
    shutil.copytree(done, tmp_path / "w")
    return Workspace(tmp_path / "w")
