"""The interface of environments on a device: a whole stack is stepped by operations that never wait for a host.

Resets, time limits, start states and saved state stand here; the dynamics are up to each environment.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lth_core.settings.action_parts import Parts
from lth_core.tasks.classic import Classic
from lth_core.tasks.on_device import draws
from lth_core.tasks.step import Array


class DeviceStep(NamedTuple):
    """One step of E environments of T tickets: see `step.Step`. last_observations stand everywhere; ended: (T, E)."""

    observations: Tensor
    last_observations: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    ended: Tensor


class DeviceEnvironments(ABC):
    """Environments whose state is S numbers: current (S, T, E) float64 and steps (T, E) int64, changed in place.

    An episode that begins after step i of its environment starts from numbers i + 1 of the ticket's stream, whatever
    happened before.
    """

    size: int
    """S."""
    parts: Parts = None

    def __init__(self, like: Classic, seeds: Sequence[int], count: int, device: torch.device) -> None:
        """like: the same environment on the host."""
        self.inputs, self.actions, self.limit = like.inputs, like.actions, like.limit
        self.continuous, self.bounded = like.continuous, like.bounded
        self._count, self._device = count, device
        self.keys = draws.keys(seeds, "environments").to(device)
        self.current = self.starts(torch.tensor(-1, device=device), 1)[0]
        self.steps = torch.zeros((len(seeds), count), dtype=torch.int64, device=device)

    @abstractmethod
    def start(self, drawn: Tensor) -> Tensor:
        """Start states (n, S, T, E) float64 from uniform numbers of this shape."""

    @abstractmethod
    def advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Next states (S, T, E), rewards (T, E) float32 and termination (T, E) bool.

        actions: (T, E) float64 choices, or (T, E, A) float32.
        """

    @abstractmethod
    def observe(self, state: Tensor) -> Tensor:
        """Observations (T, E, D) float32 of states (S, T, E)."""

    def starts(self, first: Tensor, count: int) -> Tensor:
        """Start states (n, S, T, E) of the episodes that begin after each of n steps, of which `first` () is the
        first; -1 for those before any step."""
        sizes = (count, self.size, 1, self._count)
        step, number, _, place = torch.meshgrid(
            *(torch.arange(size, device=self._device) for size in sizes), indexing="ij"
        )
        places = ((first + 1 + step) * self._count + place) * self.size + number
        return self.start(draws.uniform(draws.bits(self.keys[:, None], places)))

    def observations(self) -> Tensor:
        """Observations (T, E, D) float32 of the current states."""
        return self.observe(self.current)

    def step(self, actions: Tensor, starts: Tensor) -> DeviceStep:
        """Step all environments; actions (T, E) int64 or (T, E, A) float32, starts (S, T, E) of episodes that begin."""
        # Whole numbers times fractions would be single precision.
        chosen = actions if self.continuous else actions.to(torch.float64)
        moved, rewards, terminated = self.advance(self.current, chosen)
        late = self.steps.add_(1) >= self.limit
        ended = late | terminated
        torch.where(ended, starts, moved, out=self.current)
        self.steps.masked_fill_(ended, 0)
        return DeviceStep(
            self.observations(), self.observe(moved), rewards, terminated, late & ~terminated, ended
        )  # fmt: skip

    def origins(self) -> list[str]:
        """See Environments."""
        return [str(key) for key in self.keys.tolist()]

    def faults(self) -> dict[int, str]:
        """See Environments; these have no faults."""
        return {}

    def keep(self, tickets: Sequence[int]) -> None:
        """See Environments; the memory of the state moves."""
        rows = torch.tensor(list(tickets), device=self._device)
        self.keys, self.steps = self.keys[rows], self.steps[rows]
        self.current = self.current[:, rows].contiguous()

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """See Environments; without the number of steps so far, which is the caller's."""
        arrays = {"state": self.current.cpu().numpy().copy(), "steps": self.steps.cpu().numpy().copy()}
        return arrays, {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of `state`, in place."""
        self.current.copy_(torch.from_numpy(arrays["state"].copy()))
        self.steps.copy_(torch.from_numpy(arrays["steps"].copy()))
