"""All launchers as one: each batch goes to the one that its experiment asks for; Slurm's is made when first needed."""

from lth_core.engine.launchers.base import How, Launcher, Need, Notice
from lth_core.engine.launchers.local import Ended, LocalLauncher
from lth_core.engine.launchers.slurm import SLOT, SlurmLauncher
from lth_core.engine.slots import Slot
from lth_core.settings.launcher import LocalLauncher as Here
from lth_core.store.workspace import Workspace


class Launchers:
    """See Launcher."""

    def __init__(self, workspace: Workspace, slots: list[Slot]) -> None:
        self._workspace = workspace
        self._local = LocalLauncher(workspace, slots)
        self._slurm: SlurmLauncher | None = None

    def free(self, need: Need) -> list[str]:
        """See Launcher."""
        return self._of(need).free(need)

    def submit(self, slot: str, batch: int, attempt: int, need: Need) -> None:
        """See Launcher."""
        self._of(need).submit(slot, batch, attempt, need)

    def adopt(self, slot: str, batch: int, attempt: int, need: Need) -> bool:
        """Whether an attempt of an earlier engine runs on and is watched from now on."""
        return slot == SLOT and self._cluster().adopt(batch, attempt, need)

    def poll(self) -> list[Ended]:
        """See Launcher."""
        return self._local.poll() + (self._slurm.poll() if self._slurm else [])

    def stop(self, batch: int, how: How = "checkpoint") -> None:
        """See Launcher."""
        self._local.stop(batch, how)
        if self._slurm:
            self._slurm.stop(batch, how)

    def close(self) -> list[Ended]:
        """See Launcher."""
        return self._local.close() + (self._slurm.close() if self._slurm else [])

    def pid(self, slot: str) -> int | None:
        """Process on a slot of this machine, if there is one."""
        return self._local.pid(slot)

    def notices(self) -> list[Notice]:
        """What is to be said since the last call."""
        return self._slurm.notices() if self._slurm else []

    def shown(self) -> list[tuple[str, str, int]]:
        """Name, whereabouts and batch of what runs elsewhere."""
        return self._slurm.shown() if self._slurm else []

    def _of(self, need: Need) -> Launcher:
        return self._local if isinstance(need, Here) else self._cluster()

    def _cluster(self) -> SlurmLauncher:
        if self._slurm is None:
            self._slurm = SlurmLauncher(self._workspace)
        return self._slurm
