"""Learning from examples: `[training]` with algorithm supervised."""

from typing import ClassVar, Literal

from lth_core.settings.base import Positive, PositiveFloat, TrainingSection


class Supervised(TrainingSection):
    """Minimising cross-entropy over batches. Steps are updates."""

    algorithm: Literal["supervised"] = "supervised"
    unit: Literal["updates", "epochs"] = "updates"
    length: Positive = 1_000
    learning_rate: PositiveFloat = 1e-3
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    record_every: Positive = 100
    checkpoint_every: Positive = 200
    steps: ClassVar[str] = "updates"
