"""The interface of environments on a device: a whole stack is stepped by operations that never wait for a host.

Random numbers and saved state stand here; how they are stepped is up to each kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from lth_core.settings.action_parts import Parts
from lth_core.tasks.environments import Described
from lth_core.tasks.on_device import draws
from lth_core.tasks.step import Array


class DeviceStep(NamedTuple):
    """One step of E environments of T tickets: see `step.Step`. ended: (T, E).

    last_observations stand everywhere; None without a time limit, since nothing is learnt from them then.
    """

    observations: Tensor
    last_observations: Tensor | None
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    ended: Tensor


class DeviceEnvironments(ABC):
    """count environments of each ticket. steps: (T, E) int64 since its episode began, changed in place.

    Step i of an environment draws numbers of the ticket's stream whose places follow from i, whatever happened before.
    """

    block: ClassVar[int] = 64
    """Steps for which numbers are drawn at once."""
    terminates: ClassVar[bool] = True
    """Whether anything but a time limit ends an episode."""
    parts: Parts = None

    def __init__(self, like: Described, seeds: Sequence[int], count: int, device: torch.device, drawn: int) -> None:
        """like: the same environments on the host. drawn: numbers that an environment draws in a step."""
        self.inputs, self.actions, self.limit = like.inputs, like.actions, like.limit
        self.continuous, self.bounded = like.continuous, like.bounded
        self._count, self._device, self._drawn = count, device, drawn
        self.keys = draws.keys(seeds, "environments").to(device)
        self.steps = torch.zeros((len(seeds), count), dtype=torch.int64, device=device)

    def ahead(self, first: Tensor, count: int) -> Tensor:
        """What each of n steps is given, (n, ...), of which `first` () is the first; -1 for what the first episodes
        begin with. Here uniform numbers (n, K, T, E) float64."""
        sizes = (count, self._drawn, 1, self._count)
        step, number, _, place = torch.meshgrid(
            *(torch.arange(size, device=self._device) for size in sizes), indexing="ij"
        )
        places = ((first + 1 + step) * self._count + place) * self._drawn + number
        return draws.uniform(draws.bits(self.keys[:, None], places))

    @abstractmethod
    def observations(self) -> Tensor:
        """Observations (T, E, ...) of the current states."""

    @abstractmethod
    def step(self, actions: Tensor, given: Tensor) -> DeviceStep:
        """Step all environments; actions (T, E) int64 or (T, E, A) float32, given: see `ahead`."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The current states by name, apart from `steps`."""

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

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """See Environments; without the number of steps so far, which is the caller's."""
        return {name: one.cpu().numpy().copy() for name, one in self._saved().items()}, {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of `state`, in place."""
        for name, one in self._saved().items():
            one.copy_(torch.from_numpy(arrays[name].copy()))

    def _saved(self) -> dict[str, Tensor]:
        return {"steps": self.steps, **self.tensors()}
