"""What tickets are compared with: the dense network, or that network trained again from its own rewind weights."""

from collections.abc import Iterator

from lth_core.experiment.arms import DENSE, DENSE_REWOUND
from lth_core.experiment.tables import Tables


def baseline(experiment: Tables) -> str:
    """The first arm that trains the unpruned network from its rewind weights, as `dense_rewound` does, else `dense`."""
    arms = {name: experiment.arm_named(name) for name in experiment.arms}
    return next((name for name, arm in arms.items() if arm.unpruned and arm.weights == "rewind"), DENSE)


def head_start(experiment: Tables) -> str:
    """What tickets start with that the dense network they are compared with does not get, in words; else empty."""
    rewinding, arms = experiment.rewinding, [experiment.arm_named(name) for name in experiment.arms]
    schedules = {arm.schedule for arm in arms if arm.weights == "rewind"}
    point = f"{experiment.rewind_point:,} {experiment.training.unit}"
    if not rewinding.weights or not schedules or baseline(experiment) != DENSE:
        return ""
    if {rewinding.schedule if one == "experiment" else one for one in schedules} != {"rewind"}:
        return f"{point} of training that the dense network does not get again"
    if rewinding.optimizer == "fresh":
        return f"a fresh optimizer at {point}, and the dense network does not"
    return ""


def baseline_notes(experiment: Tables) -> Iterator[str]:
    """What "the dense network" is, where tickets are rewound to a trained point."""
    point = f"{experiment.rewind_point:,} {experiment.training.unit}"
    if baseline(experiment) != DENSE:
        yield (
            f"the dense network that tickets are compared with is {baseline(experiment)}: "
            f"trained again from its own weights at {point}, as tickets are"
        )
    elif ahead := head_start(experiment):
        yield f"tickets start with {ahead}; add the arm {DENSE_REWOUND} to take that out of the comparison"
