"""A2C and PPO a second time, as plainly as possible, for the audit: one ticket, double precision, autograd.

Shares no code with what it checks: networks from their parameters by name, returns by a loop over single steps, losses
from their definitions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lth_core.settings.action_parts import Parts
from lth_core.settings.networks import Board, Convolutional
from lth_core.settings.reinforcement import A2C, PPO, ActorCriticTraining
from lth_core.training.second_looks import masked_and_clipped
from lth_core.training.stack import Array

Parameters = Mapping[str, Tensor]


def features(settings: object, weights: Parameters, seen: Tensor, side: str = "") -> Tensor:
    """The last hidden layer (B, H) of a network of `settings`, of inputs (B, ...), in the precision of the weights.

    side: "actor" or "critic", if they have trunks of their own.
    """
    convolution, trunk = (f"{side}_convolution", side) if side else ("convolution", "trunk")
    x = seen.to(weights["policy_head.weight"].dtype)
    if isinstance(settings, Convolutional):
        x = x / 255
    if isinstance(settings, (Convolutional, Board)):
        for i, one in enumerate(settings.layers[0]):
            kernel, bias = weights[f"{convolution}.{i}.weight"], weights[f"{convolution}.{i}.bias"]
            x = functional.conv2d(x, kernel, bias, one.stride, one.padding).relu()
            x = functional.max_pool2d(x, 2) if one.pooled else x
    x = x.flatten(1)
    for i in range(sum(name.startswith(f"{trunk}.") for name in weights) // 2):
        x = x @ weights[f"{trunk}.{i}.weight"].t() + weights[f"{trunk}.{i}.bias"]
        x = x.tanh() if getattr(settings, "activation", "relu") == "tanh" else x.relu()
    return x


@dataclass(frozen=True)
class Network:
    """A network's settings and the parts of its actions: None, "bits", or the sizes of several choices."""

    settings: object
    parts: Parts

    def heads(self, weights: Parameters, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Logits or means (B, A) and values (B,) of inputs (B, ...), in the precision of the weights."""
        apart = getattr(self.settings, "trunk", "shared") == "separate"
        x = features(self.settings, weights, seen, "actor" if apart else "")
        behind = features(self.settings, weights, seen, "critic") if apart else x
        values = behind @ weights["value_head.weight"].t() + weights["value_head.bias"]
        return x @ weights["policy_head.weight"].t() + weights["policy_head.bias"], values[:, 0]

    def terms(
        self, weights: Parameters, outputs: Tensor, actions: Tensor, valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B,) of actions (B,) or (B, parts) and entropies (B,)."""
        if "log_std" in weights:
            deviation = weights["log_std"].exp()
            normal = torch.distributions.Normal(outputs, deviation.expand_as(outputs), validate_args=False)
            return normal.log_prob(actions).sum(-1), normal.entropy().sum(-1)
        if self.parts == "bits":
            pairs = torch.stack([torch.zeros_like(outputs), outputs], -1)
            own = list(pairs.unbind(1))
            may = [None] * len(own) if valid is None else list(valid.unflatten(-1, (-1, 2)).unbind(1))
        else:
            sizes = [outputs.shape[-1]] if self.parts is None else list(self.parts)
            own = list(outputs.split(sizes, -1))
            may = [None] * len(own) if valid is None else list(valid.split(sizes, -1))
        chosen = [actions] if self.parts is None else list(actions.unbind(-1))
        log_p, entropy = torch.zeros_like(outputs[:, 0]), torch.zeros_like(outputs[:, 0])
        for logits, allowed, action in zip(own, may, chosen, strict=True):
            masked = logits if allowed is None else torch.where(allowed, logits, -1e30)
            shares = masked - masked.logsumexp(-1, keepdim=True)
            log_p = log_p + shares.gather(-1, action[:, None])[:, 0]
            entropy = entropy - (shares.exp() * shares).sum(-1)
        return log_p, entropy


@dataclass(frozen=True)
class Played:
    """n steps of one ticket in E environments, as the environments returned them.

    inputs (n, E, ...) of the network, after (E, ...) the next ones; cut: those after the steps (i, e) at which a time
    limit ended an episode; actions (n, E) or (n, E, A); rewards, terminated, truncated (n, E); valid (n, E, choices).
    """

    inputs: Array
    after: Array
    cut: Mapping[tuple[int, int], Array]
    actions: Array
    rewards: Array
    terminated: Array
    truncated: Array
    valid: Array | None

    def flat(self, what: Array) -> Tensor:
        """(n, E, ...) as (n * E, ...)."""
        return torch.from_numpy(np.ascontiguousarray(what).reshape(-1, *what.shape[2:]))


def returns(
    settings: ActorCriticTraining, network: Network, weights: Parameters, played: Played
) -> tuple[Tensor, Tensor]:
    """Targets of values and advantages (n * E,), step by step: nothing follows a termination, and after a time limit
    the value of the last state does."""
    steps, environments = played.rewards.shape
    values = network.heads(weights, played.flat(played.inputs))[1].view(steps, environments).tolist()
    after = network.heads(weights, torch.from_numpy(played.after))[1].tolist()
    places = list(played.cut)
    seen = torch.from_numpy(np.stack([played.cut[place] for place in places])) if places else None
    cut = dict(zip(places, network.heads(weights, seen)[1].tolist(), strict=True)) if seen is not None else {}
    rewards, terminated, truncated = played.rewards.tolist(), played.terminated.tolist(), played.truncated.tolist()
    found = np.zeros((steps, environments))
    for e in range(environments):
        advantage = 0.0
        for i in reversed(range(steps)):
            if terminated[i][e]:
                following, later = 0.0, 0.0
            elif truncated[i][e]:
                following, later = cut[i, e], 0.0
            else:
                following, later = (values[i + 1][e] if i + 1 < steps else after[e]), advantage
            error = rewards[i][e] * settings.reward_scale + settings.gamma * following - values[i][e]
            advantage = error + settings.gamma * settings.gae_lambda * later
            found[i, e] = advantage
    advantages = torch.from_numpy(found).flatten()
    return advantages + torch.tensor(values, dtype=torch.float64).flatten(), advantages


@dataclass(frozen=True)
class Batch:
    """b transitions: inputs (b, ...), actions, and (b,) each, those of the network that acted among them."""

    inputs: Tensor
    actions: Tensor
    valid: Tensor | None
    log_p: Tensor
    values: Tensor
    targets: Tensor
    advantages: Tensor


def batch(network: Network, weights: Parameters, played: Played, found: tuple[Tensor, Tensor], own: Tensor) -> Batch:
    """The transitions at these places of the rollout. weights: those that acted; found: see `returns`."""
    inputs, actions = played.flat(played.inputs)[own], played.flat(played.actions)[own]
    valid = None if played.valid is None else played.flat(played.valid)[own]
    outputs, values = network.heads(weights, inputs)
    log_p, _ = network.terms(weights, outputs, actions, valid)
    return Batch(inputs, actions, valid, log_p, values, found[0][own], found[1][own])


def loss(settings: ActorCriticTraining, network: Network, weights: Parameters, taken: Batch) -> Tensor | None:
    """What is minimised; None for an algorithm that has no second implementation here."""
    outputs, values = network.heads(weights, taken.inputs)
    log_p, entropy = network.terms(weights, outputs, taken.actions, taken.valid)
    if isinstance(settings, PPO):
        of_policy, of_values = _ppo(settings, log_p, values, taken)
    elif isinstance(settings, A2C):
        of_policy, of_values = _a2c(settings, log_p, values, taken)
    else:
        return None
    each = of_policy + settings.value_weight * of_values - settings.entropy_weight * entropy
    return each.mean() if settings.loss_reduction == "mean" else each.sum()


def _a2c(settings: A2C, log_p: Tensor, values: Tensor, taken: Batch) -> tuple[Tensor, Tensor]:
    gain = taken.advantages
    if settings.advantage_clip is not None:
        gain = gain.clip(-settings.advantage_clip, settings.advantage_clip)
    if settings.importance_clip is not None:
        gain = gain * torch.exp(log_p.detach() - taken.log_p).clip(max=settings.importance_clip)
    return -gain * log_p, _error(settings, taken.targets - values)


def _ppo(settings: PPO, log_p: Tensor, values: Tensor, taken: Batch) -> tuple[Tensor, Tensor]:
    gain = taken.advantages
    if settings.normalise_advantages:
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
    ratio = torch.exp(log_p - taken.log_p)
    of_policy = -torch.minimum(ratio * gain, ratio.clip(1 - settings.clip, 1 + settings.clip) * gain)
    error = _error(settings, taken.targets - values)
    if settings.value_clip is not None:
        near = taken.values + (values - taken.values).clip(-settings.value_clip, settings.value_clip)
        error = torch.maximum(error, _error(settings, taken.targets - near))
    return of_policy, error


def _error(settings: ActorCriticTraining, off: Tensor) -> Tensor:
    if settings.value_loss == "huber":
        return torch.where(off.abs() < 1, off**2 / 2, off.abs() - 0.5)
    return off**2


def gradient(
    settings: ActorCriticTraining, network: Network, weights: Parameters, alive: Parameters, taken: Batch
) -> Tensor | None:
    """The gradient as one vector, masked and clipped, as an optimizer must receive it; None: see `loss`."""
    leaves = {name: one.detach().double().requires_grad_() for name, one in weights.items()}
    with torch.enable_grad():
        minimised = loss(settings, network, leaves, taken)
        if minimised is None:
            return None
        return masked_and_clipped(minimised, leaves, alive, settings.max_gradient_norm)
