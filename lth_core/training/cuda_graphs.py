"""A function of tensors whose operations a GPU is told of once: later calls are one launch (a CUDA graph).

Small networks do not fill a GPU: telling it what to do takes longer than doing it.
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
    """Capture what is launched on this stream, which may not be the default one.

    Python collects no garbage meanwhile: an older graph among it would be destroyed, which ends the process.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        torch.cuda.synchronize()
        graph.capture_begin(pool=pool)
        try:
            yield
        except BaseException:
            with suppress(RuntimeError):  # fails too, and would hide why
                graph.capture_end()
            raise
        graph.capture_end()
    finally:
        if collects:
            gc.enable()


class Replayed:
    """Calls the function on a CPU; on a GPU captures it at the second call with inputs of the same shapes.

    The first call is an ordinary one: libraries set themselves up in it, and a step is not taken twice. The function
    may change tensors of its own in place, as long as they stay where they are: `forget` it when they do not. What it
    returns is overwritten by the next call. Inputs may lie on the host; pinned ones are not waited for.
    """

    def __init__(self, function: Callable[..., Any], device: torch.device) -> None:
        self._function, self._device = function, device
        self.forget()

    def forget(self) -> None:
        """Start anew: something that the function uses has moved."""
        self._shapes: list[tuple[torch.Size, torch.dtype]] | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []
        """Where the GPU reads from, flat, once there was a call."""
        self._outputs: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns of these: tensors, or tuples and lists of tensors, or None."""
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
        """A stream beside the usual one: where a capture is made, and set up for."""
        beside = torch.cuda.Stream(self._device)
        beside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(beside):
            yield
        torch.cuda.current_stream(self._device).wait_stream(beside)


def to_host(tensor: Tensor) -> npt.NDArray[Any]:
    """The numbers of a tensor, once its device has come to them; nothing else is waited for."""
    if tensor.device.type != "cuda":
        return tensor.numpy()
    found = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    found.copy_(tensor, non_blocking=True)
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(tensor.device))
    done.synchronize()
    return found.numpy()
