"""Returns of training episodes, counted on a device and read by the host at records only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth_core.training.reinforcement.episodes import Episodes
from lth_core.training.stack import Array


class Tally:
    """Running returns (T, E), and rings (T, W + 1) of the last W episodes that ended since the host last read.

    The last place of a ring takes what is overwritten in the same update, and is never read.
    """

    def __init__(self, read: Episodes, tickets: int, environments: int, window: int, device: torch.device) -> None:
        """read: where the host keeps what it has read."""
        self._read, self._window, self._device, self._environments = read, window, device, environments
        self._clear(torch.zeros((tickets, environments), dtype=torch.float64, device=device))

    def _clear(self, running: Tensor) -> None:
        self._running, size = running, (len(running), self._window + 1)
        self._returns = torch.zeros(size, dtype=torch.float64, device=self._device)
        self._at = torch.zeros(size, dtype=torch.int64, device=self._device)
        self._count = torch.zeros(len(running), dtype=torch.int64, device=self._device)
        self._steps = torch.zeros((), dtype=torch.int64, device=self._device)

    def add(self, rewards: Sequence[Tensor], ends: Tensor, clock: Tensor) -> None:
        """Add n steps: rewards, (T, E) each; ends (T, n, E); clock: () how many steps came before."""
        running, found = self._running, []
        for reward, ended in zip(rewards, ends.unbind(1), strict=True):
            running = running + reward
            found.append(running)
            running = running.masked_fill(ended, 0.0)
        self._running.copy_(running)
        returns, ended = torch.stack(found, 1).flatten(1), ends.flatten(1)
        number = ended.cumsum(1)  # of each one's end among those of its ticket
        total = number[:, -1:]
        places = (self._count[:, None] + number - 1) % self._window
        places = places.masked_fill(~ended | (number <= total - self._window), self._window)
        step = torch.arange(returns.shape[1], device=self._device) // self._environments + 1
        at = ((clock + step) * self._environments).expand(returns.shape)
        self._returns.scatter_(1, places, returns)
        self._at.scatter_(1, places, at)
        self._count.add_(total[:, 0])
        self._steps.add_(len(found) * self._environments)

    def read(self) -> Episodes:
        """All episodes that have ended so far. Waits for the device."""
        count, steps = self._count.tolist(), int(self._steps)
        if steps:
            returns, at = self._returns.tolist(), self._at.tolist()
            for ticket, ended in enumerate(count):
                places = [number % self._window for number in range(max(0, ended - self._window), ended)]
                own = ([rows[ticket][place] for place in places] for rows in (returns, at))
                self._read.add_ended(ticket, ended, *own)
            self._read.pass_steps(steps)
            self._count.zero_()
            self._steps.zero_()
        return self._read

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these; the memory moves."""
        self.read().keep(tickets)
        self._clear(self._running[torch.tensor(list(tickets), device=self._device)])

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The state as arrays and JSON values."""
        arrays, values = self.read().state()
        return {**arrays, "running": self._running.cpu().numpy().copy()}, values

    def restore(self, arrays: dict[str, Array], values: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self._read.restore({**arrays, "running": np.zeros_like(arrays["running"])}, values)
        self._clear(torch.from_numpy(arrays["running"].copy()).to(self._device))
