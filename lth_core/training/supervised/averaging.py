"""Checkpoint averaging: evaluates the mean of the weights at the last few points of a training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from lth_core.training.stack import Arrays


class Average:
    """The mean of `count` snapshots, `every` updates apart, the last of them at the end of the training.

    The end is known, so a running sum is enough. A weight that is always zero is zero in the mean. Running statistics
    are averaged like weights.
    """

    def __init__(self, parameters: Mapping[str, Tensor], count: int, every: int) -> None:
        self._parameters, self._count, self._every = parameters, count, every
        self._taken = 0
        self._sums: dict[str, Tensor] = {}

    @torch.no_grad()
    def take(self, left: int) -> None:
        """Add the current weights, if a snapshot is due `left` updates before the end."""
        if self._count == 1 or left % self._every or left // self._every >= self._count:
            return
        if not self._sums:
            self._sums = {name: torch.zeros_like(parameter) for name, parameter in self._parameters.items()}
        for name, total in self._sums.items():
            total += self._parameters[name]
        self._taken += 1

    def narrow(self, mask: Mapping[str, Tensor]) -> None:
        """Set the sum to zero outside this mask."""
        for name, alive in mask.items():
            if name in self._sums:
                self._sums[name] *= alive.to(self._sums[name].device)

    def mean(self) -> dict[str, Tensor]:
        """The mean of the snapshots so far, on the CPU; nothing if only one is wanted."""
        if self._count == 1 or not self._taken:
            return {}
        return {name: (total / self._taken).detach().cpu().clone() for name, total in self._sums.items()}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Within the block the parameters hold the mean; without a snapshot they stay unchanged."""
        if not self._taken:
            yield
            return
        own = {name: self._parameters[name].detach().clone() for name in self._sums}
        try:
            self._put({name: total / self._taken for name, total in self._sums.items()})
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, weight in weights.items():
            self._parameters[name].copy_(weight)

    def state(self) -> Arrays:
        """The sum and its number of snapshots; nothing before the first."""
        if not self._taken:
            return {}
        sums = {f"average/{name}": total.detach().cpu().numpy().copy() for name, total in self._sums.items()}
        return {"averaged": np.array([self._taken]), **sums}

    def restore(self, arrays: Arrays) -> None:
        """The inverse of `state`."""
        self._taken = int(arrays["averaged"][0]) if "averaged" in arrays else 0
        self._sums = {}
        if self._taken:
            self._sums = {
                name: torch.from_numpy(np.array(arrays[f"average/{name}"])).to(parameter.device)
                for name, parameter in self._parameters.items()
                if f"average/{name}" in arrays
            }
