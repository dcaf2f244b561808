"""Reinforcement learning: `[training]` with algorithm a2c or ppo."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, Fraction, NonNegative, Positive, PositiveFloat, TrainingSection
from lth_core.text import plural

RETURNS = ("return/eval-sampled", "return/train")
"""The metrics that may be the score."""
PLASTICITY = ("dormant/all", "rank/features", "gradient_norm/all", "weight_norm/all")
"""The metrics that are compared between arms where `plasticity` is measured."""


class ReinforcementTraining(TrainingSection):
    """Fields of every algorithm that learns from rewards.

    Steps are environment steps, and games are finished games, of one ticket. score: "evaluation" is the mean return of
    evaluation_episodes played after training, without learning; "training" that of the last score_episodes training
    episodes, which is also the curve. Those ended in the last score_window of the run, 0.25 of it by default and at
    most; where none did, the last one counts. greedy_episodes: played after training with greedy actions, for
    comparison. precision: of matrix products on a GPU. value_loss, of an error e of a value: "squared" is e^2; "huber"
    is e^2 / 2 up to an error of 1 and |e| - 1/2 beyond (SmoothL1).
    """

    unit: Literal["steps", "games"] = "steps"
    length: Positive = 60_000
    environments: Annotated[int, Field(gt=0, le=4096), WHOLE] = 32
    optimizer: Literal["rmsprop", "adam"] = "rmsprop"
    learning_rate: PositiveFloat = 1e-4
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    learning_rate_end: PositiveFloat = 0.1
    rmsprop_alpha: Fraction = 0.99
    adam_betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.99
    value_loss: Literal["squared", "huber"] = "squared"
    reward_scale: PositiveFloat = 1.0
    max_gradient_norm: PositiveFloat | None = None
    score: Literal["evaluation", "training"] = "training"
    score_episodes: Positive = 100
    score_window: Annotated[float, Field(gt=0, le=0.25)] | None = None
    evaluation_episodes: Annotated[int, Field(ge=0, le=10_000), WHOLE] = 50
    greedy_episodes: Annotated[int, Field(ge=0, le=10_000), WHOLE] | None = None
    precision: Literal["float32", "tfloat32"] = "float32"
    record_every: Positive = 2_000
    checkpoint_every: Positive = 20_000
    steps: ClassVar[str] = "environment steps"

    @property
    @abstractmethod
    def between(self) -> int:
        """Steps of each environment in one update."""

    def reached(self, point: int) -> int:
        """See TrainingSection."""
        each = self.between * self.environments
        return -(-point // each) * each if self.unit == "steps" else point

    @property
    @abstractmethod
    def acts(self) -> tuple[str, str]:
        """How actions are chosen in evaluation and in training, in words."""

    @property
    def scored(self) -> tuple[str, ...]:
        """See TrainingSection."""
        return RETURNS if self.score == "evaluation" else RETURNS[::-1]

    @property
    def evaluated(self) -> str:
        """See TrainingSection."""
        return RETURNS[0]

    def said(self, metric: str) -> str:
        """See TrainingSection."""
        played, trained = self.acts
        if metric == RETURNS[0]:
            return f"{plural(self.evaluation_episodes, 'episode')} played after training, {played}"
        window = "" if self.score_window is None else f", none from before the last {self.score_window:.0%} of the run"
        return f"the last {plural(self.score_episodes, 'training episode')}, {trained}{window}"


class ActorCriticTraining(ReinforcementTraining):
    """Fields of both A2C and PPO; defaults are the paper's classic-control setting (section 3.3).

    Actions are sampled from the policy, in evaluation too. value_weight multiplies the value loss.
    sparse: whether a perceptron's hidden layers are computed from living weights alone, on a CPU: "auto" where that is
    faster, measured once per machine and shape. The last bits of results differ between the two forms, so that "auto"
    may give others on another machine; what is stored has the same form. plasticity: whether at most 7 records of each
    training, the last among them, measure dormant units, effective rank, gradient and weight norms of a perceptron or a
    network over boards. environments_on: where environments of training are stepped: "host", in numpy, or "device", in
    torch where the network trains (CartPole-v1, Acrobot-v1, MountainCar-v0, Pendulum-v1, MinAtar). On a GPU a whole
    update is then one CUDA graph; whether that is faster was not measured. Random numbers come from other streams
    there, so that results differ as those of another seed do. Episodes of the evaluation are played on the host either
    way.
    """

    n_steps: Annotated[int, Field(gt=0, le=4096), WHOLE] = 4
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 1.0
    entropy_weight: NonNegative = 0.01
    value_weight: NonNegative = 0.5
    loss_reduction: Literal["mean", "sum"] = "mean"
    sparse: Literal["never", "auto", "always"] = "never"
    plasticity: bool = False
    environments_on: Literal["host", "device"] = "host"
    added: ClassVar[frozenset[str]] = frozenset(
        {"value_loss", "score", "score_window", "greedy_episodes", "sparse", "plasticity", "environments_on"}
    )
    # Earlier versions scored training episodes, however far back they reached, and evaluated in both ways alike.
    of_new: ClassVar[Mapping[str, Any]] = {"score": "evaluation", "score_window": 0.25, "greedy_episodes": 10}

    @property
    def between(self) -> int:
        """See ReinforcementTraining: a rollout."""
        return self.n_steps

    @property
    def acts(self) -> tuple[str, str]:
        """See ReinforcementTraining."""
        return "actions sampled", "actions sampled"

    @property
    def normalised(self) -> tuple[str, ...]:
        """Of what running statistics are kept, to normalise it: "observations", "returns"."""
        return ()


class A2C(ActorCriticTraining):
    """Synchronous advantage actor-critic: one gradient step per rollout, or for each of its `minibatches` parts.

    With several minibatches the policy changes between them, as in asynchronous training with lagging actors.
    importance_clip then weights each action by its probability now over its probability when it was taken, clipped to
    this value (paper, section 3.3: 1.5); without it there are no weights. advantage_clip clips advantages to
    +- this value.
    """

    algorithm: Literal["a2c"] = "a2c"
    minibatches: Annotated[int, Field(gt=0, le=4096), WHOLE] = 1
    importance_clip: PositiveFloat | None = None
    advantage_clip: PositiveFloat | None = None

    @model_validator(mode="after")
    def _divides(self) -> Self:
        _check_minibatches(self.minibatches, self.environments * self.n_steps, 1)
        if self.importance_clip is not None and self.minibatches == 1:
            raise ValueError(
                f"importance_clip {self.importance_clip:g}: accepted with minibatches of 2 and more: "
                "with a single one every action has the probability with which it was taken"
            )
        return self


class PPO(ActorCriticTraining):
    """Proximal policy optimisation; defaults are the continuous-control settings of its paper and of CleanRL.

    Each rollout is used for `epochs` epochs of `minibatches` equal parts. The value loss is value_weight times the
    squared error: 0.25 here equals the usual 0.5 times one half. value_clip limits how far a value may move from
    that of the rollout, as clip does for probabilities; without it there is no limit. normalise_observations and
    normalise_returns use running statistics per ticket and clip the result to +-10.
    """

    algorithm: Literal["ppo"] = "ppo"
    length: Positive = 1_000_000
    environments: Annotated[int, Field(gt=0, le=4096), WHOLE] = 1
    n_steps: Annotated[int, Field(gt=0, le=4096), WHOLE] = 2048
    optimizer: Literal["rmsprop", "adam"] = "adam"
    learning_rate: PositiveFloat = 3e-4
    learning_rate_schedule: Literal["constant", "linear"] = "linear"
    learning_rate_end: PositiveFloat = 0.01
    epsilon: PositiveFloat = 1e-5
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 0.95
    entropy_weight: NonNegative = 0.0
    value_weight: NonNegative = 0.25
    max_gradient_norm: PositiveFloat | None = 0.5
    clip: Fraction = 0.2
    value_clip: PositiveFloat | None = None
    epochs: Annotated[int, Field(gt=0, le=1000), WHOLE] = 10
    minibatches: Annotated[int, Field(gt=0, le=4096), WHOLE] = 32
    normalise_advantages: bool = True
    normalise_observations: bool = True
    normalise_returns: bool = True

    @model_validator(mode="after")
    def _divides(self) -> Self:
        _check_minibatches(self.minibatches, self.environments * self.n_steps, 2)
        return self

    @property
    def normalised(self) -> tuple[str, ...]:
        """See ActorCriticTraining."""
        asked = {"observations": self.normalise_observations, "returns": self.normalise_returns}
        return tuple(name for name, wanted in asked.items() if wanted)


def _check_minibatches(minibatches: int, batch: int, least: int) -> None:
    if batch % minibatches or batch // minibatches < least:
        raise ValueError(
            f"minibatches {minibatches}: expected divisors of environments * n_steps = {batch} "
            f"that leave at least {least} transition{'s' * (least > 1)} each"
        )


ActorCriticAlgorithm = A2C | PPO
"""The algorithms of tasks with rewards, the default first."""
ALGORITHMS: tuple[str, ...] = tuple(one.model_fields["algorithm"].default for one in get_args(ActorCriticAlgorithm))
"""Their names."""
