"""A2C on a stack: one gradient step from each rollout, or from each of its parts, by a policy that has moved on.

Of a whole rollout, with the activations that acting has computed already.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.settings.reinforcement import A2C
from lth_core.training.actor_critic import ActorCriticStack
from lth_core.training.minibatches import Shuffles
from lth_core.training.policy import Terms
from lth_core.training.rollout import Rollout
from lth_core.training.stack import Arrays, Start


class StackedA2C(ActorCriticStack):
    """Policy loss + value_weight * value loss - entropy_weight * entropy, over all transitions of a rollout."""

    def __init__(self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str) -> None:
        super().__init__(experiment, model, starts, device)
        assert isinstance(experiment.training, A2C)  # noqa: S101 see build
        self._a2c = experiment.training
        self._shuffles = Shuffles([start.seed for start in starts])
        self._parts: list[tuple[Terms, Tensor, Tensor]] = []

    def _collect(self, layers: Any) -> Rollout:
        """See ActorCriticStack."""
        whole = self._a2c.minibatches == 1
        return self.collector.collect(self._policy(), lambda seen: self.model.forward(layers, seen), whole)

    def _learn(self, layers: Any, rollout: Rollout, rate: Tensor) -> None:
        """See ActorCriticStack."""
        self._parts, self._losses = [], {}
        limit = self._a2c.advantage_clip
        if limit is not None:
            rollout = replace(rollout, advantages=rollout.advantages.clamp(-limit, limit))
        if self._a2c.minibatches == 1:
            self._step(self._gradient(layers, rollout), rate)
            return
        then = self._policy().terms(rollout.activations[-1][..., :-1], rollout.actions).log_p
        whole = (rollout.activations[0], rollout.actions, rollout.values, rollout.targets, rollout.advantages, then)
        for seen, *part, log_p in self._shuffles.parts(whole, self._a2c.minibatches):
            layers = self.model.layers(self._flat)
            self._step(self._gradient(layers, Rollout(self.model.traced(layers, seen), *part), log_p), rate)

    def _gradient(self, layers: Any, part: Rollout, log_p: Tensor | None = None) -> Tensor:
        """Gradients (T, P); log_p (T, b): of the actions when they were taken, where the policy has moved on.

        Then an action counts min(p now / p then, importance_clip) times its advantage, held constant (paper, 3.3).
        """
        heads, advantages = part.activations[-1], part.advantages
        terms = self._policy().terms(heads[..., :-1], part.actions)
        limit = self._a2c.importance_clip
        if log_p is not None and limit is not None:
            advantages = advantages * (terms.log_p - log_p).exp().clamp(max=limit)
        off = heads[..., -1] - part.targets
        self._parts.append((terms, advantages, off))
        return self._backward(layers, part.activations, terms, advantages, (2 * self.training.value_weight) * off)

    def keep(self, tickets: Sequence[int]) -> None:
        """See ActorCriticStack."""
        self.losses()
        self._parts = []
        super().keep(tickets)
        self._shuffles.keep(tickets)

    def losses(self) -> dict[str, npt.NDArray[Any]]:
        """See ActorCriticStack; computed only when asked for, means over all parts."""
        if self._parts and not self._losses:
            found = {
                "loss/policy": [-(terms.log_p * advantages) for terms, advantages, _ in self._parts],
                "loss/value": [off.square() for _, _, off in self._parts],
                "entropy": [terms.entropy for terms, _, _ in self._parts],
            }
            self._losses = {name: torch.cat(parts, dim=1).mean(1).cpu().numpy() for name, parts in found.items()}
        return self._losses

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See ActorCriticStack."""
        arrays, values = super().state()
        return arrays, {**values, "minibatches": self._shuffles.state()} if self._a2c.minibatches > 1 else values

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """See ActorCriticStack."""
        super().restore(arrays, values)
        if self._a2c.minibatches > 1:
            self._shuffles.restore(values["minibatches"])
