"""PPO on a stack: several passes over each rollout in minibatches, with clipped probability ratios.

Every ticket shuffles its own transitions with its own stream; minibatches of all tickets go through the network
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.experiment import Experiment
from lth_core.models.mlp import ActorCritic, Layer
from lth_core.randomness import stream
from lth_core.settings.reinforcement import PPO
from lth_core.training.actor_critic import ActorCriticStack
from lth_core.training.rollout import Rollout
from lth_core.training.stack import Arrays, Start


@dataclass(frozen=True)
class Minibatch:
    """b transitions of each ticket: observations (T, b, D), actions (T, b) or (T, b, A), the rest (T, b).

    log_p and values are the rollout's, before any of its updates.
    """

    observations: Tensor
    actions: Tensor
    log_p: Tensor
    values: Tensor
    targets: Tensor
    advantages: Tensor


class StackedPPO(ActorCriticStack):
    """The clipped surrogate + value_weight * value loss - entropy_weight * entropy, minibatch by minibatch."""

    def __init__(self, experiment: Experiment, model: ActorCritic, starts: Sequence[Start], device: str) -> None:
        super().__init__(experiment, model, starts, device)
        assert isinstance(experiment.training, PPO)  # noqa: S101 see build
        self._ppo = experiment.training
        self._shuffles = [stream(start.seed, "minibatches") for start in starts]
        self._parts: list[tuple[Tensor, ...]] = []

    def _collect(self, layers: Sequence[Layer]) -> Rollout:
        """See ActorCriticStack."""
        return self.collector.collect(self._policy(), lambda seen: self.model.forward(layers, seen), False)

    def _learn(self, layers: Sequence[Layer], rollout: Rollout, rate: Tensor) -> None:
        """See ActorCriticStack."""
        heads, self._parts, self._losses = rollout.activations[-1], [], {}
        log_p = self._policy().terms(heads[..., :-1], rollout.actions).log_p
        whole = (rollout.activations[0], rollout.actions, log_p, rollout.values, rollout.targets, rollout.advantages)
        size = rollout.values.shape[1]
        first = torch.arange(self.tickets, device=self.device).unsqueeze(1) * size
        for _ in range(self._ppo.epochs):
            order = np.stack([rng.permutation(size) for rng in self._shuffles])
            for places in torch.from_numpy(order).to(self.device).chunk(self._ppo.minibatches, dim=1):
                rows = (first + places).flatten()
                part = Minibatch(*(one.flatten(0, 1)[rows].unflatten(0, places.shape) for one in whole))
                self._step(self._gradient(self.model.layers(self._flat), part), rate)

    def _gradient(self, layers: Sequence[Layer], part: Minibatch) -> Tensor:
        """Gradients (T, P).

        Where the clipped surrogate is the smaller it is constant, and so is its value; else -advantage * ratio
        has the gradient -advantage * ratio with respect to the log-probability.
        """
        activations = self.model.forward(layers, part.observations)
        heads = activations[-1]
        terms = self._policy().terms(heads[..., :-1], part.actions)
        log_ratio = terms.log_p - part.log_p
        ratio = log_ratio.exp()
        advantages = _standardised(part.advantages) if self._ppo.normalise_advantages else part.advantages
        clipped = ratio.clamp(1 - self._ppo.clip, 1 + self._ppo.clip)
        constant = advantages * clipped < advantages * ratio
        weight = (advantages * ratio).masked_fill(constant, 0.0)
        off = heads[..., -1] - part.targets
        of_values = (2 * self._ppo.value_weight) * off
        limit = self._ppo.value_clip
        if limit is not None:
            held = part.values + (heads[..., -1] - part.values).clamp(-limit, limit) - part.targets
            of_values = of_values.masked_fill(held.square() > off.square(), 0.0)
        self._parts.append((advantages, ratio, clipped, log_ratio, off, terms.entropy))
        return self._backward(layers, activations, terms, weight, of_values)

    def losses(self) -> dict[str, npt.NDArray[Any]]:
        """As in A2C; means over all minibatches, and the share of ratios that were clipped and the divergence."""
        if self._parts and not self._losses:
            advantages, ratio, clipped, log_ratio, off, entropy = (
                torch.cat(parts, dim=1) for parts in zip(*self._parts, strict=True)
            )
            found = {
                "loss/policy": -torch.minimum(advantages * ratio, advantages * clipped),
                "loss/value": off.square(),
                "entropy": entropy,
                "clipped": (ratio != clipped).float(),
                "divergence": ratio - 1 - log_ratio,
            }
            self._losses = {name: values.mean(1).cpu().numpy() for name, values in found.items()}
        return self._losses

    def keep(self, tickets: Sequence[int]) -> None:
        """See ActorCriticStack."""
        self.losses()
        self._parts = []
        super().keep(tickets)
        self._shuffles = [self._shuffles[t] for t in tickets]

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See ActorCriticStack."""
        arrays, values = super().state()
        return arrays, {**values, "minibatches": [rng.bit_generator.state for rng in self._shuffles]}

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """See ActorCriticStack."""
        super().restore(arrays, values)
        for rng, state in zip(self._shuffles, values["minibatches"], strict=True):
            rng.bit_generator.state = state


def _standardised(advantages: Tensor) -> Tensor:
    """Each ticket's row with mean 0 and standard deviation 1."""
    off = advantages - advantages.mean(1, keepdim=True)
    deviation = (off.square().sum(1, keepdim=True) / (off.shape[1] - 1)).sqrt()
    return off / (deviation + 1e-8)
