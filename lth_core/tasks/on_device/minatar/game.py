"""What MinAtar's games on a device have in common: N of them side by side, as functions from values to values.

The values are those of the host's games, `tasks.minatar.game`, by the same names. Nothing here waits for the device: no
value decides what is computed, nor the shape of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lth_core.tasks.minatar import game as on_host
from lth_core.tasks.minatar.draws import Draws

State = Mapping[str, Tensor]
"""By name: single numbers (N,), rows (n, N), boards (N, 10, 10) of bytes; for the start of a game N may be 1."""


class DeviceGame(ABC):
    """N games on a device. like: the game on the host. drawn: uniform numbers that each step is given."""

    like: ClassVar[type[on_host.Game]]
    drawn: ClassVar[int] = 0

    def __init__(self, ramping: bool, device: torch.device) -> None:
        """ramping: see on_host.Game."""
        self.ramping = ramping
        first = self.first(self.like(Draws(np.zeros(1, np.uint64)), ramping))
        self._sizes = {name: one.numel() for name, one in first.items() if one.ndim < 2}
        self._first = {name: one.to(device)[..., None] for name, one in first.items() if one.ndim < 2}
        self._first |= {name: one.to(device)[None] for name, one in first.items() if one.ndim > 1}
        self.aside, self.downward = (torch.from_numpy(one).to(device) for one in (on_host.ASIDE, on_host.DOWNWARD))

    def first(self, like: on_host.Game) -> dict[str, Tensor]:
        """The start of one game, without what is random: single numbers and rows int64, boards bytes."""
        found = {name: torch.from_numpy(np.array(one)) for name, one in like.first().items()}
        return {name: one.long() if one.ndim < 2 else one for name, one in found.items()}

    def begun(self, drawn: Tensor) -> dict[str, Tensor]:
        """What is random at the start of the games, from uniform numbers (drawn, N)."""
        return {}

    @abstractmethod
    def act(self, now: State, actions: Tensor, drawn: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """The state after a step with actions (N,) and uniform numbers (drawn, N); rewards (N,), and which are over.

        Boards of the new state are of memory of their own.
        """

    @abstractmethod
    def seen(self, now: State) -> Tensor:
        """Observations (N, channels, 10, 10), bytes of 0 and 1."""

    def start(self, drawn: Tensor) -> dict[str, Tensor]:
        """`joined` new games."""
        return self.joined({**self._first, **self.begun(drawn)}, drawn.shape[-1])

    def joined(self, state: State, count: int) -> dict[str, Tensor]:
        """The state of N games with all single numbers and rows as "numbers" (S, N) int64, so that one operation
        moves them."""
        numbers = [state[name].view(size, -1).expand(size, count) for name, size in self._sizes.items()]
        boards = {name: one for name, one in state.items() if name not in self._sizes}
        return {"numbers": torch.cat(numbers).long(), **boards}

    def apart(self, joined: State) -> dict[str, Tensor]:
        """The inverse of `joined`, as views."""
        numbers = zip(self._sizes.items(), torch.split(joined["numbers"], list(self._sizes.values())), strict=True)
        found = {name: one[0] if size == 1 else one for (name, size), one in numbers}
        return found | {name: one for name, one in joined.items() if name != "numbers"}


def at(row: Tensor, place: Tensor) -> Tensor:
    """Of rows (n, N) the entry of each game at its place (N,)."""
    return row.gather(0, place[None])[0]


def marked(cells: Tensor, channels: int) -> Tensor:
    """Boards (N, channels, 100), bytes: 1 at cells (n, N), counted from the first board on, 0 elsewhere."""
    found = torch.zeros((cells.shape[1], channels * 100), dtype=torch.uint8, device=cells.device)
    return found.scatter_(1, cells.T, 1).view(-1, channels, 100)
