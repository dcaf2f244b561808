"""How an attempt at a batch ended, as its worker's exit code; the code decides whether to retry. Imports no torch."""

import errno
import signal
from pathlib import Path

from lth_core.batches.batch import DamagedSpec
from lth_core.errors import InputError
from lth_core.text import one_line

DONE, CHECKPOINTED, SUPERSEDED, ENGINE_GONE, FAILED = 0, 85, 75, 86, 1
"""How an attempt ended: finished; to be run again; replaced by a newer attempt; to be run again; failed."""
DISK_FULL, OUT_OF_MEMORY, TRANSIENT = 28, 12, 5
"""Codes of faults that are not the experiment's: ENOSPC, ENOMEM, and EIO for what may pass by itself."""
SPOKEN = (CHECKPOINTED, ENGINE_GONE, DISK_FULL, OUT_OF_MEMORY, TRANSIENT)
"""What a supervisor may have heard from a worker that could not publish how its attempt ended."""
BY_MEMORY = "the worker was killed by the memory limit"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_PASSING = {
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.ECONNRESET, errno.ECONNABORTED, errno.EREMOTEIO, errno.ENODEV,
}  # fmt: skip
_MEMORY = (
    "out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory",
    "status_alloc_failed", "device_allocation_failed",  # cuBLAS and cuDNN
)  # fmt: skip


class NotEnoughSpace(OSError):
    """The disk has less free space than what is about to start will write."""

    def __init__(self, needed: int, free: int) -> None:
        super().__init__(errno.ENOSPC, f"about {needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free")
        self.needed = needed


def code_of(fault: BaseException) -> int:
    """The exit code that an exception stands for: DISK_FULL, OUT_OF_MEMORY, TRANSIENT, or else FAILED."""
    number = fault.errno if isinstance(fault, OSError) else None
    if number in _FULL:
        return DISK_FULL
    if number == errno.ENOMEM or isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryError":
        return OUT_OF_MEMORY
    if isinstance(fault, RuntimeError) and any(words in str(fault).lower() for words in _MEMORY):
        return OUT_OF_MEMORY
    if isinstance(fault, DamagedSpec):  # the engine writes it again before the next attempt
        return TRANSIENT
    # A device that was lost; its programming errors end here too, and are given up after a few attempts.
    if number in _PASSING or type(fault).__name__ == "AcceleratorError":
        return TRANSIENT
    return FAILED


def sentence(fault: BaseException) -> str:
    """An exception as one line for the user."""
    code = code_of(fault)
    said = (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
    if code == DISK_FULL:
        return f"disk full: {one_line(said)}"
    if code == OUT_OF_MEMORY:
        return f"out of memory: {one_line(said, 200)}"
    # Errors in the input have a sentence of their own; for other exceptions the class is what tells most.
    return one_line(fault if isinstance(fault, (InputError, DamagedSpec)) else f"{type(fault).__name__}: {fault}")


class MemoryWatch:
    """Made when a process starts: tells later whether the kernel killed it for lack of memory."""

    def __init__(self) -> None:
        self._before = memory_kills()

    def killed(self, code: int) -> bool:
        """Whether a process that ended with this code was killed by the memory limit (not by us)."""
        return code == -signal.SIGKILL and memory_kills() > self._before


def memory_kills() -> int:
    """Processes that the kernel has killed for lack of memory, cgroups included; 0 where it does not count them."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
