"""The network of soft actor-critic for a stack of tickets: an actor and two critics, three perceptrons side by side.

The actor's policy head gives means, then logarithms of standard deviations; a critic has observation and action as
inputs. Each is computed as a network by itself.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lth_core.models.actor_critic import Heads
from lth_core.models.actor_critic_parameters import SECOND, fresh, grouped
from lth_core.models.mlp import Layer, Perceptron
from lth_core.models.value_network import ValueNetwork
from lth_core.settings.action_parts import Parts
from lth_core.settings.networks import MLP
from lth_core.tickets.mask import Weights


class Layers(NamedTuple):
    """The layers of all three."""

    actor: Sequence[Layer]
    critics: tuple[Sequence[Layer], Sequence[Layer]]


@dataclass(frozen=True)
class SoftActorCritic:
    """The network of a `settings.networks.MLP`, whose sizes all three have."""

    settings: MLP
    inputs: int
    actions: int

    @property
    def parts(self) -> Parts:
        """See ActorCriticNetwork."""
        return None

    @property
    def heads(self) -> Heads:
        """See ActorCriticNetwork."""
        return "squashed"

    @functools.cached_property
    def actor(self) -> Perceptron:
        """The network of means and deviations."""
        return Perceptron(self.settings, self.inputs, 2 * self.actions, heads="values")

    @functools.cached_property
    def critic(self) -> ValueNetwork:
        """Each of the networks of values."""
        return ValueNetwork(Perceptron(self.settings, self.inputs + self.actions, 1))

    def shapes(self) -> dict[str, torch.Size]:
        """See Network: the actor's, then those of both critics."""
        own = {_named("actor", name): shape for name, shape in self.actor.shapes().items()}
        theirs = {_named("critic", name): shape for name, shape in self.critic.shapes().items()}
        return own | theirs | {f"{SECOND}{name}": shape for name, shape in theirs.items()}

    def groups(self) -> dict[str, frozenset[str]]:
        """See Network."""
        return grouped(self.shapes(), "actor.0", "critic.0", f"{SECOND}critic.0")

    def initialise(self, seed: int) -> Weights:
        """Newly initialised float32 parameters of one network."""
        return fresh(self.shapes(), self.settings.initialisation, seed)

    def buffers(self) -> Weights:
        """See Network: none."""
        return {}

    def flow(self, weights: Weights) -> Tensor:
        """See Network: the sum of all three."""
        found = self.actor.flow({name: weights[_named("actor", name)] for name in self.actor.shapes()})
        for before in ("", SECOND):
            own = {name: weights[f"{before}{_named('critic', name)}"] for name in self.critic.shapes()}
            found = found + self.critic.flow(own)
        return found

    @functools.cached_property
    def _stored(self) -> list[int]:
        """How many numbers each has in the order of `shapes`."""
        counts = [_count(one.shapes()) for one in (self.actor, self.critic)]
        return [*counts, counts[-1]]

    def packed(self, flat: Tensor) -> Tensor:
        """See ActorCriticNetwork: the actor's, then those of both critics."""
        own, *theirs = flat.split(self._stored, dim=1)
        return torch.cat([self.actor.packed(own), *map(self.critic.packed, theirs)], dim=1)

    def unpacked(self, flat: Tensor) -> Tensor:
        """The inverse of `packed`, as a copy."""
        own, *theirs = self.apart(flat)
        return torch.cat([self.actor.unpacked(own), *map(self.critic.unpacked, theirs)], dim=1)

    def apart(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of packed parameters (T, P) the actor's and each critic's, as views."""
        own, first, second = flat.split([self.actor.width, self.critic.width, self.critic.width], dim=1)
        return own, first, second

    def layers(self, flat: Tensor) -> Layers:
        """The layers of packed parameters (T, P) as views."""
        own, *theirs = self.apart(flat)
        first, second = map(self.critic.layers, theirs)
        return Layers(self.actor.layers(own), (first, second))

    def log_std(self, flat: Tensor) -> None:
        """See ActorCriticNetwork: deviations are outputs, not parameters."""

    def forward(self, layers: Layers, observations: Tensor) -> list[Tensor]:
        """See ActorCriticNetwork: of the actor, whose outputs are (T, B, 2 actions)."""
        return self.actor.forward(layers.actor, observations)

    def traced(self, layers: Layers, observations: Tensor) -> list[Tensor]:
        """The same as `forward`: the activations are all that `backward` needs."""
        return self.forward(layers, observations)

    def backward(self, layers: Layers, activations: Sequence[Tensor], gradient: Tensor) -> Tensor:
        """See ActorCriticNetwork: of the actor; the critics' are zero."""
        found = gradient.new_zeros(len(gradient), self.actor.width + 2 * self.critic.width)
        self.actor.backward_into(self.apart(found)[0], layers.actor, activations, gradient)
        return found

    def critics(self, layers: Layers, seen: Tensor, actions: Tensor) -> list[list[Tensor]]:
        """All activations of each critic, see ValueNetwork.forward; seen (T, B, inputs), actions (T, B, actions)."""
        together = torch.cat([seen, actions], -1)
        return [self.critic.forward(own, together) for own in layers.critics]


def _count(shapes: Mapping[str, torch.Size]) -> int:
    return sum(shape.numel() for shape in shapes.values())


def _named(side: str, name: str) -> str:
    """The name in the whole of a parameter of a network with one trunk."""
    return f"{side}.{name.removeprefix('trunk.')}" if name.startswith("trunk.") else name
