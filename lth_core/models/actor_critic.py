"""What a stack of actors and critics may ask of its network, whatever it is made of."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from lth_core.settings.action_parts import Parts
from lth_core.tickets.network import Network


class ActorCriticNetwork(Network, Protocol):
    """A network with a policy and a value. Parameters of a stack are flat, (T, P), in an order of the network's own."""

    @property
    def actions(self) -> int:
        """How many logits, or means, the policy head gives."""

    @property
    def parts(self) -> Parts:
        """Of what an action consists, where it is several choices or bits."""

    def packed(self, flat: Tensor) -> Tensor:
        """Parameters (T, Q) in the order of `shapes` in the network's own, (T, P)."""

    def unpacked(self, flat: Tensor) -> Tensor:
        """The inverse of `packed`."""

    def layers(self, flat: Tensor) -> Any:
        """The parameters in the form in which they are computed with, as views of them."""

    def log_std(self, flat: Tensor) -> Tensor | None:
        """Logarithms of the standard deviations (T, actions), a view of flat parameters; None for logits."""

    def forward(self, layers: Any, observations: Tensor) -> list[Tensor]:
        """Activations: the observations (T, B, ...) first, the heads (T, B, actions + 1) last."""

    def traced(self, layers: Any, observations: Tensor) -> list[Tensor]:
        """The same, ready for `backward`."""

    def backward(self, layers: Any, activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """Gradients (T, P) from that of the heads (T, B, actions + 1); log_std's are zero, to be filled in."""
