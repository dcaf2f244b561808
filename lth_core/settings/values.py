"""Learning from a replay buffer: fields of dqn and sac, and `[training]` with algorithm dqn."""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, Positive, PositiveFloat
from lth_core.settings.reinforcement import ReinforcementTraining

Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0, le=10**6), WHOLE]


class ReplayTraining(ReinforcementTraining):
    """Fields of every algorithm that learns from a replay buffer, with target networks: see DQN."""

    algorithm: str
    environments: Annotated[int, Field(gt=0, le=4096), WHOLE] = 1
    optimizer: Literal["rmsprop", "adam"] = "adam"
    score: Literal["evaluation", "training"] = "evaluation"
    score_window: Annotated[float, Field(gt=0, le=0.25)] | None = 0.25
    greedy_episodes: Annotated[int, Field(ge=0, le=10_000), WHOLE] | None = 10
    train_every: Count = 1
    gradient_steps: Count = 1
    batch: Annotated[int, Field(ge=2, le=10**6), WHOLE] = 256
    replay: Annotated[int, Field(gt=0, le=10**9), WHOLE] = 100_000
    learning_starts: Annotated[int, Field(gt=0, le=10**9), WHOLE] = 100
    tau: Annotated[float, Field(gt=0, le=1)] = 0.005
    plasticity: bool = False

    added: ClassVar[frozenset[str]] = frozenset({"plasticity"})

    @property
    @abstractmethod
    def added_up(self) -> int:
        """Rewards that a target adds up before it bootstraps."""

    @property
    @abstractmethod
    def copied_every(self) -> int | None:
        """Steps played between two copies to the target network; None if it is an average by tau."""

    @property
    def between(self) -> int:
        """See ReinforcementTraining."""
        return self.train_every

    @property
    def slots(self) -> int:
        """Steps of each environment that the replay buffer holds."""
        return self.replay // self.environments

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if self.replay < self.batch:
            raise ValueError(f"replay {self.replay}: expected at least batch = {self.batch}")
        least = self.environments * max(self.added_up, self.train_every)
        if self.replay < least:
            steps = "max(n_steps, train_every)" if "n_steps" in type(self).model_fields else "train_every"
            raise ValueError(
                f"replay {self.replay}: expected at least {least}, environments * {steps}, "
                "so that it holds what one update plays"
            )
        if self.unit == "steps" and self.learning_starts >= self.length:
            raise ValueError(
                f"learning_starts {self.learning_starts}: expected less than length = {self.length}, "
                "or nothing is learnt"
            )
        return self


class DQN(ReplayTraining):
    """Deep Q-learning (Mnih et al. 2015) from a replay buffer, for environments with one choice among actions; double
    (van Hasselt et al. 2016) by default. Defaults are CleanRL's for classic control, with the Huber loss.

    Each update plays train_every steps in every environment, then takes gradient_steps steps of the optimizer, each on
    `batch` transitions drawn uniformly, with replacement, from the last `replay` ones. Until learning_starts steps are
    played, actions are random and nothing is learnt. n_steps: rewards that a target adds up before it bootstraps; an
    episode's end cuts the sum, and a time limit bootstraps there. double: the network chooses the action whose value
    the target network gives. target: "copy" copies the network to the target network once target_every more steps are
    played; "average" moves the target network by tau towards the network after every gradient step. Actions are greedy
    but for a share at random: from exploration_start to exploration_end, linearly over the first exploration_fraction
    of the schedule (which a ticket passes as it passes that of the learning rate); evaluation_epsilon in evaluation.
    A ticket starts as a new training does, with an empty buffer and a target network that is its own copy. plasticity:
    as of actor-critics, on at most 256 states spread over the replay buffer.
    """

    algorithm: Literal["dqn"] = "dqn"
    length: Positive = 500_000
    learning_rate: PositiveFloat = 2.5e-4
    value_loss: Literal["squared", "huber"] = "huber"
    max_gradient_norm: PositiveFloat | None = 10.0
    train_every: Count = 10
    batch: Annotated[int, Field(ge=2, le=10**6), WHOLE] = 128
    replay: Annotated[int, Field(gt=0, le=10**9), WHOLE] = 10_000
    learning_starts: Annotated[int, Field(gt=0, le=10**9), WHOLE] = 10_000
    n_steps: Annotated[int, Field(gt=0, le=1000), WHOLE] = 1
    double: bool = True
    target: Literal["copy", "average"] = "copy"
    target_every: Positive = 500
    exploration_start: Rate = 1.0
    exploration_end: Rate = 0.05
    exploration_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    evaluation_epsilon: Rate = 0.05

    @property
    def added_up(self) -> int:
        """See ReplayTraining."""
        return self.n_steps

    @property
    def copied_every(self) -> int | None:
        """See ReplayTraining."""
        return self.target_every if self.target == "copy" else None

    @property
    def acts(self) -> tuple[str, str]:
        """See ReinforcementTraining."""
        random = f", {self.evaluation_epsilon:.3g} of them random" if self.evaluation_epsilon else ""
        return f"actions greedy{random}", "actions greedy but for those that explore"

    def exploration(self, share: float) -> float:
        """The share of random actions when this share of the schedule has passed."""
        passed = min(max(share, 0.0) / self.exploration_fraction, 1.0)
        return self.exploration_start + (self.exploration_end - self.exploration_start) * passed

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least = max(self.batch, self.environments * self.n_steps)
        if self.learning_starts < least:
            raise ValueError(
                f"learning_starts {self.learning_starts}: expected at least {least}, so that a batch can be drawn"
            )
        return self
