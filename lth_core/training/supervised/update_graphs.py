"""CUDA graphs of whole updates, one for each shape of batch, so that an update is a single launch.

A small network's update is thousands of launches, which take the CPU longer than the GPU needs for the work. Kernels,
random numbers and results are the same as without a graph.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth_core.training.cuda_graphs import capturing
from lth_core.training.supervised.lesson import Batch, Carry

Learn = Callable[[Sequence[Batch], Carry, "Tensor | float"], Carry]
"""An update: batches, state carried into the first, 1 / number of predictions; returns the carried state."""
WARM_UP = 3
"""Updates of a shape before it is captured, so that one-time allocations are done."""
MOST = 512
"""The most shapes that are captured; others run without a graph."""


@dataclass(frozen=True)
class _Captured:
    graph: Any
    batches: list[Batch]
    carry: Carry


class Graphs:
    """Runs updates on a stream of its own; from the third of a shape on as a graph.

    Memory that an update reads besides its arguments must not move, and an update must not wait for the GPU.
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
        """See Learn. The next call overwrites the returned tensors."""
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
        """These values in the memory that graphs read and write; zeros if nothing is carried yet."""
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
        """A new graph of this shape; None if it is too early for one."""
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
