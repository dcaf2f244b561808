"""The experiment: its fields, defaults and rules, its canonical form and its identity. Knows no files, no torch."""

import hashlib
import json
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from lth_core.arms import BUILT_IN, DENSE, Arm
from lth_core.text import did_you_mean, is_name

Positive = Annotated[int, Field(gt=0, le=10**12)]
# A layer of one unit would be a product with a single column, which rounds differently alone than in a stack.
Width = Annotated[int, Field(ge=2, le=65_536)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """Base of every table of the file: immutable, strict about types, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ControlTask(Section):
    """Control from vector observations: a registered gymnasium environment."""

    kind: Literal["control"] = "control"
    environment: str = "CartPole-v1"
    score: ClassVar[str] = "return/train"
    higher_is_better: ClassVar[bool] = True


class MLP(Section):
    """A multi-layer perceptron with a policy head and a value head on a shared trunk."""

    kind: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (128, 128, 128)
    activation: Literal["relu", "tanh"] = "relu"
    initialisation: Literal["uniform", "orthogonal"] = "uniform"

    groups: ClassVar[tuple[str, ...]] = (
        "trunk", "first_layer", "policy_head", "value_head", "weights", "biases",
    )  # fmt: skip


class _ActorCritic(Section):
    """What A2C and PPO have in common; defaults are the paper's classic-control setting (section 3.3).

    length, and the points of `[rewinding]`, count environment steps or finished games of one ticket, as `unit`
    says; record_every and checkpoint_every always count environment steps. Each is reached at the end of the
    first update at or after it. learning_rate_end is the fraction left at the end of a linear schedule.
    evaluation_episodes are played at the end, sampled and as many greedily; 0 plays none.
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


class A2C(_ActorCritic):
    """Synchronous advantage actor-critic: one gradient step from each rollout."""

    algorithm: Literal["a2c"] = "a2c"


class PPO(_ActorCritic):
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


def _algorithm(training: Any) -> Any:
    """What tells the kinds of `[training]` apart; a table that does not say is A2C."""
    return training.get("algorithm", "a2c") if isinstance(training, dict) else getattr(training, "algorithm", "a2c")


Training = Annotated[
    Annotated[A2C, Tag("a2c")] | Annotated[PPO, Tag("ppo")],
    Discriminator(_algorithm),
]


Criterion = Literal["magnitude", "magnitude_init", "magnitude_increase", "movement", "random", "inverse"]


class Pruning(Section):
    """What is pruned, how much a round and for how many rounds (paper, section 3.1 and equation 1)."""

    fraction: Fraction = 0.2
    rounds: Annotated[int, Field(gt=0, le=200)] = 20
    criterion: Literal["magnitude", "magnitude_init", "magnitude_increase", "movement", "random", "inverse"] = (
        "magnitude"
    )
    scope: Literal["global", "layerwise", "erk"] = "global"
    keep: tuple[str, ...] = ()
    fractions: dict[str, Fraction] = Field(default_factory=dict)

    def density(self, round: int, group: str | None = None) -> float:
        """Fraction that remains after `round` rounds, (1-p)^k; `group` selects a per-group fraction."""
        fraction = self.fraction if group is None else self.fractions[group]
        return float((1.0 - fraction) ** round)


class Rewinding(Section):
    """The triple of rewinding: weights ranked at, weights reset to, schedule reset to."""

    prune_from: Literal["final"] | Positive = "final"
    weights: Annotated[int, Field(ge=0)] = 0
    schedule: Literal["start", "rewind", "end"] = "start"
    optimizer: Literal["fresh", "rewind"] = "fresh"


class Experiment(Section):
    """One resolved experiment; equal files give equal values, and an equal `identity`."""

    name: str
    task: ControlTask = ControlTask()
    model: MLP = MLP()
    training: Training = A2C()
    pruning: Pruning = Pruning()
    rewinding: Rewinding = Rewinding()
    arms: Annotated[tuple[str, ...], Field(min_length=1)] = ("winning", "random")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**62)], ...], Field(min_length=1, max_length=1000)]
    arm: dict[str, Arm] = Field(default_factory=dict)

    def arm_named(self, name: str) -> Arm:
        """The definition of an arm: the file's own `[arm.NAME]` first, then the built-in ones."""
        return self.arm[name] if name in self.arm else BUILT_IN[name]

    def canonical(self) -> str:
        """Canonical JSON: every field with its value, keys sorted, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @property
    def identity(self) -> str:
        """SHA-256 of the canonical JSON without the name: the same experiment under two names is one."""
        fields = self.model_dump(mode="json", exclude={"name"})
        return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild from `canonical()`; raises pydantic.ValidationError on anything else."""
        return cls.model_validate_json(text)

    def schedule_of(self, arm: str) -> Literal["start", "rewind", "end"]:
        """Where the arm's schedule starts, `experiment` resolved."""
        schedule = self.arm_named(arm).schedule
        return self.rewinding.schedule if schedule == "experiment" else schedule

    @property
    def reference(self) -> str:
        """The arm that verdicts and audits compare with: `winning`, or the first arm where there is none."""
        return "winning" if "winning" in self.arms else self.arms[0]

    def compared_with(self, arm: str) -> str | None:
        """The arm that `arm` is a control of: the one it borrows its mask from, else the reference."""
        definition = self.arm_named(arm)
        if definition.borrows_mask:
            return definition.of
        return None if arm == self.reference else self.reference

    def span(self, arm: str) -> tuple[int, int]:
        """First and last value of the training counter (in `training.unit`) of a trial of `arm`."""
        length, point = self.training.length, self.rewinding.weights
        if arm == DENSE:
            return 0, length
        schedule = self.schedule_of(arm)
        return {"start": (0, length), "rewind": (point, length), "end": (length, 2 * length)}[schedule]

    @model_validator(mode="after")
    def _rules(self) -> Self:
        for check in (self._check_names, self._check_groups, self._check_points, self._check_arms):
            check()
        return self

    def _check_names(self) -> None:
        for field, name in [("name", self.name), *(("arm", name) for name in self.arm)]:
            if not is_name(name):
                raise ValueError(f"{field} {json.dumps(name)}: accepted are up to 80 letters, digits, '_', '-' and '.'")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: every seed may stand once")
        if len(set(self.arms)) < len(self.arms):
            raise ValueError(f"arms {list(self.arms)}: every arm may stand once")

    def _check_groups(self) -> None:
        known = self.model.groups
        for field, names in (("keep", self.pruning.keep), ("fractions", self.pruning.fractions)):
            for name in names:
                if name not in known:
                    raise ValueError(
                        f'pruning.{field} "{name}" is no parameter group of {self.model.kind}: '
                        f"accepted are {', '.join(known)}{did_you_mean(name, known)}"
                    )
        kept = set(self.pruning.keep)
        for everything in ({"weights", "biases"}, {"trunk", "policy_head", "value_head"}):
            if everything <= kept:
                raise ValueError(f"pruning.keep {sorted(kept)} leaves nothing to prune")
        if self.pruning.fractions and self.pruning.scope != "layerwise":
            raise ValueError('pruning.fractions needs pruning.scope = "layerwise"')

    def _check_points(self) -> None:
        length = self.training.length
        if self.rewinding.weights >= length:
            raise ValueError(
                f"rewinding.weights {self.rewinding.weights}: accepted are points before training.length {length}"
            )
        point = self.rewinding.prune_from
        if point != "final" and point > length:
            raise ValueError(f'rewinding.prune_from {point}: accepted are "final" and points up to {length}')
        for name in self.arms:
            if point != "final" and name in (*self.arm, *BUILT_IN) and self.span(name)[0] >= point:
                raise ValueError(
                    f'rewinding.prune_from {point}: arm "{name}" starts at {self.span(name)[0]} and never passes it'
                )

    def _check_arms(self) -> None:
        known = [*self.arm, *BUILT_IN]
        if DENSE in self.arm or DENSE in self.arms:
            raise ValueError(f'arm "{DENSE}" is the shared round 0 and always trained: it is not named')
        for name in self.arms:
            if name not in known:
                raise ValueError(
                    f'arms "{name}" is not defined: accepted are {", ".join(known)}, '
                    f"or a table [arm.NAME]{did_you_mean(name, known)}"
                )
        for name in self.arms:
            arm = self.arm_named(name)
            if arm.borrows_mask and arm.of not in self.arms:
                raise ValueError(f'arms: "{name}" derives its mask from "{arm.of}", which is not among the arms')
            if arm.borrows_mask and self.arm_named(arm.of).borrows_mask:
                raise ValueError(f'arm "{name}": of = "{arm.of}" has a borrowed mask itself')
            if arm.borrows_mask and arm.weights == "final":
                raise ValueError(f'arm "{name}": weights "final" need a mask from the arm\'s own pruning')
            if arm.weights in ("fresh", "signed", "constant") and self.schedule_of(name) == "end":
                raise ValueError(f'arm "{name}": {arm.weights} weights cannot start at the schedule\'s end')
        self._check_distinct()

    def _check_distinct(self) -> None:
        seen: dict[tuple[Any, ...], str] = {}
        for name in self.arms:
            arm = self.arm_named(name)
            weights = arm.weights
            if weights == "rewind" and self.rewinding.weights == 0:
                weights = "init"
            of = arm.of if arm.borrows_mask else None
            # Magnitudes at initialisation do not change from round to round: pruned at once or bit by bit is the same.
            untrained = self.pruning.criterion == "magnitude_init" and arm.mask == "one_shot"
            mask = "iterative" if untrained else arm.mask
            first, last = self.span(name)
            constant = self.training.learning_rate_schedule == "constant"
            span = (0, last - first) if constant else (first, last)
            same = seen.setdefault((mask, weights, span, of), name)
            # Two arms that draw their own random numbers are replicates, not copies.
            if (
                same != name
                and weights not in ("fresh", "shuffled")
                and not arm.mask.startswith(("random", "shuffled"))
            ):
                raise ValueError(
                    f'arms: "{name}" and "{same}" are the same arm with this [rewinding] '
                    f"(weights = {self.rewinding.weights}), learning-rate schedule and pruning.criterion"
                )
