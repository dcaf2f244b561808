"""CUDA graphs of whole updates, one for each shape of batch: what a GPU does in an update, launched at once.

A small network's update is thousands of launches, which take the CPU longer than the GPU needs for the work. Its
kernels, random numbers and results are those of the update without a graph.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth_core.training.cuda_graphs import capturing
from lth_core.training.supervised.lesson import Batch, Carry

Learn = Callable[[Sequence[Batch], Carry, "Tensor | float"], Carry]
"""An update: batches, what is carried to the first, 1 / predictions in all; returns what is carried on."""
WARM_UP = 3
"""Updates of a shape before it is captured: what they allocate once must exist by then."""
MOST = 512
"""Shapes that are captured; others run as they come."""


@dataclass(frozen=True)
class _Captured:
    graph: Any
    batches: list[Batch]
    carry: Carry


class Graphs:
    """Runs updates on a stream of its own, from their third of a shape on as a graph.

    What an update reads beside its arguments must stay where it is in memory, and it may not wait for the GPU.
    """

    def __init__(self, learn: Learn, device: torch.device) -> None:
        self._learn, self._device = learn, device
        self._stream: Any = torch.cuda.Stream(device)
        self._pool: Any = torch.cuda.graph_pool_handle()
        self._share = torch.zeros((), device=device)
        self._seen: dict[Any, int] = {}
        self._captured: dict[Any, _Captured] = {}
        self._carry: Carry = ()

    def learn(self, batches: Sequence[Batch], carry: Carry, share: float) -> Carry:
        """See Learn. What is returned is overwritten by the next call."""
        shape = tuple((name, t.shape) for batch in batches for name, t in batch.tensors.items())
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            self._share.fill_(share)
            carry = self._kept(carry)
            found = self._captured.get(shape)
            if found is None:
                found = self._capture(shape, batches, carry)
            if found is None:
                carry = self._kept(self._learn(batches, carry, self._share))
            else:
                for own, batch in zip(found.batches, batches, strict=True):
                    for name, tensor in own.tensors.items():
                        tensor.copy_(batch.tensors[name])
                found.graph.replay()
                carry = found.carry
        torch.cuda.current_stream(self._device).wait_stream(self._stream)
        return carry

    def _kept(self, carry: Carry) -> Carry:
        """These values, in the memory that graphs read and write; zeros where there is nothing carried yet."""
        if len(self._carry) != len(carry) and carry:
            self._carry = tuple(part.clone() for part in carry)
        for own, part in zip(self._carry, carry or (0,) * len(self._carry), strict=True):
            if isinstance(part, Tensor):
                if own.data_ptr() != part.data_ptr():
                    own.copy_(part)
            else:
                own.zero_()
        return self._carry

    def _capture(self, shape: Any, batches: Sequence[Batch], carry: Carry) -> _Captured | None:
        """The graph of this shape, which has not run yet; None where it is not time for one."""
        self._seen[shape] = self._seen.get(shape, 0) + 1
        if self._seen[shape] <= WARM_UP or len(self._captured) == MOST:
            return None
        own = [Batch({name: t.clone() for name, t in batch.tensors.items()}, batch.predictions) for batch in batches]
        graph = torch.cuda.CUDAGraph()
        with capturing(graph, self._pool):
            after = self._learn(own, carry, self._share)
            for kept, part in zip(carry, after, strict=True):
                kept.copy_(part)
        self._captured[shape] = _Captured(graph, own, carry)
        return self._captured[shape]
