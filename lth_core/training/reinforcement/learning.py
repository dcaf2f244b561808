"""Learning from a rollout: the gradient of an algorithm's loss, and a step along it for each minibatch.

Autograd differentiates the loss with respect to log-probabilities, entropies and values. From there on the policy and
the network have backward passes of their own.
"""

import functools
from typing import Any

import torch
from torch import Tensor

from lth_core.training.reinforcement.algorithm import Algorithm, Heads, Transitions
from lth_core.training.reinforcement.minibatches import parts
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.policy import Terms, policy
from lth_core.training.reinforcement.rollout import Rollout

Losses = dict[str, Tensor]
"""An algorithm's losses on one minibatch, each (T, b): see Algorithm."""


def learn(
    algorithm: Algorithm[Any], parameters: Parameters, rollout: Rollout, rate: Tensor, orders: Tensor | None = None
) -> list[Losses]:
    """Update the parameters at learning rates (T, 1); returns the losses of each minibatch before its step.

    orders: (epochs, T, B), of the transitions in each epoch; None: one step on the whole rollout in its own order.
    """
    activations = rollout.activations
    if orders is None and len(activations) == 2:  # other layers' activations were not kept
        activations = parameters.model.traced(parameters.layers(), activations[0])
    then = _terms(parameters, activations[-1], rollout)
    whole = Transitions(activations[0], rollout.actions, then.log_p, *rollout[2:])
    if orders is None:
        return [_step(algorithm, parameters, activations, then, whole, rate)]
    learnt = []
    for order in orders:
        for seen, actions, log_p, values, targets, advantages, *valid in parts(
            [*whole[:-1], *whole.valid], order, algorithm.minibatches
        ):  # fmt: skip
            taken = Transitions(seen, actions, log_p, values, targets, advantages, tuple(valid))
            activations = parameters.model.traced(parameters.layers(), taken.observations)
            terms = _terms(parameters, activations[-1], taken)
            learnt.append(_step(algorithm, parameters, activations, terms, taken, rate))
    return learnt


def _terms(parameters: Parameters, heads: Tensor, taken: Rollout | Transitions) -> Terms:
    return parameters.policy().terms(heads[..., :-1], taken.actions, *taken.valid)


def _step(
    algorithm: Algorithm[Any],
    parameters: Parameters,
    activations: list[Tensor],
    terms: Terms,
    taken: Transitions,
    rate: Tensor,
) -> Losses:
    gradient, losses = gradients(algorithm, parameters, activations, terms, taken)
    parameters.step(gradient, rate)
    return losses


def gradients(
    algorithm: Algorithm[Any], parameters: Parameters, activations: list[Tensor], terms: Terms, taken: Transitions
) -> tuple[Tensor, Losses]:
    """Gradients (T, P) of the loss on b transitions, and its parts; activations: see ActorCriticNetwork.traced."""
    heads, model = activations[-1], parameters.model
    with torch.enable_grad():
        said = Heads(*(one.detach().requires_grad_() for one in (terms.log_p, terms.entropy, heads[..., -1])))
        losses = algorithm.losses(said, taken)
    counted = [losses[name] for name in algorithm.weights]
    weights = [torch.full((), one, device=heads.device).expand_as(heads[..., -1]) for one in algorithm.weights.values()]
    of_log_p, of_entropy, of_values = torch.autograd.grad(counted, said, weights, allow_unused=True)
    of_heads = torch.empty_like(heads)
    of_heads[..., :-1], of_log_std = terms.gradient(of_log_p, of_entropy)
    of_heads[..., -1] = of_values
    # Divided at the end, so that a mean over transitions is rounded once.
    transitions = heads.shape[1] if algorithm.settings.loss_reduction == "mean" else 1
    if transitions > 1:
        of_heads /= transitions
    gradient = model.backward(parameters.layers(), activations, of_heads)
    room = model.log_std(gradient)
    if room is not None and of_log_std is not None:
        room.copy_(of_log_std / transitions)
    return gradient, {name: found.detach() for name, found in losses.items()}


def loss(algorithm: Algorithm[Any], parameters: Parameters, flat: Tensor, rollout: Rollout) -> Tensor:
    """The minimised loss on a rollout, at parameters (T, Q) in the order of `shapes`; twice differentiable.

    parameters: those that acted in the rollout.
    """
    model, seen = parameters.model, rollout.activations[0]
    then = _terms(parameters, rollout.activations[-1], rollout).log_p
    packed = model.packed(flat)
    heads = model.forward(model.layers(packed), seen.to(flat.dtype) if seen.is_floating_point() else seen)[-1]
    own = policy(model.log_std(packed), model.parts, model.actions)
    terms = own.terms(heads[..., :-1], rollout.actions, *rollout.valid)
    said = Heads(terms.log_p, terms.entropy, heads[..., -1])
    losses = algorithm.losses(said, Transitions(seen, rollout.actions, then, *rollout[2:]))
    each = functools.reduce(torch.add, [weight * losses[name] for name, weight in algorithm.weights.items()])
    return each.mean() if algorithm.settings.loss_reduction == "mean" else each.sum()
