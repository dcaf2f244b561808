"""Learning from rewards: `[training]` with algorithm a2c or ppo."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import Fraction, NonNegative, Positive, PositiveFloat, TrainingSection


class ActorCriticTraining(TrainingSection):
    """What A2C and PPO have in common; defaults are the paper's classic-control setting (section 3.3).

    Steps are environment steps of one ticket, games its finished ones. evaluation_episodes are played at the end,
    sampled and as many greedily; 0 plays none.
    """

    unit: Literal["steps", "games"] = "steps"
    length: Positive = 60_000
    environments: Annotated[int, Field(gt=0, le=4096)] = 32
    n_steps: Annotated[int, Field(gt=0, le=4096)] = 4
    optimizer: Literal["rmsprop", "adam"] = "rmsprop"
    learning_rate: PositiveFloat = 1e-4
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    learning_rate_end: PositiveFloat = 0.1
    rmsprop_alpha: Fraction = 0.99
    adam_betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.99
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 1.0
    entropy_weight: NonNegative = 0.01
    value_weight: NonNegative = 0.5
    reward_scale: PositiveFloat = 1.0
    max_gradient_norm: PositiveFloat | None = None
    loss_reduction: Literal["mean", "sum"] = "mean"
    score_episodes: Positive = 100
    evaluation_episodes: Annotated[int, Field(ge=0, le=10_000)] = 10
    record_every: Positive = 2_000
    checkpoint_every: Positive = 20_000
    steps: ClassVar[str] = "environment steps"


class A2C(ActorCriticTraining):
    """Synchronous advantage actor-critic: one gradient step from each rollout."""

    algorithm: Literal["a2c"] = "a2c"


class PPO(ActorCriticTraining):
    """Proximal policy optimisation; defaults are the continuous-control settings of its paper and of CleanRL.

    Each rollout is passed through `epochs` times in `minibatches` equal parts. The value loss is the squared
    error times value_weight: 0.25 here is the usual 0.5 times one half. value_clip limits how far a value moves
    from the rollout's, as clip does for probabilities; left out, it does not. normalise_observations and
    normalise_returns keep running statistics of each ticket, and limit what they normalise to +-10.
    """

    algorithm: Literal["ppo"] = "ppo"
    length: Positive = 1_000_000
    environments: Annotated[int, Field(gt=0, le=4096)] = 1
    n_steps: Annotated[int, Field(gt=0, le=4096)] = 2048
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
    epochs: Annotated[int, Field(gt=0, le=1000)] = 10
    minibatches: Annotated[int, Field(gt=0, le=4096)] = 32
    normalise_advantages: bool = True
    normalise_observations: bool = True
    normalise_returns: bool = True

    @model_validator(mode="after")
    def _divides(self) -> Self:
        batch = self.environments * self.n_steps
        if batch % self.minibatches or batch // self.minibatches < 2:
            raise ValueError(
                f"minibatches {self.minibatches}: accepted are divisors of environments * n_steps = {batch} "
                "that leave at least 2 transitions each"
            )
        return self
