"""PPO: several passes over each rollout in minibatches, with clipped probability ratios."""

import torch
from torch import Tensor

from lth_core.settings.reinforcement import PPO
from lth_core.training.reinforcement.algorithm import Algorithm, HeadGradients, Heads, Transitions


class ProximalPolicyOptimisation(Algorithm[PPO]):
    """The clipped surrogate, and the error of values, also clipped if `value_clip` is set."""

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
        surrogate, held, clipped = self._surrogates(ratio, taken)
        error, instead = self._errors(heads.values, taken)
        error = self.value_loss(error)
        return {
            "loss/policy": -torch.where(held < surrogate, held, surrogate),
            "loss/value": error if instead is None else torch.where(*instead, error),
            "entropy": heads.entropy,
            "clipped": (ratio != clipped).float(),
            "divergence": ratio.detach() - 1 - log_ratio.detach(),
        }

    def head_gradients(self, heads: Heads, taken: Transitions) -> HeadGradients:
        """See Algorithm."""
        surrogate, held, _ = self._surrogates((heads.log_p - taken.log_p).exp(), taken)
        # The derivative of a ratio with respect to log p is the ratio; a clipped one is constant.
        of_log_p = surrogate.neg().masked_fill_(held < surrogate, 0.0)
        error, instead = self._errors(heads.values, taken)
        of_values = self.of_values(error)
        if instead is not None:
            of_values.masked_fill_(instead[0], 0.0)
        return HeadGradients(of_log_p, self.of_entropy(heads), of_values)

    def _surrogates(self, ratio: Tensor, taken: Transitions) -> tuple[Tensor, Tensor, Tensor]:
        """Advantages times ratios, advantages times clipped ratios, and the clipped ratios."""
        # If the clipped surrogate is the smaller one, the ratio is beyond a limit, and the surrogate is constant.
        clipped = ratio.detach().clamp(1 - self.settings.clip, 1 + self.settings.clip)
        advantages = standardised(taken.advantages) if self.settings.normalise_advantages else taken.advantages
        return advantages * ratio, advantages * clipped, clipped

    def _errors(self, values: Tensor, taken: Transitions) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Errors of values; with `value_clip` also where the clipped error counts, being the larger, and its loss."""
        error, limit = values - taken.targets, self.settings.value_clip
        if limit is None:
            return error, None
        moved = values - taken.values
        held = self.value_loss(taken.values + moved.clamp(-limit, limit) - taken.targets)
        # Within the limit both are equal up to rounding, and the gradient is the plain error's.
        return error, ((moved.abs() > limit) & (held > self.value_loss(error)), held)


def standardised(advantages: Tensor) -> Tensor:
    """Each ticket's row with mean 0 and standard deviation 1."""
    off = advantages - advantages.mean(1, keepdim=True)
    deviation = (off.square().sum(1, keepdim=True) / (off.shape[1] - 1)).sqrt()
    return off / (deviation + 1e-8)
