"""A batch: trials that one worker trains together, its immutable specification, and its folder on disk.

    batches/000012/spec.json        what to train, with the checksums of what it builds on; never changes
                   current          number of the attempt that may publish
                   attempt-1/       records.jsonl, log.txt, beat.json, exit.json, checkpoints, trial tensors

What the folder says about a batch decides; what a process or a scheduler reports is only a hint.
"""

import contextlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_core.batches.sealed import Unsound, checksum, is_sealed, sealed, unsealed
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.store.plain import append_plain, open_plain
from lth_core.store.tensors import newest_step, write_atomically
from lth_core.text import one_line

_SPEC = frozenset({"batch", "job", "experiment", "trials", "parents", "tensorboard", "trained_on"})
_EXIT = frozenset({"code", "error", "needed"})
_ATTEMPT = re.compile(r"attempt-([0-9]{1,9})")
_LARGEST_WORD = 1_000_000
"""The most bytes read of a worker's small files."""


class Superseded(Exception):
    """A newer attempt at the same batch has replaced this one, which must end and publish nothing more."""


class DamagedSpec(Exception):
    """A batch's specification is not what the engine wrote."""


@dataclass(frozen=True)
class TrialSpec:
    """A trial of the batch, with its number in the database."""

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
    """What to train. `tensorboard` is the job's folder for event files, within the workspace.

    trained_on: data that earlier attempts of the job used, in the form of `tasks.trained_on`; empty if there were none.
    """

    batch: int
    job: int
    experiment: Experiment
    trials: tuple[TrialSpec, ...]
    parents: tuple[ParentSpec, ...]
    tensorboard: str
    trained_on: tuple[tuple[str, str], ...] = ()

    def _fields(self) -> dict[str, Any]:
        more = {"trained_on": dict(self.trained_on)} if self.trained_on else {}
        return more | {
            "batch": self.batch,
            "job": self.job,
            "experiment": json.loads(self.experiment.canonical()),
            "trials": [{"id": t.id, **_key(t.key)} for t in self.trials],
            "parents": [{"id": p.id, **_key(p.key), "path": p.path, "sha256": p.sha256} for p in self.parents],
            "tensorboard": self.tensorboard,
        }

    @property
    def checksum(self) -> str:
        """SHA-256 of all fields, as stored in spec.json."""
        return checksum(self._fields())

    def to_json(self) -> str:
        """The text of spec.json, with its checksum."""
        return json.dumps(sealed(self._fields()), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "BatchSpec":
        """The inverse of `to_json`. Raises Unsound if the checksum does not match; earlier versions wrote none."""
        fields = unsealed(json.loads(text), _SPEC)
        return cls(
            batch=fields["batch"],
            job=fields["job"],
            experiment=Experiment.from_json(json.dumps(fields["experiment"])),
            trials=tuple(TrialSpec(t["id"], _from(t)) for t in fields["trials"]),
            parents=tuple(ParentSpec(p["id"], _from(p), p["path"], p["sha256"]) for p in fields["parents"]),
            tensorboard=fields["tensorboard"],
            trained_on=tuple(sorted(fields.get("trained_on", {}).items())),
        )


def _key(key: TrialKey) -> dict[str, Any]:
    return {"arm": key.arm, "round": key.round, "seed": key.seed}


def _from(fields: dict[str, Any]) -> TrialKey:
    return TrialKey(fields["round"], fields["arm"], fields["seed"])


@dataclass(frozen=True)
class BatchFolder:
    """Paths and small files of one batch."""

    folder: Path

    def complete(self, spec: BatchSpec) -> bytes | None:
        """Create the folder if it is missing, and write this specification into it.

        Returns what spec.json held if that differed (b"" if there was no such file), else None.
        """
        self.folder.parent.mkdir(exist_ok=True)  # in a workspace that is still where it was
        self.folder.mkdir(exist_ok=True)
        path, wanted, found = self.folder / "spec.json", spec.to_json().encode(), b""
        with contextlib.suppress(FileNotFoundError), open_plain(path, follow=False) as file:
            found = file.read()
        if found == wanted:
            return None
        write_atomically(path, wanted)
        return found

    def spec(self) -> BatchSpec:
        """Read the specification; raises Unsound if its checksum does not match."""
        with open_plain(self.folder / "spec.json", follow=False) as file:
            return BatchSpec.from_json(file.read().decode())

    @property
    def spec_is_sealed(self) -> bool:
        """Whether the specification has a checksum; earlier versions wrote none."""
        return is_sealed(read_json(self.folder / "spec.json") or {})

    def spec_of(self, told: str) -> BatchSpec:
        """The specification with the checksum that the engine told; raises DamagedSpec if the file holds anything else.

        Compared as it is written, because a worker may be of a version with more fields than its engine's.
        """
        try:
            with open_plain(self.folder / "spec.json", follow=False) as file:
                text = file.read().decode()
            found = BatchSpec.from_json(text)
            if checksum(json.loads(text)) == told:
                return found
            said = "is not the one that the engine wrote for this attempt"
        except Unsound as error:
            said = str(error)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            said = f"cannot be read: {one_line(error, 120)}"
        raise DamagedSpec(f"{self.folder.name}/spec.json {said}")

    def attempt(self, number: int) -> Path:
        """Folder of one attempt."""
        return self.folder / f"attempt-{number}"

    def begin(self, number: int) -> Path:
        """Make `number` the current attempt and create its folder; a file or link of that name is set aside."""
        folder = self.attempt(number)
        _set_aside(folder)
        folder.mkdir()
        write_atomically(self.folder / "current", str(number).encode())
        return folder

    def fence(self) -> None:
        """From now on no attempt may publish, until the next one begins."""
        if self.folder.exists():
            write_atomically(self.folder / "current", b"none")
            self.delete_half_written()

    def delete_half_written(self) -> None:
        """Delete the temporary files of a worker that has ended."""
        for leftover in self.folder.rglob(".*.tmp"):
            if not leftover.is_dir():
                leftover.unlink(missing_ok=True)

    def delete_checkpoints(self) -> None:
        """Delete the checkpoints of a batch that is over."""
        for attempt in self.attempts().values():
            for pattern in ("step-*.safetensors*", "log-*.safetensors*"):
                for checkpoint in attempt.glob(pattern):
                    if not checkpoint.is_dir():
                        checkpoint.unlink(missing_ok=True)

    def is_current(self, number: int) -> bool:
        """Whether attempt `number` may still publish."""
        return (self.folder / "current").read_bytes() == str(number).encode()

    def publish_exit(self, number: int, code: int, error: str = "", needed: int = 0) -> None:
        """Record how an attempt ended; without this file it is running or died. needed: bytes of disk it lacked."""
        content = json.dumps(sealed({"code": code, "error": error, "needed": needed})).encode()
        write_atomically(self.attempt(number) / "exit.json", content)

    def note(self, number: int, sentence: str) -> None:
        """Append a sentence of the engine to the attempt's log; a full disk is ignored."""
        with contextlib.suppress(OSError), append_plain(self.attempt(number) / "log.txt") as file:
            file.write(f"engine: {one_line(sentence)}\n".encode())

    def got_further(self, number: int) -> bool:
        """Whether an attempt has trained further than those before it; a batch that never gets further is given up."""
        own = self.attempt(number)
        before = [newest_step(folder) for other, folder in self.attempts().items() if other != number]
        return any(own.glob("trial-*.safetensors")) or newest_step(own) > max([0, *before])

    @property
    def is_taken(self) -> bool:
        """Whether a new batch must not use this path: it holds attempts, or is no folder."""
        return os.path.lexists(self.folder) and (not self.folder.is_dir() or bool(self.attempts()))

    def attempts(self) -> dict[int, Path]:
        """Folders of all attempts by number, without links and folders that were set aside."""
        if not self.folder.is_dir():
            return {}
        named = ((_ATTEMPT.fullmatch(path.name), path) for path in self.folder.iterdir())
        return {int(match[1]): path for match, path in named if match and path.is_dir() and not path.is_symlink()}


def _set_aside(path: Path) -> None:
    if os.path.lexists(path):
        path.rename(path.with_name(f"{path.name}.aside-{time.time_ns()}"))


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a small JSON file that another process replaces atomically; None if there is no such regular file."""
    try:
        with open_plain(path, follow=False) as file:
            found = json.loads(file.read(_LARGEST_WORD))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@dataclass(frozen=True)
class Exit:
    """How an attempt ended, in its worker's own words; needed: bytes of disk it lacked."""

    code: int
    error: str
    needed: int


def read_exit(attempt: Path) -> Exit | None:
    """How the attempt in this folder ended; None if it has not said, or its file is not valid."""
    try:
        return exit_of(unsealed(read_json(attempt / "exit.json") or {}, _EXIT))
    except Unsound:
        return None


def exit_of(said: dict[str, Any]) -> Exit | None:
    """The same from what a file or an answer says."""
    if not isinstance(said.get("code"), int):
        return None
    needed = said.get("needed")
    return Exit(said["code"], str(said.get("error", "")), needed if isinstance(needed, int) else 0)
