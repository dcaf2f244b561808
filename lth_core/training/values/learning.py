"""The gradient of the Q-learning loss for a whole stack, by hand: see `reference` for the same by autograd.

Shapes: T tickets, B transitions, A actions. Targets are constants.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from lth_core.models.actor_critic import ActorCriticNetwork, Heads, preferences
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.settings.values import DQN, ReplayTraining
from lth_core.training.reinforcement.parameters import Parameters


class Drawn(NamedTuple):
    """Transitions on the network's device, see replay.Batch; values: the target network's of what follows (T, B, A)."""

    seen: Tensor
    actions: Tensor
    earned: Tensor
    following: Tensor
    factor: Tensor
    values: Tensor


class Learnt(NamedTuple):
    """Values of the taken actions before a step, and their targets, (T, B)."""

    values: Tensor
    targets: Tensor


def drawn(model: ActorCriticNetwork, target: Any, batch: Sequence[Tensor]) -> Drawn:
    """A batch (see replay.Batch), with the values that the target network, by its layers, gives to what follows."""
    seen, actions, earned, following, factor = batch
    values = preferences(model.heads, model.forward(target, following)[-1])
    return Drawn(seen, actions, earned, following, factor, values)


def step(settings: DQN, parameters: Parameters, batch: Drawn, rate: Tensor) -> Learnt:
    """One step of the optimizer at learning rates (T, 1)."""
    model, layers, size = parameters.model, parameters.layers(), batch.actions.shape[1]
    if settings.double and isinstance(model, ConvolutionalActorCritic):
        # On a GPU what is traced is autograd's graph, of which no part can be taken.
        activations = model.traced(layers, batch.seen)
        chosen = preferences(model.heads, model.forward(layers, batch.following)[-1]).argmax(-1, keepdim=True)
    elif settings.double:
        # One product for both, because small ones do not use a processor well.
        activations = model.traced(layers, torch.cat([batch.seen, batch.following], 1))
        chosen = preferences(model.heads, activations[-1][:, size:]).argmax(-1, keepdim=True)
        activations = [one[:, :size] for one in activations]
    else:
        activations = model.traced(layers, batch.seen)
        chosen = batch.values.argmax(-1, keepdim=True)
    targets = batch.earned + batch.factor * batch.values.gather(-1, chosen).squeeze(-1)
    taken = batch.actions.unsqueeze(-1)
    outputs = activations[-1].detach()
    values = preferences(model.heads, outputs).gather(-1, taken).squeeze(-1)
    of_values = of_error(settings, values - targets) / size
    gradient = model.backward(layers, activations, of_outputs(model.heads, outputs, taken, of_values))
    parameters.step(gradient, rate)
    return Learnt(values, targets)


def of_error(settings: ReplayTraining, error: Tensor) -> Tensor:
    """The derivative of the loss of each error."""
    return error * 2 if settings.value_loss == "squared" else error.clamp(-1, 1)


def losses(settings: ReplayTraining, error: Tensor) -> Tensor:
    """The loss of each error."""
    if settings.value_loss == "squared":
        return error.square()
    return smooth_l1_loss(error, torch.zeros_like(error), reduction="none")


def of_outputs(heads: Heads, outputs: Tensor, taken: Tensor, of_values: Tensor) -> Tensor:
    """The gradient (T, B, outputs) from that of the taken actions' values (T, B); taken: (T, B, 1)."""
    found = torch.zeros_like(outputs)
    each = of_values.unsqueeze(-1)
    if heads == "dueling":  # advantage of the action, minus the mean advantage, plus the value
        found[..., :-1] -= each / (outputs.shape[-1] - 1)
        found[..., -1] = of_values
    return found.scatter_add_(-1, taken, each)


def loss(settings: DQN, model: ActorCriticNetwork, flat: Tensor, batch: Drawn) -> Tensor:
    """The mean loss on a batch at parameters (T, Q) in the order of `shapes`; twice differentiable."""
    layers = model.layers(model.packed(flat))
    kind = flat.dtype

    def values(seen: Tensor) -> Tensor:
        outputs = model.forward(layers, seen.to(kind) if seen.is_floating_point() else seen)[-1]
        return preferences(model.heads, outputs)

    by = values(batch.following).detach() if settings.double else batch.values
    following = batch.values.gather(-1, by.argmax(-1, keepdim=True)).squeeze(-1)
    targets = (batch.earned + batch.factor * following).to(kind)
    own = values(batch.seen).gather(-1, batch.actions.unsqueeze(-1)).squeeze(-1)
    return losses(settings, own - targets).mean()


def means(settings: DQN, learnt: Sequence[Learnt]) -> dict[str, np.ndarray[Any, Any]]:
    """Of an update, (T,) each: the mean loss, and the mean value of the taken actions."""
    error = torch.cat([one.values - one.targets for one in learnt], 1)
    values = torch.cat([one.values for one in learnt], 1)
    found = {"loss/value": losses(settings, error).mean(1), "values": values.mean(1)}
    return {name: one.cpu().numpy() for name, one in found.items()}
