"""A Slurm cluster for the tests that need one, and a job of `lth headless` on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm_cluster import SlurmCluster, lacking


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """Three nodes, fresh for each test, found by Slurm's commands in this process."""
    if lacking():
        pytest.skip(lacking())
    pytest.importorskip("submitit")
    folder: Path = tmp_path_factory.mktemp("slurm")
    made = SlurmCluster(folder)
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, made.environment[name])
    try:
        yield made
    finally:
        made.close()
