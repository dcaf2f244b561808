"""Bundles of two small jobs that were trained once: a job with a failed trial, and the suite of both."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from lth_core.analysis import statistics
from lth_core.store.record_lines import content_of, record_of
from lth_core.store.records import body
from tests.command import lth
from tests.engine.experiments import as_toml, tiny
from tests.once import copied, made_once

LOST = ("random", 2, 1)
"""Arm, round and seed of job 1's trial that failed."""


@pytest.fixture(scope="package", autouse=True)
def few_resamples() -> Iterator[None]:
    """Who makes a bundle and who verifies it draw as few samples; tests of other packages as many as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 50)
        yield


@pytest.fixture(scope="package")
def workspace(tmp_path_factory: pytest.TempPathFactory, trained_suite: Path) -> Path:
    """A workspace with the suite of two jobs, a trial of the first of which diverged: for reading only."""

    def make(folder: Path) -> None:
        made = copied(trained_suite / "workspace", folder / "workspace")
        with (
            contextlib.closing(sqlite3.connect(trained_suite / "workspace" / "workspace.sqlite")) as whole,
            contextlib.closing(sqlite3.connect(made / "workspace.sqlite")) as connection, connection,
        ):  # fmt: skip
            whole.backup(connection)
            own = "job = 1 AND arm = ? AND round = ? AND seed = ?"
            (trial,) = connection.execute(f"SELECT id FROM trials WHERE {own}", LOST).fetchone()
            failed = "state = 'failed', error = 'not a number at step 900', score = NULL, tensors = NULL, sha256 = NULL"
            connection.execute(f"UPDATE trials SET {failed} WHERE id = ?", (trial,))
            connection.execute("DELETE FROM audits WHERE trial = ? AND moment = 'after'", (trial,))
            connection.execute("UPDATE jobs SET state = 'failed', error = '1 trial failed' WHERE id = 1")
        for path in made.rglob("records.jsonl"):
            records = [record_of(line) for line in path.read_bytes().splitlines()]
            if any(record.get("trial") == trial for record in records):
                kept = [one for one in records if one.get("trial") != trial or not _at_end(one)]
                kept.append({"kind": "failed", "trial": trial, "error": "not a number at step 900"})
                path.write_bytes(content_of(body(record) for record in kept))

    return made_once(tmp_path_factory, "workspace-to-bundle", make) / "workspace"


def _at_end(record: dict[str, object]) -> bool:
    return record["kind"] == "done" or record.get("moment") == "after"


@pytest.fixture(scope="package")
def bundles(tmp_path_factory: pytest.TempPathFactory, workspace: Path, few_resamples: None) -> Path:
    """A folder with job.zip, weights.zip and suite.zip: for reading only."""

    def make(folder: Path) -> None:
        for name, asked in {"job": ("1",), "weights": ("2", "--weights"), "suite": ("two",)}.items():
            done = lth("bundle", *asked, "-o", f"{name}.zip", "-w", workspace, cwd=folder)
            assert done.returncode == 0, done.stderr
            (folder / f"{name}.txt").write_text(done.stdout)

    return made_once(tmp_path_factory, "bundles", make)


@pytest.fixture(scope="package")
def mobile(tmp_path_factory: pytest.TempPathFactory, few_resamples: None) -> Path:
    """A folder with job.zip and weights.zip of a job whose masks are drawn, or change during training."""

    def make(folder: Path) -> None:
        quick = {"length": 512, "record_every": 128, "evaluation_episodes": 1}
        arms = ["winning", "gmp", "static", "set", "rigl"]
        own = tiny(seeds=[0], arms=arms, training=quick, pruning={"moving": {"interval": 0.1}})
        (folder / "mobile.toml").write_text(as_toml(own))
        for asked in (
            ("headless", "mobile.toml", "--device", "cpu", "--slots", 1),
            ("bundle", 1, "-o", "job.zip"), ("bundle", 1, "-o", "weights.zip", "--weights"),
        ):  # fmt: skip
            done = lth(*asked, cwd=folder)
            assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "mobile", make)


def said(path: Path, *asked: object) -> list[tuple[str, str]]:
    """(part, sentence) of what `lth verify` finds wrong."""
    done = lth("verify", path, "--json", *asked)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    wrong = [(one["part"], one["sentence"]) for one in found["findings"] if one["state"] == "bad"]
    assert found["holds"] == (not wrong) == (done.returncode == 0)
    return wrong
