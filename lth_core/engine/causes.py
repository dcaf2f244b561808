"""Whose fault an exception is, as the exit code of a worker: that decides what is tried again. Knows no torch."""

import errno

from lth_core.engine.batch import DISK_FULL, FAILED, OUT_OF_MEMORY, TRANSIENT, DamagedSpec
from lth_core.errors import InputError
from lth_core.text import one_line

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
    """The disk has less room than what is about to start will write."""

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
    """What is shown of an exception, in one line."""
    code = code_of(fault)
    said = (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
    if code == DISK_FULL:
        return f"disk full: {one_line(said)}"
    if code == OUT_OF_MEMORY:
        return f"out of memory: {one_line(said, 200)}"
    # What is wrong with the input is said in a sentence of ours; of other exceptions the class says the most.
    return one_line(fault if isinstance(fault, (InputError, DamagedSpec)) else f"{type(fault).__name__}: {fault}")
