"""Soft actor-critic a second time, as plainly as possible, for the audit: one ticket, double precision, autograd.

Shares no code with what it checks: networks from their parameters by name, the policy as torch's distributions.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from lth_core.settings.soft import SAC
from lth_core.training.second_looks import masked_and_clipped
from lth_core.training.values.reference import Passed

Parameters = Mapping[str, Tensor]


def _network(network: object, weights: Parameters, trunk: str, head: str, x: Tensor) -> Tensor:
    """The output of a perceptron with layers TRUNK.0, TRUNK.1, ..., and HEAD."""
    for i in range(sum(name.startswith(f"{trunk}.") for name in weights) // 2):
        x = x @ weights[f"{trunk}.{i}.weight"].t() + weights[f"{trunk}.{i}.bias"]
        x = x.tanh() if getattr(network, "activation", "relu") == "tanh" else x.relu()
    return x @ weights[f"{head}.weight"].t() + weights[f"{head}.bias"]


def _acted(network: object, weights: Parameters, seen: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions (B, A) and their log-probabilities (B,)."""
    means, logs = _network(network, weights, "actor", "policy_head", seen).chunk(2, -1)
    gaussian = Normal(means, logs.clamp(-20, 2).exp(), validate_args=False)
    before = means + gaussian.stddev * noise
    within = math.log(4) - 2 * before - 2 * torch.nn.functional.softplus(-2 * before)
    return before.tanh(), (gaussian.log_prob(before) - within).sum(-1)


def _smaller(network: object, weights: Parameters, seen: Tensor, actions: Tensor) -> Tensor:
    return torch.stack(_both(network, weights, seen, actions)).min(0).values


def _both(network: object, weights: Parameters, seen: Tensor, actions: Tensor) -> list[Tensor]:
    x = torch.cat([seen, actions], -1)
    return [_network(network, weights, f"{a}critic", f"{a}value_head", x)[:, 0] for a in ("", "second_")]


def _seen(each: Sequence[object]) -> Tensor:
    return torch.from_numpy(np.stack(each)).double()  # type: ignore[arg-type]


def targets(
    settings: SAC, network: object, weights: Parameters, target: Parameters, passed: Sequence[Passed], noise: Tensor,
    temperature: float,
) -> Tensor:  # fmt: skip
    """Targets (B,); noise: (B, A), for actions in what follows."""
    behind = _seen([one.following for one in passed])
    actions, log_p = _acted(network, weights, behind, noise)
    soft = _smaller(network, target, behind, actions) - temperature * log_p
    earned = [settings.reward_scale * one.rewards[0] for one in passed]
    factor = [0.0 if one.terminated else settings.gamma for one in passed]
    return torch.tensor(earned, dtype=torch.float64) + torch.tensor(factor, dtype=torch.float64) * soft


def gradient(
    settings: SAC, network: object, weights: Parameters, alive: Parameters, passed: Sequence[Passed], wanted: Tensor,
    noise: Tensor, temperature: float,
) -> Tensor:  # fmt: skip
    """The gradient as one vector, masked and clipped, as an optimizer must receive it; wanted: targets (B,); noise:
    (B, A), for actions in what is seen."""
    leaves = {name: one.detach().double().requires_grad_() for name, one in weights.items()}
    held = {name: one.detach() for name, one in leaves.items()}
    seen, taken = _seen([one.seen for one in passed]), _seen([one.action for one in passed])
    with torch.enable_grad():
        loss = torch.zeros((), dtype=torch.float64)
        for values in _both(network, leaves, seen, taken):
            off = values - wanted
            huber = torch.where(off.abs() < 1, off**2 / 2, off.abs() - 0.5)
            loss = loss + (huber if settings.value_loss == "huber" else off**2).mean()
        actions, log_p = _acted(network, leaves, seen, noise)
        loss = loss + (temperature * log_p - _smaller(network, held, seen, actions)).mean()
        return masked_and_clipped(loss, leaves, alive, settings.max_gradient_norm)


def entropy(network: object, weights: Parameters, passed: Sequence[Passed], noise: Tensor) -> float:
    """The mean of minus the log-probabilities of actions in what is seen; noise: (B, A)."""
    return -float(_acted(network, weights, _seen([one.seen for one in passed]), noise)[1].mean())
