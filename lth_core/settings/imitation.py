"""Imitation of a teacher that plays: a kind of `[task]`, and the algorithm that clones it."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, Fraction, Positive, PositiveFloat, Section, TrainingSection
from lth_core.settings.control import ControlTask
from lth_core.settings.networks import MLP
from lth_core.settings.reinforcement import RETURNS, ActorCriticAlgorithm, ReinforcementTraining
from lth_core.text import plural


class Teacher(Section):
    """Whom an imitation learns from: one trained network, the same for all arms and seeds.

    There are three ways to name it. job: a job of the workspace, of which the trial with this arm, round and seed has
    finished. path: a folder written by `lth ticket export`, relative to the working folder; `teacher = "FOLDER"` for
    short. training: a table like [training] of a control job; the teacher is the dense network that such a job trains
    with this seed, the same to the last bit, trained before the first ticket and kept in the cache. In a suite,
    member = "NAME" takes environment, training and network from that member. model: the network of a teacher that is
    trained, by default the experiment's. digest: filled in, with the SHA-256 of the ticket's card or of the trial's
    file, which path then names.
    """

    job: Positive | None = None
    arm: Annotated[str, Field(max_length=200)] = "dense"
    round: Annotated[int, Field(ge=0), WHOLE] = 0
    path: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    training: Annotated[ActorCriticAlgorithm, Field(discriminator="algorithm")] | None = None
    model: MLP | None = None
    seed: Annotated[int, Field(ge=0, lt=2**62), WHOLE] = 0
    digest: str = ""

    def identifying(self) -> dict[str, Any]:
        """See Section: a ticket is identified by its card."""
        fields = super().identifying()
        if self.digest:
            fields = {"digest": self.digest}
        return fields

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(one is not None for one in (self.job, self.path, self.training)) != 1:
            raise ValueError("expected one of job, path (the folder of an exported ticket) and training (a table)")
        if self.model is not None and self.training is None and not self.digest:
            raise ValueError("model goes with training: jobs and tickets have networks of their own")
        return self


ENVIRONMENTS, SET_ASIDE = 20, 2
"""Environments that a teacher plays in at once, and those whose states are for validation: whole episodes."""


class ImitationTask(ControlTask):
    """Cloning a teacher's actions in an environment; the score is the return that the clone gets there by itself.

    The fields of the environment are those of control. The teacher plays `states` steps, with actions drawn from its
    policy, once for all arms and seeds; a tenth of its episodes is set aside for the curves. teacher: see
    [task.teacher].
    """

    kind: Literal["imitation"] = "imitation"  # type: ignore[assignment]
    teacher: Teacher
    states: Annotated[int, Field(ge=1000, le=10**7), WHOLE] = 20_000

    curve: ClassVar[str] = "divergence/valid"
    algorithms: ClassVar[tuple[str, ...]] = ("cloning",)
    logarithmic: ClassVar[tuple[str, ...]] = ("divergence",)

    @property
    def learnt_from(self) -> int:
        """Of `states`, those that are not set aside."""
        return self.states * (ENVIRONMENTS - SET_ASIDE) // ENVIRONMENTS

    @classmethod
    def completed(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """See TaskSection: `teacher = "FOLDER"`, and the default algorithm of a teacher's training."""
        teacher = fields.get("teacher")
        if isinstance(teacher, str):
            return {**fields, "teacher": {"path": teacher}}
        if isinstance(teacher, dict) and isinstance(teacher.get("training"), dict):
            return {**fields, "teacher": {**teacher, "training": {"algorithm": "a2c", **teacher["training"]}}}
        return fields


class Cloning(TrainingSection):
    """Minimising the Kullback-Leibler divergence of the network's actions from the teacher's: cross-entropy with the
    probabilities that the teacher gave to each action, or of its normal distribution. The value head learns nothing.

    Steps are updates. batch: states of each update; every epoch has all states in a new order. The score is the mean
    return of evaluation_episodes played after training, with sampled actions; greedy_episodes are played with greedy
    actions, for comparison. precision: of matrix products on a GPU.
    """

    algorithm: Literal["cloning"] = "cloning"
    unit: Literal["updates", "epochs"] = "updates"
    length: Positive = 1_000
    batch: Annotated[int, Field(ge=2, le=10**6), WHOLE] = 128
    optimizer: Literal["rmsprop", "adam"] = "adam"
    learning_rate: PositiveFloat = 3e-3
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    learning_rate_end: PositiveFloat = 0.1
    rmsprop_alpha: Fraction = 0.99
    adam_betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8
    max_gradient_norm: PositiveFloat | None = None
    evaluation_episodes: Annotated[int, Field(ge=1, le=10_000), WHOLE] = 50
    greedy_episodes: Annotated[int, Field(ge=0, le=10_000), WHOLE] = 10
    precision: Literal["float32", "tfloat32"] = "float32"
    record_every: Positive = 50
    checkpoint_every: Positive = 500
    steps: ClassVar[str] = "updates"

    @property
    def scored(self) -> tuple[str, ...]:
        """See TrainingSection."""
        return RETURNS[:1]

    @property
    def evaluated(self) -> str:
        """See TrainingSection."""
        return RETURNS[0]

    def said(self, metric: str) -> str:
        """See TrainingSection."""
        return f"{plural(self.evaluation_episodes, 'episode')} played after training, actions sampled"


PackedTraining = ReinforcementTraining | Cloning
"""The trainings whose tickets are rows of one tensor."""
