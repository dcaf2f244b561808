"""The workspace: the folder that holds all that is remembered, and where each thing lies in it. One place for paths."""

import re
from dataclasses import dataclass
from pathlib import Path

from lth_core.errors import InputError
from lth_core.experiment.plan import TrialKey
from lth_core.text import is_name, one_line

_WRITTEN = (
    "batches",
    "tensorboard",
    "engine.lock",
    "engine.log",
    "workers.log",
    "reserve",
    "submissions",
    "instability",
)


_BATCH = re.compile(r"([0-9]{6,12})(\.aside-[0-9]+)?")
"""Folders of batches, and those that earlier versions set aside."""


def has_batches(folder: Path) -> bool:
    """Whether a workspace's folder holds a batch, or one that an earlier version set aside, whatever is in it."""
    batches = folder / "batches"
    return batches.is_dir() and any(_BATCH.fullmatch(path.name) for path in batches.iterdir())


class LeadsElsewhere(ValueError):
    """A name in the workspace is a link, or lies behind one."""


@dataclass(frozen=True)
class Workspace:
    """Paths of one workspace; making the value touches nothing on disk."""

    folder: Path

    def moved_from(self, before: tuple[int, int]) -> bool:
        """Whether the folder is not the one any more whose `identity` is given; a disk that is away says nothing."""
        try:
            return self.identity() != before
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def identity(self) -> tuple[int, int]:
        """What tells the folder from another of the same name; raises OSError where there is none."""
        found = self.folder.stat()
        return found.st_dev, found.st_ino

    @property
    def database(self) -> Path:
        """SQLite file with jobs, trials, metrics, audits, events and commands."""
        return self.folder / "workspace.sqlite"

    @property
    def database_files(self) -> tuple[Path, ...]:
        """The database, and what SQLite keeps beside it: log and its index, or, on a network filesystem, a journal."""
        return self._with_its_own(self.database.name)

    @property
    def remade(self) -> tuple[Path, ...]:
        """The same files of a database that is being made again."""
        return self._with_its_own(f"{self.database.name}.remade")

    def _with_its_own(self, name: str) -> tuple[Path, ...]:
        return tuple(self.folder / f"{name}{end}" for end in ("", "-wal", "-shm", "-journal"))

    @property
    def lease(self) -> Path:
        """File whose lock the one engine of this workspace holds."""
        return self.folder / "engine.lock"

    @property
    def batches(self) -> Path:
        """One folder per batch: specification, attempts, records, checkpoints, tensors."""
        return self.folder / "batches"

    def batch(self, number: int) -> Path:
        """Folder of one batch."""
        return self.batches / f"{number:06d}"

    def last_batch(self) -> int:
        """The highest number that a folder of a batch has, whoever made it; 0 without one."""
        found = (_BATCH.fullmatch(path.name) for path in self.batches.iterdir()) if self.batches.is_dir() else ()
        return max((int(match[1]) for match in found if match), default=0)

    def tensorboard(self, job: int, name: str) -> Path:
        """Folder of a job's TensorBoard event files."""
        if not is_name(name):
            raise ValueError(f"not a name: {name!r}")
        return self.folder / "tensorboard" / f"{job:04d}-{name}"

    def inside(self, relative: str) -> Path:
        """A path stored relative to the workspace; raises ValueError if it leads outside of it."""
        try:
            path = (self.folder / relative).resolve()
        except (OSError, RuntimeError) as error:  # too long, or links in a circle
            raise ValueError(f"path cannot be followed: {one_line(relative, 80)!r} ({type(error).__name__})") from None
        if not path.is_relative_to(self.folder.resolve()):
            raise ValueError(f"path leaves the workspace: {relative!r}")
        return path

    def own(self, path: Path) -> Path:
        """A path of this workspace as it is; LeadsElsewhere where it, or a folder on the way to it, is a link."""
        relative = path.relative_to(self.folder)
        try:
            plain = path.resolve() == self.folder.resolve() / relative
        except (OSError, RuntimeError):  # links in a circle
            plain = False
        if not plain:
            raise LeadsElsewhere(f"{relative} is, or lies behind, a symbolic link, which is not accepted")
        return path

    def create(self) -> None:
        """Make the folder; InputError where that is not possible, or where it leads elsewhere.

        A workspace may come from somebody else: nothing that is written may follow a link out of it.
        """
        for path in (*self.database_files, *(self.folder / name for name in _WRITTEN)):
            if path.is_symlink():
                raise InputError(
                    f"workspace {one_line(self.folder)}: {path.name} is a symbolic link, which is not accepted"
                )
        try:
            self.batches.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"workspace {one_line(self.folder)}: {error.strerror}") from None


def trial_folder(job_folder: Path, key: TrialKey) -> Path:
    """Folder of a trial's event files under its job's: `arm/round-NN/seed-N`."""
    return job_folder / key.arm / f"round-{key.round:02d}" / f"seed-{key.seed}"
