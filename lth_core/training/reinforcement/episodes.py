"""Returns of a stack's episodes: running sums, and for each ticket a window of the last finished ones (its curve)."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class Episodes:
    """Returns of T tickets with E environments each, over a window of the last `window` finished episodes.

    reach: for each ticket how far back a window reaches, in games or else in steps of all its environments; None for
    no limit. The last finished episode counts wherever it is.
    """

    def __init__(
        self, tickets: int, count: int, window: int, reach: Sequence[float] | None = None, *, in_games: bool = False
    ) -> None:
        self._running = np.zeros((tickets, count))
        self._windows: list[deque[float]] = [deque(maxlen=window) for _ in range(tickets)]
        self._ended: list[deque[int]] = [deque(maxlen=window) for _ in range(tickets)]
        self._reach, self._in_games, self._steps = reach, in_games, 0
        self.finished, self._since = np.zeros(tickets, np.int64), np.zeros(tickets, np.int64)

    def add(self, rewards: npt.NDArray[Any], ended: npt.NDArray[Any]) -> None:
        """Add one step: rewards (T, E) from the environment, ended (T, E) bool."""
        self._running += rewards
        self._steps += ended.shape[1]
        rows, columns = ended.nonzero()
        if rows.size:
            for ticket, found in zip(rows.tolist(), self._running[rows, columns].tolist(), strict=True):
                self._windows[ticket].append(found)
                self.finished[ticket] += 1
                self._ended[ticket].append(self._now(ticket) if self._in_games else self._steps)
            self._running[rows, columns] = 0.0

    def add_ended(self, ticket: int, number: int, returns: Sequence[float], at: Sequence[int]) -> None:
        """Add this number of episodes of a ticket that were counted elsewhere: the last of their returns, and the steps
        of all its environments after which they ended. To be followed by `pass_steps`."""
        self._windows[ticket].extend(returns)
        self._ended[ticket].extend(at)
        self.finished[ticket] += number

    def pass_steps(self, steps: int) -> None:
        """Count steps of all environments of a ticket that were counted elsewhere."""
        self._steps += steps

    def score(self, ticket: int) -> float:
        """Mean return of the ticket's last finished episodes; NaN if it has none."""
        window = list(self._windows[ticket])
        if self._reach is not None:
            first = self._now(ticket) - self._reach[ticket]
            window = [found for found, at in zip(window, self._ended[ticket], strict=True) if at > first] or window[-1:]
        return sum(window) / len(window) if window else float("nan")

    def window(self, ticket: int) -> tuple[list[float], list[int], int]:
        """Returns of the ticket's last episodes, when they ended, and how many ended since its last `forget`."""
        ended = int(self.finished[ticket] - self._since[ticket])
        return list(self._windows[ticket]), list(self._ended[ticket]), ended

    def _now(self, ticket: int) -> int:
        return int(self.finished[ticket]) if self._in_games else self._steps

    def forget(self, ticket: int) -> None:
        """Drop the ticket's episodes so far, because they belong to another network."""
        self._since[ticket] = self.finished[ticket]
        self._windows[ticket].clear()
        self._ended[ticket].clear()

    def restart(self) -> None:
        """Forget the unfinished episodes."""
        self._running[:] = 0.0

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""
        self._running = self._running[list(tickets)]
        self._windows = [self._windows[t] for t in tickets]
        self._ended = [self._ended[t] for t in tickets]
        self._reach = None if self._reach is None else [self._reach[t] for t in tickets]
        self.finished, self._since = self.finished[list(tickets)], self._since[list(tickets)]

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """The state as arrays and JSON values."""
        arrays = {"running": self._running.copy(), "finished": self.finished.copy(), "since": self._since.copy()}
        values: dict[str, Any] = {"windows": [list(window) for window in self._windows]}
        if self._reach is not None:
            values |= {"ended": [list(ended) for ended in self._ended], "steps": self._steps}
        return arrays, values

    def restore(self, arrays: dict[str, npt.NDArray[Any]], values: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self._running, self.finished = arrays["running"].copy(), arrays["finished"].copy()
        self._steps = values.get("steps", 0)
        ended = values.get("ended", [[0] * len(window) for window in values["windows"]])
        for ticket, (window, at) in enumerate(zip(values["windows"], ended, strict=True)):
            self.forget(ticket)
            self._windows[ticket].extend(window)
            self._ended[ticket].extend(at)
        self._since = arrays.get("since", self.finished).copy()
