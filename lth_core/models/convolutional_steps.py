"""A convolutional network's forward pass while it acts on a CPU, step by step into the memory that learning reads: a
rollout that is learnt from in its own order needs no second pass."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.models.convolutional import ConvolutionalActorCritic, Layers

Array = npt.NDArray[np.float32]


class ConvolutionalSteps:
    """Of T tickets in E environments, n steps at a time. layers: views of the parameters."""

    def __init__(self, network: ConvolutionalActorCritic, layers: Layers, shape: tuple[int, int, int]) -> None:
        """shape: (T, n, E)."""
        self._network, self._layers, self._shape = network, layers, shape
        self._kept: list[Tensor] = []
        self._prepared: list[list[Tensor]] = []
        self._taken = 0

    def step(self, observations: npt.NDArray[np.uint8]) -> Array:
        """Heads (T, E, actions + 1) of observations (T, E, channels, height, width), valid until `kept`."""
        if not self._kept:  # anew, because what learning has read may still be in use
            image = torch.empty(*self._shape, *self._network.image, dtype=torch.uint8)
            self._kept, self._taken = [image, *self._network.room(*self._shape)], 0
            self._prepared = self._network.prepared(self._layers)
        seen, *kept = [one[:, self._taken] for one in self._kept]
        self._taken += 1
        self._network.pass_into(kept, self._prepared, seen.copy_(torch.from_numpy(observations)))
        heads: Array = kept[-1].numpy()
        return heads

    def kept(self) -> list[Tensor]:
        """What was kept in n steps, (T, n * E, ...): see ConvolutionalActorCritic.traced."""
        found = [one.flatten(1, 2) for one in self._kept]
        self._kept = []
        return found
