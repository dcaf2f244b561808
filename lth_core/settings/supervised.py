"""Learning from examples: `[training]` with algorithm supervised."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lth_core.settings.base import WHOLE, NonNegative, Positive, PositiveFloat, Precision, Share, TrainingSection


class Supervised(TrainingSection):
    """Minimising cross-entropy over batches. Steps are updates: one step of the optimizer each.

    An update takes `accumulate` batches, or what is left of them at the end of an epoch. batch is how much one holds,
    in what the task counts: texts read side by side for a language model, tokens for translation. The learning rate
    rises linearly for `warmup` updates; after them it is constant, falls linearly to learning_rate_end of itself at the
    end, or falls with the inverse square root of updates. The schedule follows the dense run's: a ticket that continues
    at the rewind point stands behind the warm-up. The mean of the weights at `average` points, `average_every` updates
    apart and the last at the end, is what is evaluated at the end; pruned and rewound are the weights themselves.
    momentum is SGD's. precision is that of products; weights and optimizer stay in float32. cuda_graph: a GPU is
    given an update at once, which is faster for small networks. compile: torch.compile makes kernels of the network and
    of the optimizer's step with its masks, in a minute or two.
    """

    algorithm: Literal["supervised"] = "supervised"
    unit: Literal["updates", "epochs"] = "updates"
    length: Positive = 1_000
    batch: Annotated[int, Field(gt=0, le=10**6), WHOLE] = 20
    accumulate: Annotated[int, Field(gt=0, le=4096), WHOLE] = 1
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    learning_rate_schedule: Literal["constant", "linear", "inverse_sqrt"] = "constant"
    learning_rate_end: Annotated[float, Field(ge=0, le=1)] = 0.0
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

    @property
    def rate_is_constant(self) -> bool:
        """See TrainingSection."""
        return self.learning_rate_schedule == "constant" and not self.warmup
