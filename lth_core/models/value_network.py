"""A network with one output, a value, for a stack of tickets.

It gets a second output that is always zero, because a product with a single output column rounds differently in a stack
(see `mlp`); it is in packed parameters only.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lth_core.models.board import BoardActorCritic
from lth_core.models.mlp import Perceptron
from lth_core.tickets.mask import Weights

_KINDS = ("weight", "bias")


@dataclass(frozen=True)
class ValueNetwork:
    """one: a network of its inputs and hidden layers."""

    one: Perceptron | BoardActorCritic

    @functools.cached_property
    def _both(self) -> Perceptron | BoardActorCritic:
        """The network; its policy head is the output that is always zero."""
        found = replace(self.one, actions=1, parts=None, heads="policy")
        return replace(found, continuous=False) if isinstance(found, Perceptron) else found

    @property
    def width(self) -> int:
        """The length of packed parameters."""
        return self._both.width

    def shapes(self) -> dict[str, torch.Size]:
        """Parameter names and shapes, in storage order; the last layer is `value_head`."""
        return {name: shape for name, shape in self._both.shapes().items() if not name.startswith("policy_head.")}

    def flow(self, weights: Weights) -> Tensor:
        """See Network."""
        shapes = self._both.shapes()
        zero = {name: weights[f"value_head.{name}"].new_zeros(shapes[f"policy_head.{name}"]) for name in _KINDS}
        return self._both.flow(weights | {f"policy_head.{name}": one for name, one in zero.items()})

    def packed(self, flat: Tensor) -> Tensor:
        """See ActorCriticNetwork: with zeros for the second output."""
        units = self.shapes()["value_head.weight"].numel()
        body, head = flat.split([flat.shape[1] - units - 1, units + 1], dim=1)
        zero = torch.zeros_like(head)
        return self._both.packed(torch.cat([body, zero[:, :-1], head[:, :-1], zero[:, -1:], head[:, -1:]], dim=1))

    def unpacked(self, flat: Tensor) -> Tensor:
        """The inverse of `packed`, as a copy."""
        units, whole = self.shapes()["value_head.weight"].numel(), self._both.unpacked(flat)
        head = whole[:, -units - 2 :]
        return torch.cat([whole[:, : whole.shape[1] - 2 * units - 2], head[:, :units], head[:, -1:]], dim=1)

    def layers(self, flat: Tensor) -> Any:
        """The layers of packed parameters as views."""
        return self._both.layers(flat)

    def forward(self, layers: Any, observations: Tensor) -> list[Tensor]:
        """All activations, from the observations (T, B, ...) to the value (T, B, 1)."""
        found = self._both.forward(layers, observations)
        return [*found[:-1], found[-1][..., 1:]]

    def backward_into(self, found: Tensor, layers: Any, activations: Sequence[Tensor], of_value: Tensor) -> None:
        """See Perceptron.backward_into; of_value: (T, B, 1). activations: those before the value, which may follow."""
        self._both.backward_into(found, layers, activations, functional.pad(of_value, (1, 0)))

    def of_input(self, layers: Any, activations: Sequence[Tensor], of_value: Tensor) -> Tensor:
        """See Perceptron.of_input; of_value: (T, B, 1)."""
        assert isinstance(self._both, Perceptron)  # noqa: S101 boards have no action among their inputs
        return self._both.of_input(layers, activations, functional.pad(of_value, (1, 0)))
