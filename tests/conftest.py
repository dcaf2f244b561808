"""What every test shares: one thread for torch, hypothesis without deadlines and its database, a trained workspace."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import hypothesis
import pytest

with patch.dict(os.environ, OPENBLAS_NUM_THREADS="1"):
    import numpy  # noqa: F401  # its threads wait in a loop for one another: on a busy machine for most of the time

os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # as workers have it: without it bits depend on alignment

pytest_plugins = ("tests.started",)

hypothesis.settings.register_profile("lth", deadline=None, database=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("lth")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from threads, and the machine may be shared."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def warm_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """From now on processes that import torch are forked (`tests.warm`); all who run the tests have one server."""
    from lth_core.batches.processes import variables
    from tests.once import shared_folder
    from tests.started import uncounted
    from tests.warm.warm import served

    marked = any(item.get_closest_marker("processes") for item in request.session.items)
    with contextlib.ExitStack() as stack:
        if marked and not getattr(request.config.option, "cov_source", None):
            with uncounted():
                stack.enter_context(served(shared_folder(tmp_path_factory), variables))
        yield


@pytest.fixture
def cold_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are started as they are for users."""
    from tests.warm.warm import SERVER

    monkeypatch.delenv(SERVER, raising=False)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.toml, the workspace of its run, and out.txt, which is what that printed: for reading only."""
    from tests.command import lth_apart
    from tests.engine.experiments import as_toml, tiny
    from tests.once import made_once

    def make(folder: Path) -> None:
        (folder / "tiny.toml").write_text(as_toml(tiny()))
        run = lth_apart("headless", "tiny.toml", "--device", "cpu", "--slots", 1, cwd=folder)
        assert run.returncode == 0, run.stderr
        (folder / "out.txt").write_text(run.stdout)

    return made_once(tmp_path_factory, "trained", make)


@pytest.fixture(scope="session")
def trained_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two.toml, the workspace of its run, and out.txt, which is what that printed: for reading only."""
    from tests.command import lth
    from tests.engine.experiments import suite_of_two
    from tests.once import made_once

    def make(folder: Path) -> None:
        (folder / "two.toml").write_text(suite_of_two())
        done = lth("headless", "two.toml", "--device", "cpu", "--slots", 1, cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / "out.txt").write_text(done.stdout)

    return made_once(tmp_path_factory, "suite", make)
