"""Minibatches of a rollout: each ticket's transitions are shuffled by its own stream; all tickets share the shape."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth_core.randomness import stream


class Shuffles:
    """The streams that shuffle the transitions of T tickets."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._streams = [stream(seed, "minibatches") for seed in seeds]

    def orders(self, size: int, epochs: int) -> Tensor:
        """Orders (epochs, T, size) of each ticket's transitions."""
        return torch.from_numpy(np.stack([[rng.permutation(size) for rng in self._streams] for _ in range(epochs)]))

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these."""
        self._streams = [self._streams[t] for t in tickets]

    def state(self) -> list[dict[str, Any]]:
        """The state of the streams, as JSON values."""
        return [dict(rng.bit_generator.state) for rng in self._streams]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """The inverse of `state`."""
        for rng, state in zip(self._streams, states, strict=True):
            rng.bit_generator.state = state


def parts(whole: Sequence[Tensor], order: Tensor, minibatches: int) -> Iterator[tuple[Tensor, ...]]:
    """Tensors (T, B, ...) in the order (T, B), cut into parts (T, B / minibatches, ...)."""
    tickets, size = order.shape
    first = torch.arange(tickets, device=order.device).unsqueeze(1) * size
    for places in order.chunk(minibatches, dim=1):
        rows = (first + places).flatten()
        yield tuple(one.flatten(0, 1).index_select(0, rows).unflatten(0, places.shape) for one in whole)
