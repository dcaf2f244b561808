"""Experiments for a test cluster, and an engine beside it whose progress can be waited for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lth_core.experiment.experiment import Experiment
from lth_core.store import views
from tests.cluster.slurm_cluster import SlurmCluster
from tests.engine.experiments import tiny
from tests.engine.test_engine import Running, running

ON_SLURM = {"kind": "slurm", "poll_every": 2, "time_limit": "20"}


def short(**launcher: Any) -> Experiment:
    """Two rounds of two arms for two seeds, a moment of training each."""
    return tiny("short", launcher={**ON_SLURM, **launcher} if launcher else {"kind": "local"})


def long(length: int = 300_000, **launcher: Any) -> Experiment:
    """A dense run and one round of one arm, long enough for something to happen in the middle."""
    return tiny(
        "long", seeds=1, arms=["winning"], pruning={"rounds": 1},
        training={"environments": 16, "length": length, "checkpoint_every": 20_000, "record_every": 5_000},
        launcher={**ON_SLURM, **launcher} if launcher else {"kind": "local"},
    )  # fmt: skip


class OnCluster:
    """An engine whose job 1 runs on the cluster."""

    def __init__(self, r: Running, cluster: SlurmCluster) -> None:
        self.r, self.cluster = r, cluster

    def steps(self) -> int:
        """The furthest step that the store knows."""
        return max((trial.step for trial in views.trials(self.r.database, 1)), default=0)

    def lag(self) -> float:
        """Seconds until the store has what the running batch has recorded by now."""
        (records,) = self.r.workspace.batch(1).glob("attempt-1/records.jsonl")
        size, start = records.stat().st_size, time.monotonic()
        self.r.until(lambda: self.r.database.rows("SELECT records_read FROM batches")[0][0] >= size)
        return time.monotonic() - start

    def until_training(self, step: int = 30_000) -> None:
        """Wait until a trial has got so far."""
        self.r.until(lambda: self.steps() >= step, 120)

    def until_state(self, state: str, seconds: float = 240) -> None:
        """Wait for job 1's state; anything else that ends it is an error."""
        self.r.until(lambda: self.r.state(1) in (state, "failed"), seconds)
        assert self.r.state(1) == state, [event.text for event in views.events(self.r.database)]

    def jobs(self, state: str = "RUNNING") -> list[list[str]]:
        """The cluster's jobs in a state: id, name, state, reason, node."""
        return [line for line in self.cluster.queue() if line[2] == state]

    def said(self, words: str) -> bool:
        """Whether an event says these words."""
        return any(words in event.text for event in views.events(self.r.database))

    def attempts(self) -> list[int]:
        """How often each batch was begun."""
        return [row["attempt"] for row in self.r.database.rows("SELECT attempt FROM batches ORDER BY id")]


@contextmanager
def on_cluster(folder: Path, cluster: SlurmCluster) -> Iterator[OnCluster]:
    """An engine at a workspace; it ends with the block, its cluster jobs need not."""
    with running(folder) as r:
        yield OnCluster(r, cluster)


def finished(folder: Path, experiment: Experiment, act: Callable[[Running], None] = lambda _: None) -> Path:
    """A workspace in which an experiment was run to its end."""
    with running(folder, 2) as r:
        r.submit(experiment)
        act(r)
        r.until(lambda: r.state(1) in ("done", "failed"), 300)
        assert r.state(1) == "done"
    return folder
