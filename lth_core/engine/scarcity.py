"""Open files, processes or memory of this machine that have run out: nothing starts for a while, and no job fails."""

import time

from lth_core.errors import RAN_OUT

RETRY = 5.0
"""Seconds until a start is tried again."""


class Scarcity:
    """Whether to wait with what would start, and what is to be said of it, once."""

    def __init__(self) -> None:
        self._until = 0.0
        self._unsaid = ""
        self._there = False

    def met(self, fault: Exception) -> bool:
        """Whether an exception is of this kind; if so, wait."""
        if not isinstance(fault, OSError) or fault.errno not in RAN_OUT:
            return False
        if not self._there:
            self._unsaid = f"no worker can be started: {fault.strerror}; trying again every {RETRY:.0f} s"
        self._there = True
        self._until = time.monotonic() + RETRY
        return True

    @property
    def waits(self) -> bool:
        """Whether nothing is to be started yet."""
        return time.monotonic() < self._until

    @property
    def unsaid(self) -> str:
        """What nobody has been told yet."""
        return self._unsaid

    def told(self) -> None:
        """It has been said."""
        self._unsaid = ""

    def over(self) -> None:
        """Starting works again."""
        self._there = False
