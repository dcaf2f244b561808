"""A2C on a stack: one gradient step from each rollout, with the activations that the rollout has computed already."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from torch import Tensor

from lth_core.models.mlp import Layer
from lth_core.training.actor_critic import ActorCriticStack
from lth_core.training.policy import Terms
from lth_core.training.rollout import Rollout


class StackedA2C(ActorCriticStack):
    """Policy loss + value_weight * value loss - entropy_weight * entropy, over all transitions of a rollout."""

    _last: tuple[Terms, Rollout] | None = None

    def _collect(self, layers: Sequence[Layer]) -> Rollout:
        """See ActorCriticStack."""
        return self.collector.collect(self._policy(), lambda seen: self.model.forward(layers, seen))

    def _learn(self, layers: Sequence[Layer], rollout: Rollout, rate: Tensor) -> None:
        """See ActorCriticStack."""
        self._step(self._gradient(layers, rollout), rate)

    def _gradient(self, layers: Sequence[Layer], rollout: Rollout) -> Tensor:
        """Gradients (T, P)."""
        heads = rollout.activations[-1]
        terms = self._policy().terms(heads[..., :-1], rollout.actions)
        of_values = (2 * self.training.value_weight) * (heads[..., -1] - rollout.targets)
        self._last, self._losses = (terms, rollout), {}
        return self._backward(layers, rollout.activations, terms, rollout.advantages, of_values)

    def keep(self, tickets: Sequence[int]) -> None:
        """See ActorCriticStack."""
        if self._last is not None:
            self.losses()
        super().keep(tickets)

    def losses(self) -> dict[str, npt.NDArray[Any]]:
        """See ActorCriticStack; computed only when asked for."""
        if self._last is not None and not self._losses:
            terms, rollout = self._last
            parts = {
                "loss/policy": -(terms.log_p * rollout.advantages).mean(1),
                "loss/value": (rollout.activations[-1][..., -1] - rollout.targets).square().mean(1),
                "entropy": terms.entropy.mean(1),
            }
            self._losses = {name: part.cpu().numpy() for name, part in parts.items()}
        return self._losses
