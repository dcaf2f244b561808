"""PPO: several passes over each rollout in minibatches, with clipped probability ratios."""

import torch
from torch import Tensor

from lth_core.settings.reinforcement import PPO
from lth_core.training.reinforcement.algorithm import Algorithm, Heads, Transitions


class ProximalPolicyOptimisation(Algorithm[PPO]):
    """The clipped surrogate, and the squared error of values, also clipped if `value_clip` is set."""

    kind = PPO

    @property
    def epochs(self) -> int:
        """See Algorithm."""
        return self.settings.epochs

    @property
    def minibatches(self) -> int:
        """See Algorithm."""
        return self.settings.minibatches

    def losses(self, heads: Heads, taken: Transitions) -> dict[str, Tensor]:
        """See Algorithm; also the share of clipped ratios, and an estimate of the divergence."""
        log_ratio = heads.log_p - taken.log_p
        ratio = log_ratio.exp()
        # If the clipped surrogate is the smaller one, the ratio is beyond a limit, and the surrogate is constant.
        clipped = ratio.detach().clamp(1 - self.settings.clip, 1 + self.settings.clip)
        advantages = standardised(taken.advantages) if self.settings.normalise_advantages else taken.advantages
        surrogate, held = advantages * ratio, advantages * clipped
        return {
            "loss/policy": -torch.where(held < surrogate, held, surrogate),
            "loss/value": self._of_values(heads.values, taken),
            "entropy": heads.entropy,
            "clipped": (ratio != clipped).float(),
            "divergence": ratio.detach() - 1 - log_ratio.detach(),
        }

    def _of_values(self, values: Tensor, taken: Transitions) -> Tensor:
        error, limit = (values - taken.targets).square(), self.settings.value_clip
        if limit is None:
            return error
        moved = values - taken.values
        held = (taken.values + moved.clamp(-limit, limit) - taken.targets).square()
        # The larger one; within the limit both are equal up to rounding, and the gradient is the plain error's.
        return torch.where((moved.abs() > limit) & (held > error), held, error)


def standardised(advantages: Tensor) -> Tensor:
    """Each ticket's row with mean 0 and standard deviation 1."""
    off = advantages - advantages.mean(1, keepdim=True)
    deviation = (off.square().sum(1, keepdim=True) / (off.shape[1] - 1)).sqrt()
    return off / (deviation + 1e-8)
