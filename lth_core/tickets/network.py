"""What tickets need to know about a network: its parameters' names, shapes, groups and initialisation."""

from typing import Protocol

import torch
from torch import Tensor

from lth_core.tickets.mask import Weights


class Network(Protocol):
    """Any network. A parameter used in several places (tied) is listed once."""

    def shapes(self) -> dict[str, torch.Size]:
        """Parameter names and shapes, in the order of storage."""

    def groups(self) -> dict[str, frozenset[str]]:
        """The groups of each parameter, in the same order; experiments choose by them what to prune."""

    def initialise(self, seed: int) -> Weights:
        """New float32 parameters."""

    def buffers(self) -> Weights:
        """Buffers of a new network by name: running statistics such as BatchNorm's."""

    def flow(self, weights: Weights) -> Tensor:
        """The sum of all outputs of the linearised network for an input of ones; a differentiable scalar.

        Activation functions, gates, attention patterns and the statistics of norms are replaced by the identity.
        Weights may have any number type.
        """
