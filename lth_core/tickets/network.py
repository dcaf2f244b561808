"""What tickets need to know of a network: its parameters' names, shapes and groups, and how it starts."""

from typing import Protocol

import torch
from torch import Tensor

from lth_core.tickets.mask import Weights


class Network(Protocol):
    """Any network. A parameter that is used in several places (tied) stands once."""

    def shapes(self) -> dict[str, torch.Size]:
        """Parameter names and shapes, in the order in which they are stored."""

    def groups(self) -> dict[str, frozenset[str]]:
        """The groups of each parameter, in the same order, by which experiments keep or prune it."""

    def initialise(self, seed: int) -> Weights:
        """Fresh float32 parameters."""

    def buffers(self) -> Weights:
        """What a new network keeps beside its parameters, by name: running statistics, such as BatchNorm's."""

    def flow(self, weights: Weights) -> Tensor:
        """The sum of all outputs for an input of ones, the network read as additions alone; differentiable, a number.

        Activation functions, gates, attention patterns and the statistics of norms are left out: what they are given
        goes through. Weights are taken as they are, whatever their type.
        """
