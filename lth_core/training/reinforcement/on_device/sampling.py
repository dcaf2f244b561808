"""Random numbers of a stack's updates, and actions drawn with them, on the device that trains.

Each follows from the ticket's seed and the step, see `tasks.on_device.draws`.
"""

import functools
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from lth_core.tasks.on_device import draws


class Numbers:
    """The numbers for actions and minibatches of T tickets. keys: of their streams, (T,) each."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.actions, self.minibatches = (draws.keys(seeds, name).to(device) for name in ("actions", "minibatches"))

    def noise(self, clock: Tensor, steps: int, environments: int, normal: int | None) -> Tensor:
        """For `steps` steps from step `clock` () on: uniform (T, n, E), or normal (T, n, E, A) for A numbers each."""
        shape = (steps, environments) if normal is None else (steps, environments, normal)
        each = environments * (normal or 1)
        places = clock * each + torch.arange(steps * each, device=clock.device)
        found = draws.bits(self.actions[:, None], places).unflatten(1, shape)
        return draws.uniform_single(found) if normal is None else draws.normal(found)

    def orders(self, update: Tensor, size: int, epochs: int) -> Tensor:
        """Orders (epochs, T, size) of transitions in this update (), the first 0: sorted by random numbers."""
        places = update * (epochs * size) + torch.arange(epochs * size, device=update.device)
        drawn = draws.bits(self.minibatches[:, None], places)
        found: Tensor = drawn.unflatten(1, (epochs, size)).argsort(stable=True, dim=-1)
        return found.transpose(0, 1).contiguous()

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""
        rows = torch.tensor(list(tickets), device=self.actions.device)
        self.actions, self.minibatches = self.actions[rows], self.minibatches[rows]


def chosen(logits: Tensor, noise: Tensor) -> Tensor:
    """Actions (T, E) int64 of logits (T, E, A) at uniform numbers (T, E): see policy.Categorical.sample."""
    peak = functools.reduce(torch.maximum, logits.unbind(-1))
    cumulated = list(itertools.accumulate(torch.exp(logits - peak[..., None]).unbind(-1)))
    threshold = noise * cumulated[-1]
    return functools.reduce(torch.add, [(below < threshold).to(torch.int64) for below in cumulated[:-1]])
