"""Learning from a rollout: the gradient of an algorithm's loss, and a step along it for each minibatch.

An algorithm gives the gradient with respect to log-probabilities, entropies and values. From there on policy and
network have backward passes of their own.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lth_core.training.reinforcement.algorithm import Algorithm, Heads, Transitions
from lth_core.training.reinforcement.minibatches import parts
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.policy import Terms, policy
from lth_core.training.reinforcement.rollout import Rollout


class Learnt(NamedTuple):
    """A minibatch and its heads before the step, from which the losses are computed when they are recorded."""

    heads: Heads
    taken: Transitions


def learn(
    algorithm: Algorithm[Any], parameters: Parameters, rollout: Rollout, rate: Tensor, orders: Tensor | None = None
) -> list[Learnt]:
    """Update the parameters at learning rates (T, 1); returns each minibatch.

    orders: (epochs, T, B), of the transitions in each epoch; None: one step on the whole rollout in its own order.
    """
    activations = rollout.activations
    if orders is None and len(activations) == 2:  # other layers' activations were not kept
        activations = parameters.network.traced(parameters.layers(), activations[0])
    then = _terms(parameters, activations[-1], rollout)
    whole = Transitions(rollout.actions, then.log_p, *rollout[2:])
    if orders is None:
        return [_step(algorithm, parameters, activations, then, whole, rate)]
    learnt = []
    for order in orders:
        for seen, actions, log_p, values, targets, advantages, *valid in parts(
            [activations[0], *whole[:-1], *whole.valid], order, algorithm.minibatches
        ):  # fmt: skip
            taken = Transitions(actions, log_p, values, targets, advantages, tuple(valid))
            traced = parameters.network.traced(parameters.layers(), seen)
            terms = _terms(parameters, traced[-1], taken)
            learnt.append(_step(algorithm, parameters, traced, terms, taken, rate))
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
) -> Learnt:
    heads = Heads(terms.log_p, terms.entropy, activations[-1].detach()[..., -1])
    parameters.step(gradient(algorithm, parameters, activations, terms, heads, taken), rate)
    return Learnt(heads, taken)


def gradient(
    algorithm: Algorithm[Any],
    parameters: Parameters,
    activations: list[Tensor],
    terms: Terms,
    said: Heads,
    taken: Transitions,
) -> Tensor:
    """Gradients (T, P) of the loss on b transitions; activations: see ActorCriticNetwork.traced."""
    heads = activations[-1]
    of_said = algorithm.head_gradients(said, taken)
    of_heads = torch.empty_like(heads)
    of_heads[..., :-1], of_log_std = terms.gradient(of_said.log_p, of_said.entropy)
    of_heads[..., -1] = of_said.values
    # Divided at the end, so that a mean over transitions is rounded once.
    transitions = heads.shape[1] if algorithm.settings.loss_reduction == "mean" else 1
    if transitions > 1:
        of_heads /= transitions
    found = parameters.network.backward(parameters.layers(), activations, of_heads)
    if of_log_std is not None:
        parameters.note_log_std(found, of_log_std / transitions)
    return found


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
    each = algorithm.minimised(algorithm.losses(said, Transitions(rollout.actions, then, *rollout[2:])))
    return each.mean() if algorithm.settings.loss_reduction == "mean" else each.sum()
