"""The learning rate of supervised training at an update."""

from lth_core.settings.supervised import Supervised


def learning_rate(settings: Supervised, update: int, updates: int) -> float:
    """The rate of the update that comes after `update` others of the dense run's `updates`.

    Warm-up: (update + 1) / warmup of the rate. After it, inverse_sqrt: sqrt(warmup / (update + 1)), which the
    warm-up meets at 1; linear: to learning_rate_end at `updates`, and constant from there.
    """
    rate, warmup = settings.learning_rate, settings.warmup
    if update < warmup:
        return rate * (update + 1) / warmup
    if settings.learning_rate_schedule == "inverse_sqrt":
        return float(rate * (max(warmup, 1) / (update + 1)) ** 0.5)
    if settings.learning_rate_schedule == "linear":
        passed = min(1.0, (update - warmup) / max(1, updates - warmup))
        return rate * (1.0 - passed * (1.0 - settings.learning_rate_end))
    return rate
