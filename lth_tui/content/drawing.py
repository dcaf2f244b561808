"""How the curves of a job are drawn, and the next of each choice. Pure functions."""

from dataclasses import dataclass, replace

from lth_core.analysis.kinds import random_first
from lth_tui.reading.snapshot import JobDetail

BANDS = ("95% bootstrap", "sd", "min-max", "none")
NAMES = {"step": "steps", "update": "updates", "games": "games"}
"""The x axes, as they are written."""
SMOOTHINGS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Drawing:
    """The user's choices. arm: the one beside the reference, empty for the first control."""

    arm: str = ""
    band: str = BANDS[0]
    smoothing: float = 0.0
    hidden: frozenset[str] = frozenset()
    axis: str = "step"

    @property
    def band_words(self) -> str:
        """The band's description for a title; empty without a band."""
        return {"none": "", "sd": "±1 sd of seeds as band"}.get(self.band, f"{self.band} band")

    @property
    def band_word(self) -> str:
        """The same where there is little room."""
        return {"none": "", "sd": "±1 sd", "95% bootstrap": "95% band"}.get(self.band, f"{self.band} band")

    def other_band(self) -> "Drawing":
        """With the next kind of band."""
        return replace(self, band=BANDS[(BANDS.index(self.band) + 1) % len(BANDS)])

    def smoother(self, by: int) -> "Drawing":
        """With more or less smoothing."""
        place = min(len(SMOOTHINGS) - 1, max(0, SMOOTHINGS.index(self.smoothing) + by))
        return replace(self, smoothing=SMOOTHINGS[place])

    def other_axis(self, detail: JobDetail) -> "Drawing":
        """With the next x axis of steps, updates, games."""
        axes = axes_of(detail)
        place = axes.index(self.axis) if self.axis in axes else 0
        return replace(self, axis=axes[(place + 1) % len(axes)])

    def other_arm(self, detail: JobDetail) -> "Drawing":
        """With the next arm beside the reference."""
        arms = arms_of(detail)
        here = self.arm or detail.reference
        place = arms.index(here) if here in arms else 0
        return replace(self, arm=arms[(place + 1) % len(arms)])

    def hide(self, detail: JobDetail) -> "Drawing":
        """Without the chosen arm, or with it again."""
        return replace(self, hidden=self.hidden ^ {self.arm or detail.reference})

    def isolate(self, detail: JobDetail) -> "Drawing":
        """Only the chosen arm and the reference; again: all."""
        others = frozenset({*arms_of(detail), *detail.curves}) - {detail.reference, self.arm}
        return replace(self, hidden=frozenset() if self.hidden else others)


def arms_of(detail: JobDetail) -> tuple[str, ...]:
    """The reference arm first, then the random ones, then the others as the experiment lists them."""
    experiment = detail.job.experiment
    return (detail.reference, *random_first(experiment, (arm for arm in experiment.arms if arm != detail.reference)))


def partner(detail: JobDetail, arm: str) -> str:
    """The arm drawn on top beside the reference: the chosen one, or the first control."""
    others = [a for a in arms_of(detail) if a != detail.reference]
    return arm if arm in others else (others[0] if others else detail.reference)


def axes_of(detail: JobDetail) -> tuple[str, ...]:
    """Possible x axes of the curves: the recorded steps, and what follows from them."""
    games = ("games",) if "games" in detail.metrics else ()
    return ("step", *(("update",) if steps_per_update(detail) else ()), *games)


def steps_per_update(detail: JobDetail) -> int:
    """Recorded steps per update; 0 if steps are not counted that way."""
    training = detail.job.experiment.training
    return int(getattr(training, "environments", 0) * getattr(training, "between", 0))
