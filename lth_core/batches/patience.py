"""How long a process could have worked: the time that passed, less the time in which it waited for a processor."""

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Since:
    """A moment in the life of a process. at: monotonic; queued: seconds it had waited for a processor until then."""

    pid: int
    at: float
    queued: float

    @classmethod
    def now(cls, pid: int) -> "Since":
        """This moment."""
        return cls(pid, time.monotonic(), _queued(pid))

    def clock(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.at

    def had(self) -> float:
        """Seconds since then in which the process could run, so that a busy machine makes nobody late."""
        return self.clock() - max(0.0, _queued(self.pid) - self.queued)


def _queued(pid: int) -> float:
    """Seconds that the process's first thread, which trains, has waited for a processor; 0 where nobody counts."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
