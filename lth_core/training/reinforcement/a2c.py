"""A2C: one gradient step from each rollout, or from each of its parts."""

from torch import Tensor

from lth_core.settings.reinforcement import A2C
from lth_core.training.reinforcement.algorithm import Algorithm, HeadGradients, Heads, Transitions


class AdvantageActorCritic(Algorithm[A2C]):
    """The policy gradient with constant advantages, and the error of values."""

    kind = A2C

    @property
    def epochs(self) -> int:
        """See Algorithm."""
        return 0 if self.settings.minibatches == 1 else 1

    @property
    def minibatches(self) -> int:
        """See Algorithm."""
        return self.settings.minibatches

    def losses(self, heads: Heads, taken: Transitions) -> dict[str, Tensor]:
        """See Algorithm."""
        return {
            "loss/policy": -(heads.log_p * self._counted(heads, taken)),
            "loss/value": self.value_loss(heads.values - taken.targets),
            "entropy": heads.entropy,
        }

    def head_gradients(self, heads: Heads, taken: Transitions) -> HeadGradients:
        """See Algorithm."""
        of_values = self.of_values(heads.values - taken.targets)
        return HeadGradients(-self._counted(heads, taken), self.of_entropy(heads), of_values)

    def _counted(self, heads: Heads, taken: Transitions) -> Tensor:
        """Advantages (T, b), weighted by min(p now / p when acting, importance_clip) (paper, 3.3)."""
        advantages, limit = taken.advantages, self.settings.advantage_clip
        if limit is not None:
            advantages = advantages.clamp(-limit, limit)
        if self.settings.importance_clip is not None:
            ratio = (heads.log_p.detach() - taken.log_p).exp()
            advantages = advantages * ratio.clamp(max=self.settings.importance_clip)
        return advantages
