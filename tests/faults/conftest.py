"""What tests of faults share: runs that end with their test, and the outcome each has seen for the printed table."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_core.experiment.experiment import Experiment
from tests.engine.experiments import digest
from tests.faults.runs import Run, short
from tests.once import made_once


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say what was seen to happen, once that has been checked."""

    def say(outcome: str) -> None:
        request.node.user_properties.append(("outcome", outcome))

    return say


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Make a Run in the test's folder; whatever still runs at the test's end is killed."""
    made: list[Run] = []

    def make(experiment: Experiment | Path | None = None, name: str = "run", **options: Any) -> Run:
        made.append(Run(tmp_path / name, experiment or short(), **options))
        return made[-1]

    yield make
    for run in made:
        run.stop()


@pytest.fixture(scope="session")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Experiment | Path | None], dict[str, Any]]:
    """The digest of a run of any experiment that nothing interrupts; each is run once, whoever asks for it."""
    known: dict[str, dict[str, Any]] = {}

    def digest_of(experiment: Experiment | Path | None = None) -> dict[str, Any]:
        wanted = experiment or short()
        key = wanted.read_text() if isinstance(wanted, Path) else wanted.canonical()

        def make(folder: Path) -> None:
            run = Run(folder, wanted)
            try:
                run.finish()
            finally:
                run.stop()

        if key not in known:
            name = f"left-alone-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
            known[key] = digest(made_once(tmp_path_factory, name, make) / "workspace")
        return known[key]

    return digest_of
