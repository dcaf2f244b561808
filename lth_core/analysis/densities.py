"""The density of each round, as far as known: measured, else nominal if that is exact."""

from collections.abc import Iterable, Sequence

from lth_core.analysis.trials import Scored, measured_density
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment


def known_density(experiment: Experiment, trials: Iterable[Scored], arm: str, round: int) -> float | None:
    """Fraction of the prunable parameters that remains for an arm at a round.

    Measured if a trial has it. Before that the nominal density; None if groups have fractions of their own, because the
    density then depends on the layers' sizes.
    """
    if arm == DENSE or round == 0 or experiment.arm_named(arm).unpruned:
        return 1.0
    here = [t for t in trials if (t.arm, t.round) == (arm, round)]
    found = measured_density(here)
    if found is None and experiment.arm_named(arm).mask not in ("gradual", "smaller"):
        found = next((t.density for t in here if t.density is not None), None)  # the mask stays as it starts
    return nominal(experiment, round) if found is None else found


def nominal(experiment: Experiment, round: int) -> float | None:
    """The nominal density of a round; None if groups have fractions of their own."""
    return None if experiment.pruning.fractions and round else experiment.pruning.density(round)


def axis_densities(experiment: Experiment, trials: Sequence[Scored]) -> list[float]:
    """Densities of the dense network and the rounds of the reference arm, as far as known; falling from 1."""
    arm, rounds = experiment.reference, range(experiment.pruning.rounds + 1)
    own = [trial for trial in trials if trial.arm == arm]
    found = (known_density(experiment, own, arm, k) for k in rounds)
    return [one for one in found if one is not None]


def lowest(experiment: Experiment, known: Sequence[float]) -> float:
    """The end of a density axis: the last round's density, or a lower bound while that is unknown."""
    pruning = experiment.pruning
    if len(known) > pruning.rounds:
        return known[-1]
    return float(min((1 - fraction) ** pruning.rounds for fraction in (pruning.fraction, *pruning.fractions.values())))
