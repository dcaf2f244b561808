"""CUDA graphs: a function's GPU operations are captured once, and later calls are a single launch.

Small networks do not fill a GPU: launching their operations takes longer than running them.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils import _pytree as pytree


@contextmanager
def capturing(graph: torch.cuda.CUDAGraph, pool: Any = None) -> Iterator[None]:
    """Capture what is launched on the current stream, which must not be the default one.

    Garbage collection is off meanwhile: destroying an older graph during a capture would end the process.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        torch.cuda.synchronize()
        graph.capture_begin(pool=pool)
        try:
            yield
        except BaseException:
            with suppress(RuntimeError):  # also fails, and would hide the cause
                graph.capture_end()
            raise
        graph.capture_end()
    finally:
        if collects:
            gc.enable()


class Replayed:
    """Calls the function on a CPU; on a GPU captures it at the second call with inputs of the same shapes.

    The first call runs normally, because libraries initialise themselves in it. The function may change its own tensors
    in place as long as their memory stays; otherwise call `forget`. The next call overwrites what it returned. Inputs
    may be on the host; pinned ones are copied asynchronously.
    """

    def __init__(self, function: Callable[..., Any], device: torch.device) -> None:
        self._function, self._device = function, device
        self.forget()

    def forget(self) -> None:
        """Drop the graph, because memory that the function uses has moved."""
        self._shapes: list[tuple[torch.Size, torch.dtype]] | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []
        """The tensors the graph reads from, flat, after the first call."""
        self._outputs: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the function. Arguments and results: tensors, tuples or lists of tensors, or None."""
        if self._device.type != "cuda":
            return self._function(*arguments)
        leaves, form = pytree.tree_flatten(arguments)
        shapes = [(leaf.shape, leaf.dtype) for leaf in leaves if isinstance(leaf, Tensor)]
        known = shapes == self._shapes
        if not known:
            self.forget()
            self._shapes = shapes
            self.inputs = [torch.empty(leaf.shape, dtype=leaf.dtype, device=self._device) for leaf in leaves]
        for place, leaf in zip(self.inputs, leaves, strict=True):
            place.copy_(leaf, non_blocking=True)
        if not known:
            with self._beside():
                return self._function(*pytree.tree_unflatten(self.inputs, form))
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with self._beside(), capturing(self._graph):
                self._outputs = self._function(*pytree.tree_unflatten(self.inputs, form))
        self._graph.replay()
        return self._outputs

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """Run the block on a side stream, as captures and their warm-up require."""
        beside = torch.cuda.Stream(self._device)
        beside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(beside):
            yield
        torch.cuda.current_stream(self._device).wait_stream(beside)


def to_host(tensor: Tensor) -> npt.NDArray[Any]:
    """A tensor's values on the CPU; waits only until its device has computed them."""
    if tensor.device.type != "cuda":
        return tensor.numpy()
    found = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    found.copy_(tensor, non_blocking=True)
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(tensor.device))
    done.synchronize()
    return found.numpy()
