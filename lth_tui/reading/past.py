"""The machine's load over the last minute and the last hour."""

from collections import deque

PAUSE = 2.0
"""Seconds between measurements."""
_MINUTE = 60.0


class Past:
    """Measurements of the last minute, and the means of each minute of the last hour."""

    def __init__(self) -> None:
        self._minute: deque[float] = deque(maxlen=round(_MINUTE / PAUSE))
        self._hour: deque[float] = deque(maxlen=60)
        self._sum, self._count, self._since = 0.0, 0, float("-inf")

    def add(self, value: float, now: float) -> None:
        """Note a value from 0 to 1, measured at `now` (seconds of any clock)."""
        self._minute.append(value)
        if now >= self._since + _MINUTE:
            self._since, self._sum, self._count = now, 0.0, 0
            self._hour.append(value)
        self._sum, self._count = self._sum + value, self._count + 1
        self._hour[-1] = self._sum / self._count

    @property
    def values(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(last minute, last hour), the newest value last."""
        return tuple(self._minute), tuple(self._hour)
