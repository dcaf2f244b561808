"""What a healthy attempt writes into its log: how it starts, the numbers of each record, checkpoints, results."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.text import plural, ranges

log = logging.getLogger("lth.attempt")

Group = tuple[str, int]
"""Arm and round."""


class Journal:
    """The log of one attempt; tickets of one arm and round share a line, with the mean of each metric."""

    def __init__(self, experiment: Experiment) -> None:
        self._unit, self._length = experiment.training.unit, experiment.training.length
        self._step, self._rate = 0, 0.0
        self._preparing = ("", -1)
        self._values: dict[Group, list[Mapping[str, float]]] = {}

    def prepares(self, what: str, share: float | None) -> None:
        """What is done before the training; written once, and at each tenth of it if the share is known."""
        tenth = -1 if share is None else int(share * 10)
        if (what, tenth) != self._preparing:
            self._preparing = what, tenth
            log.info("%s%s", what, "" if share is None else f", {share:.0%}")

    def begins(self, batch: int, attempt: int, device: str, keys: Sequence[TrialKey], step: int) -> None:
        """What is trained, where, and from which step."""
        where = f" from step {step:,}" if step else ""
        log.info("batch %d, attempt %d on %s: %s%s", batch, attempt, device, plural(len(keys), "ticket"), where)
        seeds: dict[Group, list[int]] = {}
        for key in keys:
            seeds.setdefault((key.arm, key.round), []).append(key.seed)
        for (arm, round), own in seeds.items():
            log.info("%s round %d: %s %s", arm, round, "seeds" if len(own) > 1 else "seed", ranges(own))

    def speed(self, rate: float) -> None:
        """Steps per second of all tickets together; comes after each record."""
        self._rate = rate
        self.flush()

    def record(self, key: TrialKey, step: int, values: Mapping[str, float]) -> None:
        """One ticket's numbers; written when those of all tickets at this step are known."""
        if step != self._step:
            self.flush()
            self._step = step
        self._values.setdefault((key.arm, key.round), []).append(values)

    def flush(self) -> None:
        """Write the numbers that wait for those of other tickets."""
        waiting, self._values = self._values, {}
        if not waiting:
            return
        speed = f", {self._rate:,.0f} {self._unit}/s of all tickets together" if self._rate else ""
        log.info("step %s of %s %s%s", f"{self._step:,}", f"{self._length:,}", self._unit, speed)
        for (arm, round), values in waiting.items():
            # A ticket that ends here has more metrics than the others of its arm.
            names = dict.fromkeys(name for one in values for name in one)
            found = {name: _mean(one[name] for one in values if name in one) for name in names}
            means = [f"{name} {mean:.4g}" for name, mean in found.items() if mean is not None]
            log.info("  %s round %d, %s: %s", arm, round, plural(len(values), "ticket"), ", ".join(means))

    def checkpoint(self, step: int, megabytes: float, seconds: float) -> None:
        """That one was written."""
        self.flush()
        log.info("checkpoint at step %s, %.1f MB in %.2f s", f"{step:,}", megabytes, seconds)

    def finished(self, key: TrialKey, step: int, score: float) -> None:
        """The result of one ticket, whose audits have passed."""
        self.flush()
        log.info("%s done at step %s: score %.6g, audit passed", key, f"{step:,}", score)


def _mean(values: Iterable[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None
