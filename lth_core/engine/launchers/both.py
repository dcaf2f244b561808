"""All launchers as one: each batch goes to the launcher of its experiment; Slurm's is made when first needed."""

from lth_core.batches.request import Request
from lth_core.engine.launchers.base import Ended, How, Launcher, Need, Notice
from lth_core.engine.launchers.local import LocalWorkers
from lth_core.engine.launchers.slurm import SlurmJobs
from lth_core.engine.slots import Slot
from lth_core.settings.launcher import LocalLauncher
from lth_core.store.workspace import Workspace


class Launchers:
    """See Launcher. here: the workers of this machine."""

    def __init__(self, workspace: Workspace, slots: list[Slot]) -> None:
        self._workspace = workspace
        self.here = LocalWorkers(workspace, slots)
        self._slurm: SlurmJobs | None = None

    def free(self, need: Need) -> list[str]:
        """See Launcher."""
        return self._of(need).free(need)

    def submit(self, slot: str, request: Request, need: Need) -> None:
        """See Launcher."""
        self._of(need).submit(slot, request, need)

    def prepare(self, slot: str, need: Need) -> None:
        """Start the worker that a free slot needs; raises OSError if open files or processes have run out."""
        if self._of(need) is self.here:
            self.here.prepare(slot)

    def adopt(self, batch: int, attempt: int, need: Need) -> bool:
        """Watch an attempt that an earlier engine submitted elsewhere; False if it no longer runs."""
        return self._cluster().adopt(batch, attempt, need)

    def poll(self) -> list[Ended]:
        """See Launcher."""
        # This machine last: a full disk may interrupt the other, and each end is reported only once.
        return (self._slurm.poll() if self._slurm else []) + self.here.poll()

    def stop(self, batch: int, how: How = "checkpoint") -> None:
        """See Launcher."""
        self.here.stop(batch, how)
        if self._slurm:
            self._slurm.stop(batch, how)

    def close(self) -> list[Ended]:
        """See Launcher."""
        return self.here.close() + (self._slurm.close() if self._slurm else [])

    def running(self) -> list[int]:
        """Batches that were submitted and have not ended, here and elsewhere."""
        return self.here.running() + (self._slurm.running() if self._slurm else [])

    def notices(self) -> list[Notice]:
        """Notices since the last call."""
        return self._slurm.notices() if self._slurm else []

    def shown(self) -> list[tuple[str, str, int]]:
        """Name, place and batch of each attempt elsewhere."""
        return self._slurm.shown() if self._slurm else []

    def _of(self, need: Need) -> Launcher:
        return self.here if isinstance(need, LocalLauncher) else self._cluster()

    def _cluster(self) -> SlurmJobs:
        if self._slurm is None:
            self._slurm = SlurmJobs(self._workspace)
        return self._slurm
