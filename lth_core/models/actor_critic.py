"""The interface that every actor-critic network offers to the training of a stack."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from lth_core.settings.action_parts import Parts
from lth_core.tickets.network import Network


class ActorCriticNetwork(Network, Protocol):
    """A network with policy and value heads. A stack's parameters are flat, (T, P), in the network's own order."""

    @property
    def actions(self) -> int:
        """Outputs of the policy head: logits, or means."""

    @property
    def parts(self) -> Parts:
        """The parts of a composite action (several choices or bits); None for a single choice or continuous actions."""

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
