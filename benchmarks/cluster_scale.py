"""How many trials per second the engine plans and takes over, with 10, 100 and 1,000 simulated nodes.

    python -m benchmarks.cluster_scale [--nodes 10 100 1000]

The engine's own parts run as they are: planning, dispatch, folders, the launcher for Slurm, ingestion, database. The
scheduler and its nodes are simulated: a job is done at once, with the files that a worker leaves, and their writing is
not counted. Seconds are those of the engine's thread; CPU seconds beside them, for machines that are shared.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lth_core.batches.batch import BatchFolder
from lth_core.engine.disk import Space
from lth_core.engine.dispatch import Dispatcher
from lth_core.engine.intake import Intake
from lth_core.engine.launchers import slurm
from lth_core.engine.launchers.both import Launchers
from lth_core.engine.launchers.slurm_commands import JobLine, Task
from lth_core.engine.slots import find_slots
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.experiment.plan import plan
from lth_core.store.database import Database
from lth_core.store.jobs import add_job
from lth_core.store.workspace import Workspace

RECORDS, METRICS = 100, 5
"""Records of metrics that each trial leaves, and values in each."""


class Nodes:
    """A scheduler with nodes that are done as soon as `work` is called."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._waiting: list[tuple[str, int, Task]] = []
        self._jobs: dict[tuple[str, int], str] = {}
        self._count = 0

    def submit(self, _folder: Path, name: str, _need: Any, tasks: list[Task]) -> str:
        """See slurm_commands.submit."""
        self._count += 1
        for index, task in enumerate(tasks):
            self._waiting.append((name, index, task))
            self._jobs[name, index] = f"{self._count}_{index}" if len(tasks) > 1 else str(self._count)
        return str(self._count)

    def look(self, _prefix: str) -> list[JobLine]:
        """See slurm_commands.look."""
        return [JobLine(id, index, name, "RUNNING", "None", "n") for (name, index), id in self._jobs.items()]

    def work(self, most: int) -> None:
        """Leave what workers leave, for the jobs that wait, at most so many."""
        for name, index, task in self._waiting[:most]:
            folder = BatchFolder(self._workspace.batch(task.batch))
            attempt = folder.attempt(task.attempt)
            lines: list[dict[str, Any]] = []
            for trial in folder.spec().trials:
                layers = [[f"layer{i}", [64, 64], 4096, 2048, True] for i in range(8)]
                checks = [[f"check {i}", True, "as it should be"] for i in range(8)]
                lines.append({"kind": "layers", "trial": trial.id, "layers": layers, "density": 0.5,
                              "model_density": 0.5})  # fmt: skip
                lines.append({"kind": "audit", "trial": trial.id, "moment": "before", "checks": checks})
                for step in range(RECORDS):
                    values = {f"value/{i}": step / 7 for i in range(METRICS)}
                    lines.append({"kind": "metrics", "trial": trial.id, "step": step, "values": values})
                lines.append({"kind": "audit", "trial": trial.id, "moment": "after", "checks": checks})
                lines.append({"kind": "done", "trial": trial.id, "step": RECORDS, "score": 1.0, "tensors": "x",
                              "sha256": "0" * 64})  # fmt: skip
            (attempt / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
            folder.publish_exit(task.attempt, 0)
            del self._jobs[name, index]
        del self._waiting[:most]


class Clock:
    """Seconds and CPU seconds of this thread within its blocks."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._wall
        self.cpu += time.thread_time() - self._cpu


def experiment(nodes: int) -> Experiment:
    """As many seeds as nodes: a round of an arm keeps all of them busy with one trial each."""
    fields: dict[str, Any] = {
        "name": "scale", "seeds": nodes, "arms": ["winning"], "pruning": {"rounds": 2},
        "launcher": {"kind": "slurm", "most_jobs": nodes, "poll_every": 1},
    }  # fmt: skip
    return resolve(fields, "scale")


def measure(nodes: int, fills: int, folder: Path) -> dict[str, float]:
    """Plan the experiment of so many nodes, and run it until they have all been busy `fills` times."""
    workspace = Workspace(folder)
    workspace.create()
    database = Database(workspace.database, writer=True)
    simulated = Nodes(workspace)
    slurm.slurm.submit, slurm.slurm.look = simulated.submit, simulated.look  # type: ignore[assignment]
    slurm.GATHER = slurm.LOOK_EVERY = 0.0
    launchers = Launchers(workspace, find_slots("cpu", 1))
    launcher = launchers._cluster()
    intake = Intake(workspace, database, Space(workspace.folder))
    dispatcher = Dispatcher(workspace, database, launchers, intake.patience)
    asked = experiment(nodes)
    trials = len(plan(asked))
    planning, dispatching, taking, idle = Clock(), Clock(), Clock(), Clock()
    with planning, database.transaction() as connection:
        add_job(connection, asked, "scale.toml", {})

    def running() -> list[int]:
        return [row["id"] for row in database.rows("SELECT id FROM batches WHERE state = 'running'")]

    def until_submitted() -> None:
        slurm.LOOK_EVERY = 1e9
        while any(one.submitted_at is None for one in launcher._in_flight.values()):
            launcher.poll()
            time.sleep(0.01)
        slurm.LOOK_EVERY = 0.0

    turns = 0
    for _ in range(fills):
        started = -1
        with dispatching:
            while len(launcher.running()) > started:
                started = len(launcher.running())
                dispatcher.start_batches()
        until_submitted()
        if len(launcher.running()) >= nodes and turns < 10:
            turns += 1
            with idle:  # one second of an engine whose nodes are all at work: folders once, the rest ten times
                launcher.poll()
                for batch in running():
                    intake.ingest(batch)
                for _ in range(9):
                    dispatcher.start_batches()
                    running()
        simulated.work(nodes)
        with taking:
            ended = launcher.poll()
            for batch in running():
                intake.ingest(batch)
            for one in ended:
                intake.end(one)
    done = database.rows("SELECT COUNT(*) FROM trials WHERE state = 'done'")[0][0]
    assert done == fills * nodes, f"{done} of {fills * nodes}"
    launcher.close()
    database.close()
    return {
        "nodes": nodes, "trials": trials, "plan": trials / planning.wall, "dispatch": done / dispatching.wall,
        "dispatch_cpu": done / dispatching.cpu, "ingest": done / taking.wall, "ingest_cpu": done / taking.cpu,
        "idle": idle.wall / max(turns, 1), "idle_cpu": idle.cpu / max(turns, 1),
        "all": done / (dispatching.wall + taking.wall), "all_cpu": done / (dispatching.cpu + taking.cpu),
    }  # fmt: skip


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--fills", type=int, default=3, help="how often all nodes are given a trial, at most 3")
    options = parser.parse_args()
    print("trials per second of the engine's thread (per CPU second); a second of watching")
    print(
        "| nodes | trials | planned | dispatched | taken over | both | watching all, s |\n|---|---|---|---|---|---|---|"
    )
    for nodes in options.nodes:
        with tempfile.TemporaryDirectory() as folder:
            m = measure(nodes, options.fills, Path(folder))
        print(
            f"| {nodes:,} | {m['trials']:,.0f} | {m['plan']:,.0f} | {m['dispatch']:,.0f} ({m['dispatch_cpu']:,.0f}) "
            f"| {m['ingest']:,.0f} ({m['ingest_cpu']:,.0f}) | {m['all']:,.0f} ({m['all_cpu']:,.0f}) "
            f"| {m['idle']:.3f} ({m['idle_cpu']:.3f}) |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
