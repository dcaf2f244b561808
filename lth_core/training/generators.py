"""A training's own state of torch's global random generators, from which dropout draws.

The state is set for the time of an update and then restored, so that draws depend on nothing else in the process and
the state can be saved.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from lth_core.training.stack import Arrays


class Draws:
    """The random state of one ticket's updates, on the CPU and on its device."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self._states = self._read()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Within the block, torch's global generators continue where this training left them."""
        before = self._read()
        self._write(self._states)
        try:
            yield
        finally:
            self._states = self._read()
            self._write(before)

    def _read(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        return [*states, torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else states

    def _write(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self._device)

    def state(self) -> Arrays:
        """The state as arrays of bytes."""
        return {f"generator/{i}": state.numpy().copy() for i, state in enumerate(self._states)}

    def restore(self, arrays: Arrays) -> None:
        """The inverse of `state`. A GPU's begins anew where a training goes on from a CPU's, which has none."""
        for i in range(len(self._states)):
            if i == 0 or f"generator/{i}" in arrays:
                self._states[i] = torch.from_numpy(np.array(arrays[f"generator/{i}"]))
