"""Returns of finished episodes: the running ones of a stack, and each ticket's window of the last L (the score)."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class Episodes:
    """Returns of T tickets with E environments each, over a window of the last `window` finished episodes."""

    def __init__(self, tickets: int, count: int, window: int) -> None:
        self._running = np.zeros((tickets, count))
        self._windows: list[deque[float]] = [deque(maxlen=window) for _ in range(tickets)]
        self.finished = np.zeros(tickets, np.int64)

    def add(self, rewards: npt.NDArray[Any], ended: npt.NDArray[Any]) -> None:
        """Account for one step: rewards (T, E) as the environment gave them, ended (T, E) bool."""
        self._running += rewards
        places = np.flatnonzero(ended)
        if places.size:
            flat, count = self._running.reshape(-1), ended.shape[1]
            for place, found in zip(places.tolist(), flat[places].tolist(), strict=True):
                self._windows[place // count].append(found)
                self.finished[place // count] += 1
            flat[places] = 0.0

    def score(self, ticket: int) -> float:
        """Mean return of the ticket's last finished episodes; NaN while it has none."""
        window = self._windows[ticket]
        return sum(window) / len(window) if window else float("nan")

    def forget(self, ticket: int) -> None:
        """What the ticket has scored so far no longer counts: another network has scored it."""
        self._windows[ticket].clear()

    def restart(self) -> None:
        """Forget the unfinished episodes."""
        self._running[:] = 0.0

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""
        self._running = self._running[list(tickets)]
        self._windows = [self._windows[t] for t in tickets]
        self.finished = self.finished[list(tickets)]

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """Everything, as arrays and JSON values."""
        arrays = {"running": self._running.copy(), "finished": self.finished.copy()}
        return arrays, {"windows": [list(window) for window in self._windows]}

    def restore(self, arrays: dict[str, npt.NDArray[Any]], values: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self._running, self.finished = arrays["running"].copy(), arrays["finished"].copy()
        for window, stored in zip(self._windows, values["windows"], strict=True):
            window.clear()
            window.extend(stored)
