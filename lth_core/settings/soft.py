"""Soft actor-critic: `[training]` with algorithm sac."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lth_core.settings.base import Positive, PositiveFloat
from lth_core.settings.values import ReplayTraining


class SAC(ReplayTraining):
    """Soft actor-critic (Haarnoja et al. 2018) from a replay buffer, for continuous actions within bounds: an actor
    whose actions are the tanh of a Gaussian's numbers, two critics of observation and action, and a temperature that is
    learnt. Defaults are Stable-Baselines3's but for the buffer, which has a tenth.

    Each update plays train_every steps in every environment, then takes gradient_steps steps of the optimizer, each on
    `batch` transitions drawn uniformly, with replacement, from the last `replay` ones. Until learning_starts steps are
    played, actions are uniform and nothing is learnt. One step moves actor, both critics and the temperature, all by
    gradients at the weights before it. A target is the reward plus gamma times the smaller value of the two target
    critics minus temperature times log-probability, for an action drawn anew; the critics' losses are added. The actor
    maximises the smaller value of its critics plus temperature times entropy. Target critics move by tau towards their
    critics after each step; a time limit bootstraps. temperature: at the start; it is learnt with learning_rate (Adam)
    so that the entropy comes to target_entropy, minus the number of an action's numbers if left out;
    learn_temperature = false keeps it. A ticket starts as a new training does: an empty buffer, target critics that are
    copies of its critics, the temperature and its optimizer as at the start. The network has an actor and critics of
    these hidden sizes (model.trunk "separate"); group critic is both critics, value_head and second_value_head their
    last layers; max_gradient_norm is of all their gradients together. The temperature is never pruned. plasticity: of
    actor and both critics, on at most 256 states spread over the replay buffer.
    """

    algorithm: Literal["sac"] = "sac"
    length: Positive = 100_000
    learning_rate: PositiveFloat = 3e-4
    temperature: PositiveFloat = 1.0
    learn_temperature: bool = True
    target_entropy: Annotated[float, Field(allow_inf_nan=False)] | None = None

    of_model: ClassVar[Mapping[str, Any]] = {"trunk": "separate"}

    @property
    def added_up(self) -> int:
        """See ReplayTraining."""
        return 1

    @property
    def copied_every(self) -> int | None:
        """See ReplayTraining."""
        return None

    @property
    def acts(self) -> tuple[str, str]:
        """See ReinforcementTraining."""
        return "actions sampled", "actions sampled"
