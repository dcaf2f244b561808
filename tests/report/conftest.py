"""A workspace with a finished job, a job under way, and a suite of two, written as an engine would."""

from pathlib import Path

import pytest

from lth_core.analysis import statistics
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.workspace import Workspace
from tests.tui.workspace_fixture import Writer, experiment


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Job 1 finished with one failed trial, job 2 in round 2, jobs 3 and 4 the suite `pair`, job 5 queued."""
    path = tmp_path_factory.mktemp("workspace")
    writer = Writer(path)
    for name, rounds, arms in (
        ("cartpole", 4, None), ("under-way", 3, ("winning", "random")), ("pair-a", 3, ("winning", "random")),
        ("pair-b", 3, ("winning", "random")), ("queued", 3, ("winning", "random")),
    ):  # fmt: skip
        made = experiment(name, rounds=rounds, arms=arms)
        job = writer.job(made, {"under-way": "running", "queued": "queued"}.get(name, "done"))
        for round in range(0 if name == "queued" else 2 if name == "under-way" else rounds + 1):
            writer.round(job, made, round, share=0.5 if name == "under-way" and round == 1 else 1.0)
    with writer.database.transaction() as connection:
        connection.execute("UPDATE jobs SET suite = 'pair' WHERE name LIKE 'pair-%'")
        connection.execute(
            "UPDATE trials SET state = 'failed', score = NULL, error = ? WHERE job = 1 AND arm = 'random' "
            "AND round = 3 AND seed = 2",
            ("<script>alert(1)</script> diverged\x1b[31m",),
        )
    writer.database.close()
    return path


@pytest.fixture
def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The workspace's database, and intervals from few resamples."""
    monkeypatch.setattr(statistics, "RESAMPLES", 200)
    return Database(Workspace(folder).database, writer=False)


def job(database: Database, number: int) -> views.JobView:
    """A job that exists."""
    found = views.job(database, number)
    assert found is not None
    return found
