"""Q-learning a second time, as plainly as possible, for the audit: one ticket, double precision, autograd.

Shares no code with what it checks: networks from their parameters by name, targets one transition after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth_core.settings.values import DQN
from lth_core.training.reinforcement.reference import features
from lth_core.training.second_looks import masked_and_clipped
from lth_core.training.stack import Array

Parameters = Mapping[str, Tensor]
DOUBT = 1e-5
"""Values of two actions that differ by less than this share are equal up to rounding: either action may be chosen."""


@dataclass(frozen=True)
class Passed:
    """A transition and those behind it in its episode, as many as a target adds up: the first observation and action,
    the rewards, the last observation, and whether the episode terminated there."""

    seen: Array
    action: Any
    rewards: Sequence[float]
    following: Array
    terminated: bool


def values(network: object, weights: Parameters, seen: Tensor) -> Tensor:
    """Values of actions (B, A) by a network of these settings; with a value head, that of the state plus advantages
    less their mean."""
    x = features(network, weights, seen)
    found = x @ weights["policy_head.weight"].t() + weights["policy_head.bias"]
    if "value_head.weight" not in weights:
        return found
    state = x @ weights["value_head.weight"].t() + weights["value_head.bias"]
    return state + found - found.mean(1, keepdim=True)


def targets(
    settings: DQN, network: object, weights: Parameters, target: Parameters, passed: Sequence[Passed], used: Tensor
) -> Tensor:
    """Targets (B,). used: the program's, which decide where two actions are equally good."""
    behind = torch.stack([torch.from_numpy(one.following) for one in passed])
    theirs = values(network, target, behind)
    ranked = values(network, weights, behind) if settings.double else theirs
    found = []
    for one, own, rank, said in zip(passed, theirs.tolist(), ranked.tolist(), used.tolist(), strict=True):
        earned = sum(settings.gamma**k * settings.reward_scale * reward for k, reward in enumerate(one.rewards))
        best = max(rank)
        able = [own[a] for a in range(len(own)) if best - rank[a] <= DOUBT * (1 + abs(best))]
        factor = 0.0 if one.terminated else settings.gamma ** len(one.rewards)
        found.append(min((earned + factor * value for value in able), key=lambda candidate: abs(candidate - said)))
    return torch.tensor(found, dtype=torch.float64)


def gradient(
    settings: DQN, network: object, weights: Parameters, alive: Parameters, passed: Sequence[Passed], wanted: Tensor
) -> Tensor:
    """The gradient as one vector, masked and clipped, as an optimizer must receive it; wanted: targets (B,)."""
    leaves = {name: one.detach().double().requires_grad_() for name, one in weights.items()}
    seen = torch.stack([torch.from_numpy(one.seen) for one in passed])
    taken = torch.tensor([int(one.action) for one in passed])
    with torch.enable_grad():
        off = values(network, leaves, seen)[torch.arange(len(taken)), taken] - wanted
        each = off**2
        if settings.value_loss == "huber":
            each = torch.where(off.abs() < 1, each / 2, off.abs() - 0.5)
        return masked_and_clipped(each.mean(), leaves, alive, settings.max_gradient_norm)
