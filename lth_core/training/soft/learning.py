"""A gradient step of soft actor-critic for a whole stack, by hand: see `reference` for the same by autograd.

Shapes: T tickets, B transitions, A numbers of an action. Targets are constants.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lth_core.models.soft import Layers, SoftActorCritic
from lth_core.settings.soft import SAC
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.soft import squashed
from lth_core.training.values.learning import losses, of_error


class Batch(NamedTuple):
    """Transitions on the network's device, see replay.Batch, and what a step needs beside them.

    noise: standard normal numbers (T, 2 B, A) for actions in what is seen and in what follows. temperature: (T, 1).
    """

    seen: Tensor
    actions: Tensor
    earned: Tensor
    following: Tensor
    factor: Tensor
    noise: Tensor
    temperature: Tensor


class Learnt(NamedTuple):
    """Before a step, (T, B) each: both critics' values of the taken actions, their targets; the log-probabilities of
    actions drawn anew, and the smaller of their values; temperature (T, 1)."""

    values: Tensor
    others: Tensor
    targets: Tensor
    log_p: Tensor
    least: Tensor
    temperature: Tensor


def step(settings: SAC, parameters: Parameters, target: Layers, batch: Batch, rate: Tensor) -> Learnt:
    """One step of the optimizer for actor and critics at learning rates (T, 1); target: whose critics give targets."""
    model, layers, size = parameters.model, parameters.layers(), batch.actions.shape[1]
    assert isinstance(model, SoftActorCritic)  # noqa: S101 see families
    # One product for both, because small ones do not use a processor well.
    activations = model.forward(layers, torch.cat([batch.seen, batch.following], 1))
    drawn = squashed.drawn(activations[-1], batch.noise)
    targets = targets_of(model, target, batch, drawn)
    own = squashed.Drawn(*(one[:, :size] for one in drawn))
    critics = model.critics(layers, batch.seen.repeat(1, 2, 1), torch.cat([batch.actions, own.actions], 1))
    first, second = (one[-1].squeeze(-1) for one in critics)

    found = batch.seen.new_empty(parameters.flat.shape)
    for_actor, *for_critics = model.apart(found)
    smaller = (first[:, size:] <= second[:, size:]).to(found.dtype)
    of_actions = torch.zeros_like(batch.actions)
    chosen = zip(for_critics, layers.critics, critics, (smaller, 1 - smaller), strict=True)
    for room, theirs, through, share in chosen:
        error = through[-1][:, :size, 0] - targets
        taken = [one[:, :size] for one in through]
        model.critic.backward_into(room, theirs, taken, (of_error(settings, error) / size).unsqueeze(-1))
        anew = [one[:, size:] for one in through]
        of_actions -= model.critic.of_input(theirs, anew, (share / size).unsqueeze(-1))[..., model.inputs :]
    of_outputs = squashed.gradient(own, of_actions, batch.temperature.unsqueeze(-1) / size)
    model.actor.backward_into(for_actor, layers.actor, [one[:, :size] for one in activations], of_outputs)

    least = torch.minimum(first[:, size:], second[:, size:])
    learnt = Learnt(first[:, :size], second[:, :size], targets, own.log_p, least, batch.temperature)
    parameters.step(found, rate)
    return learnt


def targets_of(model: SoftActorCritic, target: Layers, batch: Batch, drawn: squashed.Drawn) -> Tensor:
    """Targets (T, B); drawn: actions in what is seen and, behind them, in what follows."""
    size = batch.actions.shape[1]
    one, two = (own[-1].squeeze(-1) for own in model.critics(target, batch.following, drawn.actions[:, size:]))
    soft = torch.minimum(one, two) - batch.temperature * drawn.log_p[:, size:]
    return batch.earned + batch.factor * soft


def loss(settings: SAC, model: SoftActorCritic, target: Layers, flat: Tensor, batch: Batch) -> Tensor:
    """The mean loss on a batch at parameters (T, Q) in the order of `shapes`: of actor and critics, each a constant for
    the other; twice differentiable. target: see step, in the precision of the parameters."""
    kind, size = flat.dtype, batch.actions.shape[1]
    given = Batch(*(one.to(kind) for one in batch))
    packed = model.packed(flat)
    layers, held = model.layers(packed), model.layers(packed.detach())
    outputs = model.forward(layers, torch.cat([given.seen, given.following], 1))[-1]
    drawn = squashed.drawn(outputs, given.noise)
    targets = targets_of(model, target, given, drawn).detach()
    values = [own[-1].squeeze(-1) for own in model.critics(layers, given.seen, given.actions)]
    of_critics = torch.stack([losses(settings, own - targets).mean() for own in values]).sum()
    anew = [own[-1].squeeze(-1) for own in model.critics(held, given.seen, drawn.actions[:, :size])]
    of_actor = (given.temperature * drawn.log_p[:, :size] - torch.minimum(*anew)).mean()
    return of_critics + of_actor


def means(settings: SAC, learnt: Sequence[Learnt]) -> dict[str, np.ndarray[Any, Any]]:
    """Of an update, (T,) each: the mean losses, value of the taken actions, and entropy."""
    values, others, targets, log_p, least = (
        torch.cat(part, 1).double() for part in list(zip(*learnt, strict=True))[:5]
    )  # fmt: skip
    temperature = torch.cat([one.temperature.expand_as(one.log_p) for one in learnt], 1)
    found = {
        "loss/policy": temperature * log_p - least,
        "loss/value": losses(settings, values - targets) + losses(settings, others - targets),
        "values": values,
        "entropy": -log_p,
    }
    return {name: one.mean(1).cpu().numpy() for name, one in found.items()}
