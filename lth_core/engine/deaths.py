"""Workers that died without a last word in their folder: what they said otherwise, and what the kernel counted."""

import signal
from pathlib import Path

from lth_core.engine.batch import CHECKPOINTED, DISK_FULL, ENGINE_GONE, OUT_OF_MEMORY, TRANSIENT

SPOKEN = (CHECKPOINTED, ENGINE_GONE, DISK_FULL, OUT_OF_MEMORY, TRANSIENT)
"""What a supervisor may have heard from a worker that could not publish how its attempt ended."""
BY_MEMORY = "the worker was killed by the memory limit"


class MemoryWatch:
    """Begun at the start of a process: tells whether the kernel has killed it for lack of memory."""

    def __init__(self) -> None:
        self._before = memory_kills()

    def killed(self, code: int) -> bool:
        """Whether a process that ended with this code, and that we did not kill, fell to the memory limit."""
        return code == -signal.SIGKILL and memory_kills() > self._before


def memory_kills() -> int:
    """Processes that this machine's kernel has killed for lack of memory, also of a cgroup's; 0 where it tells none."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
