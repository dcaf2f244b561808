"""What remains of a network at each round, as far as it is known: measured, else as asked where that is exact."""

from collections.abc import Iterable, Sequence

from lth_core.analysis.trials import Scored, measured_density
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment


def known_density(experiment: Experiment, trials: Iterable[Scored], arm: str, round: int) -> float | None:
    """Fraction of the prunable parameters that remains for an arm at a round.

    Measured where a trial has it. Before that the fraction asked, except where groups have fractions of their own:
    what remains then depends on the layers' sizes, and None is returned.
    """
    if arm == DENSE or round == 0 or experiment.arm_named(arm).unpruned:
        return 1.0
    here = [t for t in trials if (t.arm, t.round) == (arm, round)]
    found = measured_density(here)
    if found is None and experiment.arm_named(arm).mask not in ("gradual", "smaller"):
        found = next((t.density for t in here if t.density is not None), None)  # the mask stays as it starts
    return nominal(experiment, round) if found is None else found


def nominal(experiment: Experiment, round: int) -> float | None:
    """The density asked for at a round; None where groups have fractions of their own."""
    return None if experiment.pruning.fractions and round else experiment.pruning.density(round)


def axis_densities(experiment: Experiment, trials: Sequence[Scored]) -> list[float]:
    """Of the dense network and the rounds of the reference arm, as far as they are known; from 1 down."""
    rounds = range(experiment.pruning.rounds + 1)
    found = (known_density(experiment, trials, experiment.reference, k) for k in rounds)
    return [one for one in found if one is not None]


def lowest(experiment: Experiment, known: Sequence[float]) -> float:
    """Where a density axis ends: at the last round's density, or, while that is not known, where it may at least be."""
    pruning = experiment.pruning
    if len(known) > pruning.rounds:
        return known[-1]
    return float(min((1 - fraction) ** pruning.rounds for fraction in (pruning.fraction, *pruning.fractions.values())))
