"""When open files, processes or memory of this machine run out, nothing starts for a while, and no job fails."""

import time

from lth_core.errors import RAN_OUT

RETRY = 5.0
"""Seconds until the next try to start."""


class Scarcity:
    """Whether starts must wait, and the sentence to report once."""

    def __init__(self) -> None:
        self._until = 0.0
        self._unsaid = ""
        self._there = False

    def met(self, fault: Exception) -> bool:
        """Whether an exception is of this kind; if so, starts wait."""
        if not isinstance(fault, OSError) or fault.errno not in RAN_OUT:
            return False
        if not self._there:
            self._unsaid = f"no worker can be started: {fault.strerror}; trying again every {RETRY:.0f} s"
        self._there = True
        self._until = time.monotonic() + RETRY
        return True

    @property
    def waits(self) -> bool:
        """Whether nothing may be started yet."""
        return time.monotonic() < self._until

    @property
    def unsaid(self) -> str:
        """The sentence that has not been reported yet."""
        return self._unsaid

    def told(self) -> None:
        """Note that it has been reported."""
        self._unsaid = ""

    def over(self) -> None:
        """Note that starting works again."""
        self._there = False
