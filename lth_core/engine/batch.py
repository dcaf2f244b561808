"""A batch: trials that one worker trains together, its immutable specification, and its folder on disk.

    batches/000012/spec.json        what to train, with the checksums of what it builds on; never changes
                   current          number of the attempt that may publish
                   attempt-1/       records.jsonl, log.txt, beat.json, exit.json, checkpoints, trial tensors

The folder is the truth about a batch. Whoever runs it (this machine, a cluster) only gives hints.
"""

import contextlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_core.experiment import Experiment
from lth_core.plan import TrialKey
from lth_core.store.plain import append_plain, open_plain
from lth_core.store.tensors import write_atomically
from lth_core.text import one_line

DONE, CHECKPOINTED, SUPERSEDED, ENGINE_GONE, FAILED = 0, 85, 75, 86, 1
"""Exit codes of an attempt: finished; run me again; a newer attempt took over; run me again; failed."""
DISK_FULL, OUT_OF_MEMORY, TRANSIENT = 28, 12, 5
"""Exit codes of faults that are not the experiment's: ENOSPC, ENOMEM, and EIO for what may pass by itself."""
_ATTEMPT = re.compile(r"attempt-([0-9]{1,9})")
_LARGEST_WORD = 1_000_000
"""Bytes that are read at most of a worker's small files."""


class Superseded(Exception):
    """A newer attempt at the same batch may publish; this one must leave."""


@dataclass(frozen=True)
class TrialSpec:
    """A trial of the batch and its number in the store."""

    id: int
    key: TrialKey


@dataclass(frozen=True)
class ParentSpec:
    """Tensors of a finished trial that this batch builds on; path within the workspace."""

    id: int
    key: TrialKey
    path: str
    sha256: str


@dataclass(frozen=True)
class BatchSpec:
    """What to train. `tensorboard` is the job's folder for event files, within the workspace."""

    batch: int
    job: int
    experiment: Experiment
    trials: tuple[TrialSpec, ...]
    parents: tuple[ParentSpec, ...]
    tensorboard: str

    def to_json(self) -> str:
        """As stored in spec.json."""
        return json.dumps(
            {
                "batch": self.batch,
                "job": self.job,
                "experiment": json.loads(self.experiment.canonical()),
                "trials": [{"id": t.id, **_key(t.key)} for t in self.trials],
                "parents": [{"id": p.id, **_key(p.key), "path": p.path, "sha256": p.sha256} for p in self.parents],
                "tensorboard": self.tensorboard,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> "BatchSpec":
        """The inverse of `to_json`."""
        fields = json.loads(text)
        return cls(
            batch=fields["batch"],
            job=fields["job"],
            experiment=Experiment.from_json(json.dumps(fields["experiment"])),
            trials=tuple(TrialSpec(t["id"], _from(t)) for t in fields["trials"]),
            parents=tuple(ParentSpec(p["id"], _from(p), p["path"], p["sha256"]) for p in fields["parents"]),
            tensorboard=fields["tensorboard"],
        )


def _key(key: TrialKey) -> dict[str, Any]:
    return {"arm": key.arm, "round": key.round, "seed": key.seed}


def _from(fields: dict[str, Any]) -> TrialKey:
    return TrialKey(fields["round"], fields["arm"], fields["seed"])


@dataclass(frozen=True)
class BatchFolder:
    """Paths and small files of one batch."""

    folder: Path

    def create(self, spec: BatchSpec) -> None:
        """Make the folder and write the specification.

        A folder that is there already belongs to a database that is gone: it is set aside, never gone on with.
        """
        _set_aside(self.folder)
        self.complete(spec)

    def complete(self, spec: BatchSpec) -> None:
        """Make the folder and the specification where they are missing: a batch that has begun goes on with less."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "spec.json"
        if path.is_symlink() or not path.is_file():
            write_atomically(path, spec.to_json().encode())

    def spec(self) -> BatchSpec:
        """Read the specification."""
        with open_plain(self.folder / "spec.json", follow=False) as file:
            return BatchSpec.from_json(file.read().decode())

    def attempt(self, number: int) -> Path:
        """Folder of one attempt."""
        return self.folder / f"attempt-{number}"

    def begin(self, number: int) -> Path:
        """Make `number` the attempt that may publish, and its folder; one of a later database is set aside."""
        folder = self.attempt(number)
        _set_aside(folder)
        folder.mkdir()
        write_atomically(self.folder / "current", str(number).encode())
        return folder

    def fence(self) -> None:
        """Let no attempt publish any more until the next one begins."""
        if self.folder.exists():
            write_atomically(self.folder / "current", b"none")
            self.delete_half_written()

    def delete_half_written(self) -> None:
        """Temporary files of a worker that is gone."""
        for leftover in self.folder.rglob(".*.tmp"):
            if not leftover.is_dir():
                leftover.unlink(missing_ok=True)

    def delete_checkpoints(self) -> None:
        """Nobody will go on from them: the batch is over."""
        for attempt in self.attempts().values():
            for checkpoint in attempt.glob("step-*.safetensors*"):
                if not checkpoint.is_dir():
                    checkpoint.unlink(missing_ok=True)

    def is_current(self, number: int) -> bool:
        """Whether attempt `number` may still publish."""
        return (self.folder / "current").read_text() == str(number)

    def publish_exit(self, number: int, code: int, error: str = "", needed: int = 0) -> None:
        """Say how an attempt ended; an attempt without this file is running, or died. `needed` are bytes of disk."""
        content = json.dumps({"code": code, "error": error, "needed": needed}).encode()
        write_atomically(self.attempt(number) / "exit.json", content)

    def note(self, number: int, sentence: str) -> None:
        """Add the engine's word to the attempt's log, where a reader looks for the cause; a full disk is no reason."""
        with contextlib.suppress(OSError), append_plain(self.attempt(number) / "log.txt") as file:
            file.write(f"engine: {one_line(sentence)}\n".encode())

    def attempts(self) -> dict[int, Path]:
        """Folders of all attempts by their numbers; a link is none, nor what was set aside."""
        if not self.folder.is_dir():
            return {}
        named = ((_ATTEMPT.fullmatch(path.name), path) for path in self.folder.iterdir())
        return {int(match[1]): path for match, path in named if match and path.is_dir() and not path.is_symlink()}


def _set_aside(path: Path) -> None:
    if os.path.lexists(path):
        path.rename(path.with_name(f"{path.name}.aside-{time.time_ns()}"))


def read_json(path: Path) -> dict[str, Any] | None:
    """A small JSON file that another process replaces atomically; None while there is none, or no regular one."""
    try:
        with open_plain(path, follow=False) as file:
            found = json.loads(file.read(_LARGEST_WORD))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@dataclass(frozen=True)
class Exit:
    """How an attempt said it ended; `needed` are bytes of disk that it asks for."""

    code: int
    error: str
    needed: int


def read_exit(attempt: Path) -> Exit | None:
    """The last word of an attempt in this folder; None where there is none, or none that makes sense."""
    said = read_json(attempt / "exit.json")
    if said is None or not isinstance(said.get("code"), int):
        return None
    needed = said.get("needed")
    return Exit(said["code"], str(said.get("error", "")), needed if isinstance(needed, int) else 0)
