"""How much training the weights of each trial have had, including that of the weights it started from."""

from collections.abc import Iterator, Mapping

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment


def trained(experiment: Experiment, arm: str, round: int) -> int:
    """Training behind a trial at its end, in `training.unit`; what a ticket from elsewhere had is not counted."""
    first, last = experiment.span(arm)
    if arm == DENSE:
        return last - first
    definition = experiment.arm_named(arm)
    before = 0
    if definition.weights in ("rewind", "shuffled"):
        before = experiment.rewind_point
    elif definition.weights == "final":
        own = definition.mask == "iterative" and round > 1
        before = trained(experiment, arm, round - 1) if own else trained(experiment, DENSE, 0)
    return before + last - first


def all_trained(experiment: Experiment) -> Mapping[str, tuple[int, ...]]:
    """Of each arm, round by round; the dense network first."""
    of_arms = {arm: tuple(trained(experiment, arm, k) for k in experiment.rounds_of(arm)) for arm in experiment.arms}
    return {DENSE: (trained(experiment, DENSE, 0),), **of_arms}


def are_equal(experiment: Experiment) -> bool:
    """Whether the same amount of training stands behind all arms at all rounds, the dense network aside."""
    return len({length for arm in experiment.arms for length in all_trained(experiment)[arm]}) == 1


def length_notes(experiment: Experiment) -> Iterator[str]:
    """One line: whether arms have trained equally long in all, and which have not."""
    unit, found = experiment.training.unit, all_trained(experiment)
    arms: dict[str, list[str]] = {}
    for arm, lengths in found.items():
        grows = f" in round 1 to {lengths[-1]:,} in round {len(lengths)}" if len(set(lengths)) > 1 else ""
        arms.setdefault(f"{lengths[0]:,}{grows}", []).append(arm)
    own = {lengths for arm, lengths in found.items() if arm in experiment.arms}
    said = "; ".join(f"{length} {', '.join(names)}" for length, names in arms.items())
    if len(arms) == 1:
        yield f"training behind each arm: {said.split(' ')[0]} {unit}, the same for all"
        return
    same = "the same for all arms" if are_equal(experiment) else "not the same for all arms"
    mends = experiment.rewinding.weights > 0 and not experiment.rewinding.equal_training
    short = mends and any(experiment.evens_out(arm) for arm in experiment.arms) and len(own) > 1
    how = " (rewinding.equal_training lets fresh arms train as long as rewound ones)" if short else ""
    yield f"training behind each arm, in {unit}, {same}: {said}{how}"
