"""Supervised learning: `[training]` with algorithm supervised."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, NonNegative, Positive, PositiveFloat, Precision, Share, TrainingSection


class Supervised(TrainingSection):
    """Minimising cross-entropy over batches. Steps are updates: one step of the optimizer each.

    An update uses `accumulate` batches, or the remaining ones at the end of an epoch. batch: the size of a batch, in
    parallel texts for a language model, in tokens for translation, in pictures for images. The learning rate rises
    linearly for `warmup` updates; then it is constant, falls linearly to the fraction learning_rate_end, falls with the
    inverse square root of updates, or is multiplied by milestone_factor at each of the milestones, which are counted in
    `unit`. It follows the dense run's schedule: a ticket that continues at the rewind point skips the warm-up. The
    final evaluation uses the mean of the weights at `average` points, `average_every` updates apart and the last at the
    end; pruning and rewinding use the weights themselves. momentum: of SGD. precision: of matrix products; weights and
    optimizer stay in float32. cuda_graph: launch a whole update on a GPU at once, which is faster for small networks.
    compile: use torch.compile for the network and the masked optimizer step; compiling takes a minute or two.
    """

    algorithm: Literal["supervised"] = "supervised"
    unit: Literal["updates", "epochs"] = "updates"
    length: Positive = 1_000
    batch: Annotated[int, Field(gt=0, le=10**6), WHOLE] = 20
    accumulate: Annotated[int, Field(gt=0, le=4096), WHOLE] = 1
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    learning_rate_schedule: Literal["constant", "linear", "inverse_sqrt", "milestones"] = "constant"
    learning_rate_end: Annotated[float, Field(ge=0, le=1)] = 0.0
    milestones: tuple[Positive, ...] = ()
    milestone_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup: Annotated[int, Field(ge=0, le=10**9), WHOLE] = 0
    betas: tuple[Share, Share] = (0.9, 0.999)
    epsilon: PositiveFloat = 1e-8
    momentum: Share = 0.0
    weight_decay: NonNegative = 0.0
    max_gradient_norm: PositiveFloat | None = None
    label_smoothing: Share = 0.0
    average: Annotated[int, Field(ge=1, le=1000), WHOLE] = 1
    average_every: Positive = 1_000
    precision: Precision = "float32"
    cuda_graph: bool = False
    compile: bool = False
    record_every: Positive = 100
    checkpoint_every: Positive = 200
    steps: ClassVar[str] = "updates"
    added: ClassVar[frozenset[str]] = frozenset({"milestones", "milestone_factor"})

    @model_validator(mode="after")
    def _milestones_fit(self) -> Self:
        if (self.learning_rate_schedule == "milestones") != bool(self.milestones):
            raise ValueError('learning_rate_schedule = "milestones" and the field milestones go together')
        if list(self.milestones) != sorted(set(self.milestones)) or any(at >= self.length for at in self.milestones):
            raise ValueError(f"milestones {list(self.milestones)}: expected rising points before length {self.length}")
        return self

    @property
    def rate_is_constant(self) -> bool:
        """See TrainingSection."""
        return self.learning_rate_schedule == "constant" and not self.warmup
