"""A small real job in a workspace of its own, with all around it that faults get at: text, clock, environment, disk."""

import contextlib
import hashlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np

from lth_core.experiment.experiment import Experiment
from tests.faults.runs import HANG, Run, short

JobName = Literal["cartpole", "environment", "text"]
DISK = "48M"
COMMON: dict[str, Any] = {"seeds": 2, "arms": ["winning", "random"], "pruning": {"rounds": 2}}


class Scene:
    """`moments` draws everything that is random in it; `disk` is a filesystem of its own, or None."""

    def __init__(self, folder: Path, job: JobName, moments: random.Random, disk: Path | None = None) -> None:
        self.folder, self.moments, self.disk = folder, moments, disk
        folder.mkdir(parents=True, exist_ok=True)
        self.clock, self.switch, self.processes = folder / "clock", folder / "switch", folder / "no-processes"
        self.clock.write_text("0")
        self.text = folder / "train.txt"
        faults = {"clock": str(self.clock), "environment": str(self.switch), "no_processes": str(self.processes)}
        self.faults: dict[str, Any] = {**faults, "version": ""}
        workspace = None if disk is None else disk / "workspace"
        experiment = experiment_of(job, folder)
        variables = {"LTH_CACHE": str(folder / "cache"), "LTH_SILENCE": str(HANG)}  # frozen workers are not given up
        slots = 2 if job == "cartpole" else 1  # a worker's start is most of what these jobs take
        self.run = Run(folder, experiment, slots=slots, fault=self.faults, workspace=workspace, environment=variables)
        self._read = 0
        self.misdeeds = self.unheard = 0
        """How often an environment has done wrong, and a run has lost its output: traces of those faults."""

    def set_fault(self, **changed: Any) -> None:
        """Have processes that start from now on be hurt in this way, too."""
        self.faults |= changed
        self.run.set_fault(self.faults)

    def start(self) -> None:
        """Begin, or go on, by the same command."""
        self.run.start()

    def over(self) -> None:
        """The process has ended as its fault wants it to."""
        assert self.run.process is not None
        self.run.process.wait(timeout=HANG)
        self.run.process = None

    def alive(self) -> bool:
        """Whether a process of the command runs."""
        return self.run.process is not None and not self.run.ended()

    def news(self) -> str:
        """What has been printed since the last time."""
        said = self.run.output.read_text(errors="replace")
        new, self._read = said[self._read :], len(said)
        return new

    def files(self, pattern: str) -> list[Path]:
        """Files and folders of the workspace by a pattern, in their order."""
        return sorted(self.run.workspace.glob(pattern))


def contents(scene: Scene) -> dict[str, str]:
    """A trace: what is in the workspace's files."""
    files = [path for path in scene.run.workspace.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def processes(scene: Scene) -> dict[int, str]:
    """A trace: which processes there are, and which of them are stopped."""
    import psutil

    found = {}
    own = [] if scene.run.process is None else [scene.run.process.pid]
    for pid in [*own, *(worker.pid for worker in scene.run.workers())]:
        with contextlib.suppress(psutil.NoSuchProcess):
            status = psutil.Process(pid).status()
            if status != psutil.STATUS_ZOMBIE:
                found[pid] = "stopped" if status == psutil.STATUS_STOPPED else "runs"
    return found


def experiment_of(job: JobName, folder: Path) -> Experiment:
    """A few seconds of training in several checkpoints: stacked, one by one in a foreign environment, or on a text."""
    if job == "text":
        return _words(folder)
    if job == "environment":
        if "Faulty-v0" not in gymnasium.registry:  # experiments are resolved here, too
            gymnasium.register("Faulty-v0", "tests.faults.environment:Faulty", max_episode_steps=500)
        own = {"environments": 4, "length": 12_000, "checkpoint_every": 1_500, "record_every": 500}
        return short("foreign", task={"environment": "Faulty-v0"}, training=own, rewinding={"weights": 3_000}, **COMMON)
    return short("stacked", training={"length": 50_000, "checkpoint_every": 6_000, "record_every": 1_500}, **COMMON)


def _words(folder: Path) -> Experiment:
    words = np.random.default_rng(0)
    fields = {"kind": "language_model", "source": "files", "window": 8}
    for part in ("train", "valid", "test"):
        path = folder / f"{part}.txt"
        lines = [" ".join(f"w{n}" for n in words.integers(0, 30, 12)) for _ in range(120)]
        path.write_text("\n".join(lines) + "\n")
        fields[part] = str(path)
    return Experiment.from_fields({
        "name": "words", "task": fields, "model": {"kind": "lstm", "embedding": 16, "hidden": 16, "dropout": 0.2},
        "training": {"length": 200, "batch": 4, "learning_rate": 1e-2, "record_every": 10, "checkpoint_every": 40},
        "rewinding": {"weights": 80}, **COMMON, "arms": ["winning"], "seeds": [0, 1],
    })  # fmt: skip


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A filesystem of its own in memory; None where mounting is not permitted."""
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)], capture_output=True)
    if done.returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
