"""Memory of a process that allocates large tensors again and again: kept instead of given back. Imports no torch.

Fresh pages are zeroed and mapped one by one, which takes longer than many of the operations that fill them.
"""

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's mallopt


def keep_large() -> None:
    """From now on freed memory stays with this process, and large tensors take huge pages.

    To be called before torch is imported. Does nothing where the C library is another than glibc.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read once, at torch's first allocation
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
