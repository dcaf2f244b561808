"""A2C on a stack: one gradient step from each rollout, or from each of its parts, by a policy that has moved on.

Of a whole rollout, with the activations that acting has computed already.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.settings.reinforcement import A2C
from lth_core.training.reinforcement.minibatches import parts
from lth_core.training.reinforcement.rollout import Rollout
from lth_core.training.reinforcement.stack import ActorCriticStack, Part
from lth_core.training.stack import Start


class StackedA2C(ActorCriticStack):
    """Policy loss + value_weight * value loss - entropy_weight * entropy, over all transitions of a rollout."""

    def __init__(self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str) -> None:
        assert isinstance(experiment.training, A2C)  # noqa: S101 see build
        self._a2c = experiment.training
        super().__init__(experiment, model, starts, device)

    @property
    def epochs(self) -> int:
        """See ActorCriticStack."""
        return 0 if self._a2c.minibatches == 1 else 1

    def _learn(self, rollout: Rollout, rate: Tensor, orders: Tensor | None = None) -> list[Part]:
        """See ActorCriticStack."""
        limit = self._a2c.advantage_clip
        if limit is not None:
            rollout = rollout._replace(advantages=rollout.advantages.clamp(-limit, limit))
        if orders is None:
            if len(rollout.activations) == 2:  # those of other layers were not kept
                rollout = Rollout(self.model.traced(self.parameters.layers(), rollout.activations[0]), *rollout[1:])
            gradient, part = self._gradient(rollout)
            self.parameters.step(gradient, rate)
            return [part]
        then = self.parameters.policy().terms(rollout.activations[-1][..., :-1], rollout.actions, *rollout.valid).log_p
        whole = (then, rollout.activations[0], *rollout[1:5], *rollout.valid)
        learnt = []
        for log_p, seen, actions, values, targets, advantages, *valid in parts(
            whole, orders[0], self._a2c.minibatches
        ):  # fmt: skip
            activations = self.model.traced(self.parameters.layers(), seen)
            traced = Rollout(activations, actions, values, targets, advantages, tuple(valid))
            gradient, part = self._gradient(traced, log_p)
            self.parameters.step(gradient, rate)
            learnt.append(part)
        return learnt

    def _gradient(self, part: Rollout, log_p: Tensor | None = None) -> tuple[Tensor, Part]:
        """Gradients (T, P); log_p (T, b): of the actions when they were taken, where the policy has moved on.

        Then an action counts min(p now / p then, importance_clip) times its advantage, held constant (paper, 3.3).
        """
        heads, advantages = part.activations[-1], part.advantages
        terms = self.parameters.policy().terms(heads[..., :-1], part.actions, *part.valid)
        limit = self._a2c.importance_clip
        if log_p is not None and limit is not None:
            advantages = advantages * (terms.log_p - log_p).exp().clamp(max=limit)
        off = heads[..., -1] - part.targets
        of_values = (2 * self.training.value_weight) * off
        gradient = self._backward(self.parameters.layers(), part.activations, terms, advantages, of_values)
        return gradient, (terms.log_p, terms.entropy, advantages, off)

    def _losses_of(self, learnt: Sequence[Part]) -> dict[str, Tensor]:
        """See ActorCriticStack."""
        log_p, entropy, advantages, off = (torch.cat(each, dim=1) for each in zip(*learnt, strict=True))
        return {"loss/policy": -(log_p * advantages), "loss/value": off.square(), "entropy": entropy}
