"""How plastic the networks of a stack still are: dormant units, effective rank, norms of gradients and weights.

Measured with the weights after the last update, on the states that it learnt from, or on states spread over the replay
buffer.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.models.actor_critic_parameters import SECOND
from lth_core.models.board import BoardActorCritic
from lth_core.models.mlp import Perceptron
from lth_core.models.separate import SeparateActorCritic
from lth_core.models.soft import SoftActorCritic
from lth_core.settings.networks import MLP, Board
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.playing import PlayingStack
from lth_core.training.stack import Array

DORMANT = 0.025
"""A unit is dormant up to this share of its layer's mean activation (tau of Sokar et al. 2023)."""
RANK_REST = 0.01
"""The share of the sum of singular values that the effective rank leaves out (delta of Kumar et al. 2021)."""
STATES = 256
"""Of how many states it is measured at most, at equal distances among those there are."""
TIMES = 7
"""How often a training is measured at most, at records. Of 40,000 steps that takes 1.9 % of the CPU time (32 tickets of
64-64, A2C), 1.2 % (8 boards of the usual size, PPO), 0.2 % (DQN, both) or less (SAC); less of longer trainings."""


class States(NamedTuple):
    """seen (T, B, ...), as networks receive them; actions (T, B, A) taken there, where critics see these too."""

    seen: Tensor
    actions: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> "States":
        """Both, changed alike."""
        return States(change(self.seen), None if self.actions is None else change(self.actions))


def of_stack(stack: PlayingStack, states: Callable[[], States]) -> list[dict[str, float]]:
    """What `measured` gives of each ticket for which that is due or whose training has ended, whoever else is here."""
    steps, every = (stack.last - stack.first) * stack.steps_per_unit, stack.training.record_every
    due = [is_due(stack.trained, every, int(most)) for most in steps]
    due = [one or ended for one, ended in zip(due, stack.counter >= stack.last, strict=True)]
    if not any(due):
        return [{} for _ in due]
    found = measured(stack.parameters, states().each(lambda one: one.to(stack.device)))
    return [one if now else {} for one, now in zip(found, due, strict=True)]


def spread(count: int) -> Array:
    """At most STATES places among so many, at equal distances."""
    return np.arange(min(count, STATES)) * count // min(count, STATES)


def is_due(trained: int, record_every: int, most: int) -> bool:
    """Whether the record after so many steps is measured: every n-th of a training of at most so many steps."""
    return trained // record_every % -(-most // (record_every * TIMES)) == 0


@torch.no_grad()
def measured(parameters: Parameters, states: States) -> list[dict[str, float]]:
    """Of each ticket by metric; of each layer and of `all`. The effective rank is that of the last hidden layer: of the
    critic where actor and critic share none, and the mean over both critics of soft actor-critic."""
    model = parameters.model
    flat, mask = parameters.whole(parameters.flat), parameters.whole(parameters.mask)
    some = torch.from_numpy(spread(states.seen.shape[1]))
    hidden = features(model, flat, states.each(lambda one: one[:, some]))
    found = _norms("weight_norm", model, flat)
    if parameters.dense is not None:
        found |= _norms("gradient_norm", model, parameters.whole(parameters.dense) * mask)
    asleep = {layer: dormant(one) for own in hidden for layer, one in own.items()}
    asleep["all"] = torch.cat([*asleep.values()], 1)
    found |= {f"dormant/{layer}": one.double().mean(1).cpu().numpy() for layer, one in asleep.items()}
    last = [[*own.values()][-1] for own in hidden]
    critics = last if len(last) == 1 else last[1:]
    found["rank/features"] = torch.stack([effective_rank(one) for one in critics]).mean(0).cpu().numpy()
    return [{name: float(column[row]) for name, column in found.items()} for row in range(len(flat))]


def features(model: ActorCriticNetwork, flat: Tensor, states: States) -> list[dict[str, Tensor]]:
    """What each hidden layer gives, (T, B, units), of each network of its own: one, or the actor and its critics; of a
    convolution (T, B * places, filters), a filter being a unit."""
    assert isinstance(model, Perceptron | BoardActorCritic | SeparateActorCritic | SoftActorCritic)  # noqa: S101 rules
    layers: Any = model.layers(flat)
    seen, settings = states.seen, model.settings
    if isinstance(model, SeparateActorCritic):
        own, theirs = model.actor.forward(layers.actor, seen), model.critic.forward(layers.critic, seen)
        return [_hidden(own, settings, "actor"), _hidden(theirs, settings, "critic")]
    if isinstance(model, SoftActorCritic):
        assert states.actions is not None  # noqa: S101 see SoftStack
        own, both = model.forward(layers, seen), model.critics(layers, seen, states.actions)
        named = zip(both, ("critic", f"{SECOND}critic"), strict=True)
        return [_hidden(own, settings, "actor"), *(_hidden(one, settings, name) for one, name in named)]
    return [_hidden(model.forward(layers, seen), settings, "trunk")]


def _hidden(activations: Sequence[Tensor], settings: MLP | Board, name: str) -> dict[str, Tensor]:
    """The hidden layers of one network by name, from its activations, whose first is the input and last the output."""
    hidden, found = list(activations[1:-1]), dict[str, Tensor]()
    if isinstance(settings, Board):
        first = hidden.pop(0)
        layer = "convolution.0" if name == "trunk" else f"{name}_convolution.0"
        found[layer] = first.view(len(first), -1, settings.filters)
    return found | {f"{name}.{i}": one for i, one in enumerate(hidden)}


def dormant(activations: Tensor) -> Tensor:
    """(T, units): which units' mean absolute activation (T, B, units) is at most DORMANT of the layer's mean; all of a
    layer that is silent."""
    size = activations.abs().mean(1)
    return size <= DORMANT * size.mean(1, keepdim=True)


def effective_rank(features: Tensor) -> Tensor:
    """(T,) the fewest singular values of features (T, B, units) whose sum is all but RANK_REST of the sum of all.

    From eigenvalues in double precision, which takes half the time of singular values; 0 if all features are zero.
    """
    own = features.double()
    values = torch.linalg.eigvalsh(own.transpose(1, 2) @ own).clamp_min(0).sqrt().flip(1)
    total = values.sum(1, keepdim=True)
    needed = (values.cumsum(1) < (1 - RANK_REST) * total).sum(1) + 1
    return torch.where(total[:, 0] > 0, needed, torch.zeros_like(needed)).double()


def _norms(metric: str, model: ActorCriticNetwork, rows: Tensor) -> dict[str, Array]:
    """(T,) Euclidean norms of packed rows (T, P): of each layer, weights and biases together, and of all of them."""
    shapes = model.shapes()
    parts = model.unpacked(rows).split([shape.numel() for shape in shapes.values()], dim=1)
    squares: dict[str, Tensor] = {}
    for name, part in zip(shapes, parts, strict=True):
        square = part.double().square().sum(1)
        for layer in (name.rpartition(".")[0] or name, "all"):
            squares[layer] = squares[layer] + square if layer in squares else square
    return {f"{metric}/{layer}": square.sqrt().cpu().numpy() for layer, square in squares.items()}
