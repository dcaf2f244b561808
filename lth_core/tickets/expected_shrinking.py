"""When a mask that shrinks must shrink, and how much of it is then alive, found again.

Shares no code with `gradual` and `scope`, so that an error there is not repeated here.
"""

import numpy as np

from lth_core.settings.pruning import Gradual


def number_of(gradual: Gradual, done: float) -> int:
    """How many of its steps of pruning a training must have behind it once this share of it is done."""
    apart = (gradual.end - gradual.start) / gradual.steps
    points = gradual.start + apart * np.arange(1, gradual.steps + 1)
    return int(np.count_nonzero(points <= done + 1e-9 * apart))


def alive(entries: int, last: int, gradual: Gradual, step: int) -> float:
    """How many of so many entries are alive after a step, before rounding, if `last` are after the last one: last +
    (entries - last) (1 - step / steps)^3 (equation 1 of Zhu and Gupta 2017)."""
    return last + (entries - last) * ((gradual.steps - step) / gradual.steps) ** 3
