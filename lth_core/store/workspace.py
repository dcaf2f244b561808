"""The workspace: the folder of all results, and the paths within it."""

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
"""Names of batches' folders, and of those that earlier versions set aside."""


def has_batches(folder: Path) -> bool:
    """Whether a workspace's folder holds a batch, or one that an earlier version set aside."""
    batches = folder / "batches"
    return batches.is_dir() and any(_BATCH.fullmatch(path.name) for path in batches.iterdir())


class LeadsElsewhere(ValueError):
    """A path in the workspace is a link, or passes through one."""


@dataclass(frozen=True)
class Workspace:
    """Paths of one workspace; creating the value touches nothing on disk."""

    folder: Path

    def moved_from(self, before: tuple[int, int]) -> bool:
        """Whether the folder is no longer the one with this `identity`; False if the disk is unavailable."""
        try:
            return self.identity() != before
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def identity(self) -> tuple[int, int]:
        """Device and inode, which tell the folder from a later one of the same name; OSError if it is missing."""
        found = self.folder.stat()
        return found.st_dev, found.st_ino

    @property
    def database(self) -> Path:
        """SQLite file with jobs, trials, metrics, audits, events and commands."""
        return self.folder / "workspace.sqlite"

    @property
    def database_files(self) -> tuple[Path, ...]:
        """The database and SQLite's files beside it: log and index, or a journal on a network filesystem."""
        return self._with_its_own(self.database.name)

    @property
    def remade(self) -> tuple[Path, ...]:
        """The same files of a database that is being rebuilt."""
        return self._with_its_own(f"{self.database.name}.remade")

    def _with_its_own(self, name: str) -> tuple[Path, ...]:
        return tuple(self.folder / f"{name}{end}" for end in ("", "-wal", "-shm", "-journal"))

    @property
    def lease(self) -> Path:
        """File that the engine of this workspace locks."""
        return self.folder / "engine.lock"

    @property
    def batches(self) -> Path:
        """One folder per batch: specification, attempts, records, checkpoints, tensors."""
        return self.folder / "batches"

    def batch(self, number: int) -> Path:
        """Folder of one batch."""
        return self.batches / f"{number:06d}"

    def last_batch(self) -> int:
        """The highest number of a batch's folder, whoever made it; 0 if there is none."""
        found = (_BATCH.fullmatch(path.name) for path in self.batches.iterdir()) if self.batches.is_dir() else ()
        return max((int(match[1]) for match in found if match), default=0)

    def tensorboard(self, job: int, name: str) -> Path:
        """Folder of a job's TensorBoard event files."""
        if not is_name(name):
            raise ValueError(f"not a name: {name!r}")
        return self.folder / "tensorboard" / f"{job:04d}-{name}"

    def inside(self, relative: str) -> Path:
        """A path stored relative to the workspace; raises ValueError if it leads outside."""
        try:
            path = (self.folder / relative).resolve()
        except (OSError, RuntimeError) as error:  # too long, or links in a circle
            raise ValueError(f"path cannot be followed: {one_line(relative, 80)!r} ({type(error).__name__})") from None
        if not path.is_relative_to(self.folder.resolve()):
            raise ValueError(f"path leaves the workspace: {relative!r}")
        return path

    def own(self, path: Path) -> Path:
        """The path unchanged; raises LeadsElsewhere if it, or a folder above it in the workspace, is a link."""
        relative = path.relative_to(self.folder)
        try:
            plain = path.resolve() == self.folder.resolve() / relative
        except (OSError, RuntimeError):  # links in a circle
            plain = False
        if not plain:
            raise LeadsElsewhere(f"{relative} is or passes through a symbolic link, which is not accepted")
        return path

    def create(self) -> None:
        """Create the folder; raises InputError if that fails, or if a path in it is a link.

        A workspace may be foreign, so no write may follow a link out of it.
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
