"""An actor and a critic with trunks of their own, for a stack of tickets: two networks side by side.

Each is computed as a network by itself.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lth_core.models.actor_critic import Heads
from lth_core.models.actor_critic_parameters import fresh, grouped
from lth_core.models.board import BoardActorCritic
from lth_core.models.mlp import Perceptron
from lth_core.models.value_network import ValueNetwork
from lth_core.settings.action_parts import Parts
from lth_core.settings.networks import MLP, Board
from lth_core.tickets.mask import Weights


class Layers(NamedTuple):
    """The layers of both, as each has them."""

    actor: Any
    critic: Any


@dataclass(frozen=True)
class SeparateActorCritic:
    """Both networks have the sizes of `one`, a network with policy and value heads on one trunk."""

    settings: MLP | Board
    one: Perceptron | BoardActorCritic

    @property
    def actions(self) -> int:
        """See ActorCriticNetwork."""
        return self.one.actions

    @property
    def parts(self) -> Parts:
        """See ActorCriticNetwork."""
        return self.one.parts

    @property
    def heads(self) -> Heads:
        """See ActorCriticNetwork."""
        return "policy"

    @functools.cached_property
    def actor(self) -> Perceptron | BoardActorCritic:
        """The network of logits or means, with the log standard deviations."""
        return replace(self.one, settings=self.settings, heads="values")  # type: ignore[arg-type]

    @functools.cached_property
    def critic(self) -> ValueNetwork:
        """The network of the value."""
        return ValueNetwork(replace(self.one, settings=self.settings))  # type: ignore[arg-type]

    def shapes(self) -> dict[str, torch.Size]:
        """See Network: the actor's, then the critic's."""
        own = {_named("actor", name): shape for name, shape in self.actor.shapes().items()}
        theirs = {_named("critic", name): shape for name, shape in self.critic.shapes().items()}
        return own | theirs

    def groups(self) -> dict[str, frozenset[str]]:
        """See Network."""
        first = next(iter(self.shapes())).split(".")[0].removeprefix("actor")
        return grouped(self.shapes(), f"actor{first}.0", f"critic{first}.0")

    def initialise(self, seed: int) -> Weights:
        """Newly initialised float32 parameters of one network."""
        return fresh(self.shapes(), self.settings.initialisation, seed)

    def buffers(self) -> Weights:
        """See Network: none."""
        return {}

    def flow(self, weights: Weights) -> Tensor:
        """See Network: the sum of both."""
        own = {name: weights[_named("actor", name)] for name in self.actor.shapes()}
        theirs = {name: weights[_named("critic", name)] for name in self.critic.shapes()}
        return self.actor.flow(own) + self.critic.flow(theirs)

    @functools.cached_property
    def _stored(self) -> int:
        """Numbers of the actor in the order of `shapes`."""
        return sum(shape.numel() for shape in self.actor.shapes().values())

    def packed(self, flat: Tensor) -> Tensor:
        """See ActorCriticNetwork: the actor's, then the critic's."""
        own, theirs = flat.split([self._stored, flat.shape[1] - self._stored], dim=1)
        return torch.cat([self.actor.packed(own), self.critic.packed(theirs)], dim=1)

    def unpacked(self, flat: Tensor) -> Tensor:
        """The inverse of `packed`, as a copy."""
        own, theirs = self._both(flat)
        return torch.cat([self.actor.unpacked(own), self.critic.unpacked(theirs)], dim=1)

    def _both(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        return flat[:, : self.actor.width], flat[:, self.actor.width :]

    def layers(self, flat: Tensor) -> Layers:
        """The layers of packed parameters (T, P) as views."""
        own, theirs = self._both(flat)
        return Layers(self.actor.layers(own), self.critic.layers(theirs))

    def log_std(self, flat: Tensor) -> Tensor | None:
        """See ActorCriticNetwork."""
        return self.actor.log_std(self._both(flat)[0])

    def forward(self, layers: Layers, observations: Tensor) -> list[Tensor]:
        """See ActorCriticNetwork: the input, the actor's hidden layers, the critic's, and the heads' outputs."""
        seen, *own, outputs = self.actor.forward(layers.actor, observations)
        _, *theirs, value = self.critic.forward(layers.critic, seen)
        return [seen, *own, *theirs, torch.cat([outputs, value], -1)]

    def traced(self, layers: Layers, observations: Tensor) -> list[Tensor]:
        """The same as `forward`: the activations are all that `backward` needs."""
        return self.forward(layers, observations)

    def backward(self, layers: Layers, activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """See ActorCriticNetwork."""
        found = gradient.new_empty(len(gradient), self.actor.width + self.critic.width)
        (own, theirs), hidden = self._both(found), len(activations) // 2
        self.actor.backward_into(own, layers.actor, activations[:hidden], gradient[..., :-1].contiguous())
        behind = [activations[0], *activations[hidden:-1]]
        self.critic.backward_into(theirs, layers.critic, behind, gradient[..., -1:])
        return found


def _named(side: str, name: str) -> str:
    """The name in the pair of a parameter of a network with one trunk."""
    if name.startswith("trunk."):
        return f"{side}.{name.removeprefix('trunk.')}"
    return f"{side}_{name}" if name.startswith("convolution.") else name
