"""PPO on a stack: several passes over each rollout in minibatches, with clipped probability ratios.

Every ticket shuffles its own transitions with its own stream; minibatches of all tickets go through the network
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.settings.reinforcement import PPO
from lth_core.training.reinforcement.minibatches import parts
from lth_core.training.reinforcement.rollout import Rollout
from lth_core.training.reinforcement.stack import ActorCriticStack, Part
from lth_core.training.stack import Start


@dataclass(frozen=True)
class Minibatch:
    """b transitions of each ticket: observations (T, b, D), actions (T, b) or (T, b, A), the rest (T, b).

    log_p and values are the rollout's, before any of its updates; valid as there.
    """

    observations: Tensor
    actions: Tensor
    log_p: Tensor
    values: Tensor
    targets: Tensor
    advantages: Tensor
    valid: tuple[Tensor, ...] = ()


class StackedPPO(ActorCriticStack):
    """The clipped surrogate + value_weight * value loss - entropy_weight * entropy, minibatch by minibatch."""

    def __init__(self, experiment: Experiment, model: ActorCriticNetwork, starts: Sequence[Start], device: str) -> None:
        assert isinstance(experiment.training, PPO)  # noqa: S101 see build
        self._ppo = experiment.training
        super().__init__(experiment, model, starts, device)

    @property
    def epochs(self) -> int:
        """See ActorCriticStack."""
        return self._ppo.epochs

    def _learn(self, rollout: Rollout, rate: Tensor, orders: Tensor | None = None) -> list[Part]:
        """See ActorCriticStack."""
        assert orders is not None  # noqa: S101 see epochs
        log_p = self.parameters.policy().terms(rollout.activations[-1][..., :-1], rollout.actions, *rollout.valid).log_p
        whole = (rollout.activations[0], rollout.actions, log_p, rollout.values, rollout.targets, rollout.advantages,
                 *rollout.valid)  # fmt: skip
        learnt = []
        for order in orders:
            for seen, actions, then, values, targets, advantages, *valid in parts(
                whole, order, self._ppo.minibatches
            ):  # fmt: skip
                minibatch = Minibatch(seen, actions, then, values, targets, advantages, tuple(valid))
                gradient, part = self._gradient(minibatch)
                self.parameters.step(gradient, rate)
                learnt.append(part)
        return learnt

    def _gradient(self, part: Minibatch) -> tuple[Tensor, Part]:
        """Gradients (T, P).

        Where the clipped surrogate is the smaller it is constant, and so is its value; else -advantage * ratio
        has the gradient -advantage * ratio with respect to the log-probability.
        """
        layers = self.parameters.layers()
        activations = self.model.traced(layers, part.observations)
        heads = activations[-1]
        terms = self.parameters.policy().terms(heads[..., :-1], part.actions, *part.valid)
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
            moved = heads[..., -1] - part.values
            held = part.values + moved.clamp(-limit, limit) - part.targets
            # Within the limit both errors are one but for rounding, and the gradient is there.
            constant = (moved.abs() > limit) & (held.square() > off.square())
            of_values = of_values.masked_fill(constant, 0.0)
        gradient = self._backward(layers, activations, terms, weight, of_values)
        return gradient, (advantages, ratio, clipped, log_ratio, off, terms.entropy)

    def _losses_of(self, learnt: Sequence[Part]) -> dict[str, Tensor]:
        """As in A2C, and the share of ratios that were clipped and the divergence."""
        advantages, ratio, clipped, log_ratio, off, entropy = (
            torch.cat(each, dim=1) for each in zip(*learnt, strict=True)
        )
        return {
            "loss/policy": -torch.minimum(advantages * ratio, advantages * clipped),
            "loss/value": off.square(),
            "entropy": entropy,
            "clipped": (ratio != clipped).float(),
            "divergence": ratio - 1 - log_ratio,
        }


def _standardised(advantages: Tensor) -> Tensor:
    """Each ticket's row with mean 0 and standard deviation 1."""
    off = advantages - advantages.mean(1, keepdim=True)
    deviation = (off.square().sum(1, keepdim=True) / (off.shape[1] - 1)).sqrt()
    return off / (deviation + 1e-8)
