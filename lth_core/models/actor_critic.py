"""The interface that every actor-critic network offers to the training of a stack."""

import functools
import operator
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeVar

import numpy.typing as npt
from torch import Tensor

from lth_core.settings.action_parts import Parts
from lth_core.tickets.network import Network

Heads = Literal["policy", "values", "dueling", "squashed"]
"""What the outputs are: logits or means and the value; values of actions; advantages of actions and the value; means,
then logarithms of standard deviations of a Gaussian with a tanh behind it."""
Outputs = TypeVar("Outputs", Tensor, npt.NDArray[Any])


def preferences(heads: Heads, outputs: Outputs) -> Outputs:
    """What actions are chosen by, (..., actions), from the heads' outputs: logits or means, or values of actions; of
    squashed heads all, (..., 2 actions)."""
    if heads == "policy":
        return outputs[..., :-1]
    if heads in ("values", "squashed"):
        return outputs
    # Column by column, because the order of sums over a short last axis depends on the shape.
    columns = [outputs[..., action] for action in range(outputs.shape[-1] - 1)]
    mean = functools.reduce(operator.add, columns) / len(columns)
    return outputs[..., :-1] + (outputs[..., -1] - mean)[..., None]


class ActorCriticNetwork(Network, Protocol):
    """A network with policy and value heads. A stack's parameters are flat, (T, P), in the network's own order."""

    @property
    def actions(self) -> int:
        """Outputs of the policy head: logits, or means."""

    @property
    def parts(self) -> Parts:
        """The parts of a composite action (several choices or bits); None for a single choice or continuous actions."""

    @property
    def heads(self) -> Heads:
        """See Heads."""

    def packed(self, flat: Tensor) -> Tensor:
        """Parameters (T, Q) in the order of `shapes`, rearranged into the network's own order (T, P)."""

    def unpacked(self, flat: Tensor) -> Tensor:
        """The inverse of `packed`."""

    def layers(self, flat: Tensor) -> Any:
        """The parameters in the form the forward pass uses, as views."""

    def log_std(self, flat: Tensor) -> Tensor | None:
        """Logarithms of the standard deviations (T, actions), a view of flat parameters; None for logits."""

    def forward(self, layers: Any, observations: Tensor) -> list[Tensor]:
        """All activations, from the observations (T, B, ...) to the heads' outputs (T, B, actions + 1)."""

    def traced(self, layers: Any, observations: Tensor) -> list[Tensor]:
        """Like `forward`, but keeps what `backward` needs."""

    def backward(self, layers: Any, activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """Gradients (T, P) from the heads' gradient (T, B, actions + 1). log_std's are zero: the caller sets them."""
