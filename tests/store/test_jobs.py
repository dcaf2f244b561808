"""Trials in the store: records counted once, failures that block descendants only, paths that stay inside."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lth_core.errors import InputError
from lth_core.store import metrics, views
from lth_core.store.batches import add_batch, begin_batch, end_batch, return_batch
from lth_core.store.database import Database
from lth_core.store.ingest import ingest
from lth_core.store.jobs import add_job, settle_job
from lth_core.store.nonsense import NONSENSE
from lth_core.store.trials import ready_trials, requeue_unfinished
from lth_core.store.workspace import Workspace
from tests.small import experiment

SETTINGS = experiment(arms=["winning", "random", "one_shot"], pruning={"rounds": 3})


class Store:
    """A database with one job."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "w.sqlite", writer=True)
        with self.database.transaction() as connection:
            self.job = add_job(connection, SETTINGS, "x.toml", {"lth": "0"})

    def id(self, arm: str, round: int, seed: int = 0) -> int:
        return next(t.id for t in self.trials() if (t.arm, t.round, t.seed) == (arm, round, seed))

    def trials(self) -> list[views.TrialView]:
        return views.trials(self.database, self.job)

    def states(self, seed: int | None = None) -> dict[tuple[str, int, int], str]:
        return {(t.arm, t.round, t.seed): t.state for t in self.trials() if seed in (None, t.seed)}

    def begin(self) -> int:
        with self.database.transaction() as connection:
            ready = [row["id"] for row in ready_trials(connection, self.job)]
            batch = add_batch(connection, self.job, ready)
            begin_batch(connection, batch, "cpu/0")
        return batch

    def ingest(self, **record: Any) -> None:
        with self.database.transaction() as connection:
            ingest(connection, self.job, record, Counter())

    def done(self, trial: int, score: float | None = 1.0) -> None:
        self.ingest(kind="done", trial=trial, step=512, score=score, tensors=f"t{trial}", sha256="0")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_trials_become_ready_when_all_they_wait_for_is_done(store: Store) -> None:
    def ready() -> set[tuple[str, int, int]]:
        rows = ready_trials(store.database.connection, store.job)
        return {(row["arm"], row["round"], row["seed"]) for row in rows}

    assert ready() == {("dense", 0, 0), ("dense", 0, 1)}
    store.begin()
    assert ready() == set()
    store.done(store.id("dense", 0, 1))
    assert ready() == {("winning", 1, 1), ("random", 1, 1), ("one_shot", 1, 1)}
    store.begin()
    store.done(store.id("winning", 1, 1))
    assert ready() == {("winning", 2, 1), ("random", 2, 1), ("one_shot", 2, 1)}


def test_a_done_record_that_comes_again_counts_once(store: Store) -> None:
    store.begin()
    trial = store.id("dense", 0)
    store.done(trial, 5.0)
    store.done(trial, 99.0)
    found = next(t for t in store.trials() if t.id == trial)
    assert (found.state, found.score, found.step) == ("done", 5.0, 512)
    store.done(store.id("dense", 0, 1))
    store.done(store.id("dense", 0, 1))
    rounds = [e for e in views.events(store.database) if e.kind == "round"]
    assert [e.text for e in rounds] == ["round 0 finished"]


def test_a_failed_record_after_a_done_one_changes_nothing(store: Store) -> None:
    store.begin()
    trial = store.id("dense", 0)
    store.done(trial)
    store.ingest(kind="failed", trial=trial, error="too late")
    assert store.states()[("dense", 0, 0)] == "done"
    assert "blocked" not in store.states().values()


def test_a_batch_speaks_of_its_own_job_alone(store: Store) -> None:
    store.begin()
    with store.database.transaction() as connection:
        other = add_job(connection, SETTINGS, "y.toml", {"lth": "0"})
    foreign = next(t.id for t in views.trials(store.database, other))
    store.database.connection.execute("UPDATE trials SET state = 'running' WHERE id = ?", (foreign,))
    with pytest.raises(NONSENSE, match=f"job {store.job} has no trial {foreign}"):
        store.done(foreign)
    with pytest.raises(NONSENSE, match=f"job {store.job} has no trial {foreign}"):
        store.ingest(kind="failed", trial=store.id("dense", 0), error="x", damaged=[foreign])
    assert next(t for t in views.trials(store.database, other) if t.id == foreign).state == "running"


def test_a_score_that_is_no_number_is_stored_as_none(store: Store) -> None:
    store.begin()
    store.done(store.id("dense", 0), None)
    assert next(t for t in store.trials() if t.state == "done").score is None


def test_a_failure_blocks_descendants_and_nobody_else(store: Store) -> None:
    store.begin()
    store.done(store.id("dense", 0, 0))
    store.done(store.id("dense", 0, 1))
    store.begin()
    store.ingest(kind="failed", trial=store.id("winning", 1, 0), error="diverged \x1b[31m")
    states = store.states(seed=0)
    assert states[("winning", 1, 0)] == "failed"
    # All of rounds 2 and 3 are derived from, or audited against, the winning ticket of round 1.
    assert {k for k, s in states.items() if s == "blocked"} == {
        (arm, round, 0) for arm in SETTINGS.arms for round in (2, 3)
    }
    assert {states[(arm, 1, 0)] for arm in ("random", "one_shot")} == {"running"}
    assert not set(store.states(seed=1).values()) & {"failed", "blocked"}
    blocked = next(t for t in store.trials() if t.state == "blocked")
    assert blocked.error == "waits for winning round 1 seed 0, which failed"
    failed = next(t for t in store.trials() if t.state == "failed")
    assert failed.error == "diverged"


def test_a_failed_control_blocks_nothing(store: Store) -> None:
    store.begin()
    store.done(store.id("dense", 0, 0))
    store.begin()
    store.ingest(kind="failed", trial=store.id("random", 1, 0), error="diverged")
    assert [s for s in store.states().values() if s in ("failed", "blocked")] == ["failed"]


def test_retrying_lets_failed_and_blocked_trials_wait_again_from_scratch(store: Store) -> None:
    store.begin()
    trial = store.id("dense", 0)
    store.ingest(kind="metrics", trial=trial, step=10, values={"a": 1.0, "b": None})
    store.ingest(kind="failed", trial=trial, error="broken")
    with store.database.transaction() as connection:
        assert requeue_unfinished(connection, store.job) == 1 + 9
    assert set(store.states(seed=0).values()) == {"waiting"}
    assert metrics.curves(store.database, [trial], "a") == {}
    assert all(t.error is None for t in store.trials())


@pytest.mark.parametrize("names_it", [True, False])  # records of earlier versions do not name their batch
def test_a_retry_keeps_the_audits_of_earlier_attempts_as_rows_of_these(store: Store, names_it: bool) -> None:
    trial = store.id("dense", 0)
    for failed in (True, False):
        batch = store.begin()
        of = {"batch": batch, "attempt": 1} if names_it or not failed else {}
        for moment in ("before", "after") if failed else ("before",):
            store.ingest(kind="audit", trial=trial, moment=moment, checks=[["x", not failed, f"batch {batch}"]], **of)
        if failed:
            store.ingest(kind="failed", trial=trial, error="audit")
            with store.database.transaction() as connection:
                end_batch(connection, batch, None)
                requeue_unfinished(connection, store.job)
            assert views.audit_counts(store.database, store.job) == (0, 0)
    rows = store.database.rows("SELECT moment, batch, passed FROM audits ORDER BY batch, moment")
    assert [tuple(row) for row in rows] == [("after", 1, 0), ("before", 1, 0), ("before", 2, 1)]
    assert [audit.detail for audit in views.audits(store.database, store.job)] == ["batch 2"]


def test_a_worker_that_ends_without_results_fails_its_trials(store: Store) -> None:
    batch = store.begin()
    store.done(store.id("dense", 0, 1))
    with store.database.transaction() as connection:
        end_batch(connection, batch, "killed")
    states = store.states()
    assert (states[("dense", 0, 0)], states[("dense", 0, 1)]) == ("failed", "done")


def test_a_batch_that_is_run_again_keeps_its_finished_trials(store: Store) -> None:
    batch = store.begin()
    store.done(store.id("dense", 0, 1))
    with store.database.transaction() as connection:
        return_batch(connection, batch)
    assert store.states()[("dense", 0, 0)] == "waiting"
    with store.database.transaction() as connection:
        assert begin_batch(connection, batch, "cpu/0") == 2
    assert store.states()[("dense", 0, 0)] == "running"
    assert store.states()[("dense", 0, 1)] == "done"


def test_metrics_layers_and_audits_are_taken_over(store: Store) -> None:
    store.begin()
    trial = store.id("dense", 0)
    for _ in range(2):  # a resumed worker repeats them
        store.ingest(kind="metrics", trial=trial, step=64, values={"return/train": 2.0, "loss/policy": None})
        store.ingest(
            kind="layers", trial=trial, density=0.5, model_density=0.75,
            layers=[["a", [2, 2], 4, 2, True], ["b", [4], 4, 4, False],
                    ["c", [1, 3], 3, 0, True], ["d", [4], 4, 0, True]],
        )  # fmt: skip
        store.ingest(kind="audit", trial=trial, moment="before", checks=[["x", True, "fine"], ["y", False, "bad"]])
    found = next(t for t in store.trials() if t.id == trial)
    assert (found.step, found.density, found.model_density) == (64, 0.5, 0.75)
    assert repr(metrics.curves(store.database, [trial], "loss/policy")[trial].values.tolist()) == "[nan]"
    assert views.gone_layers(store.database, 1) == [("dense", 0, 0, "c")]
    assert [(layer.layer, layer.shape, layer.kept, layer.prunable) for layer in views.layers(store.database, 1)] == [
        ("a", (2, 2), 2, True),
        ("b", (4,), 4, False),
        ("c", (1, 3), 0, True),
        ("d", (4,), 0, True),
    ]
    assert views.never_pruned(store.database, 1) == ["b"]
    assert views.audit_counts(store.database, store.job) == (1, 1)
    assert [a.name for a in views.audits(store.database, store.job, failed_only=True)] == ["y"]
    store.ingest(kind="metrics", trial=trial, step=32, values={"return/train": 1.0})
    assert next(t for t in store.trials() if t.id == trial).step == 64


def test_the_experiment_is_stored_before_anything_runs(store: Store) -> None:
    (job,) = views.jobs(store.database)
    assert job.experiment == SETTINGS
    assert job.identity == SETTINGS.identity
    assert views.provenance(store.database, store.job) == {"lth": "0"}
    assert (job.trials, job.trials_done, job.state) == (2 + 2 * 9, 0, "queued")


def test_what_ended_without_a_score_is_not_counted_as_done(store: Store) -> None:
    with store.database.transaction() as connection:
        connection.execute("UPDATE trials SET state = 'done', score = CASE WHEN round < 2 THEN 1.5 END")
    (job,) = views.jobs(store.database)
    assert (job.trials_done, job.trials_failed) == (2 + 2 * 3, 2 * 6)


def test_a_job_ends_failed_when_trials_were_lost_and_done_otherwise(store: Store) -> None:
    for lost, state in ((False, "done"), (True, "failed")):
        with store.database.transaction() as connection:
            connection.execute("UPDATE trials SET state = 'done'")
            connection.execute("UPDATE jobs SET state = 'running'")
            if lost:
                connection.execute("UPDATE trials SET state = 'blocked' WHERE round = 3")
            settle_job(connection, store.job)
        assert views.jobs(store.database)[0].state == state


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_paths_that_leave_the_workspace_are_refused(tmp_path: Path, path: str) -> None:
    workspace = Workspace(tmp_path / "w")
    with pytest.raises(ValueError, match="leaves the workspace"):
        workspace.inside(path)
    assert workspace.inside("batches/x") == (tmp_path / "w/batches/x").resolve()
    assert dataclasses.is_dataclass(workspace)


@pytest.mark.parametrize("name", ["../x", "-rf", "a/b", "a\x00b", "", "\u202e"])
def test_names_that_are_no_names_become_no_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        Workspace(tmp_path).tensorboard(1, name)


@pytest.mark.parametrize("name", ["workspace.sqlite", "workspace.sqlite-journal", "batches", "reserve"])
def test_a_workspace_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{name} is a symbolic link"):
        Workspace(tmp_path / "w").create()
