"""What tickets are measured against: the dense network, or that network trained again from its own rewind weights."""

from collections.abc import Iterator

from lth_core.experiment.arms import DENSE, DENSE_REWOUND
from lth_core.experiment.tables import Tables


def baseline(experiment: Tables) -> str:
    """The first arm that trains the unpruned network from its rewind weights, as `dense_rewound` does, else `dense`."""
    arms = {name: experiment.arm_named(name) for name in experiment.arms}
    return next((name for name, arm in arms.items() if arm.unpruned and arm.weights == "rewind"), DENSE)


def has_head_start(experiment: Tables) -> bool:
    """Whether some tickets start with training behind them that the dense network they are compared with lacks."""
    ahead = any(experiment.arm_named(arm).weights == "rewind" for arm in experiment.arms)
    return experiment.rewinding.weights > 0 and ahead and baseline(experiment) == DENSE


def baseline_notes(experiment: Tables) -> Iterator[str]:
    """What "the dense network" is, where tickets are rewound to a trained point."""
    point = f"{experiment.rewinding.weights:,} {experiment.training.unit}"
    if baseline(experiment) != DENSE:
        yield (
            f"the dense network that tickets are compared with is {baseline(experiment)}: "
            f"trained again from its own weights at {point}, as tickets are"
        )
    elif has_head_start(experiment):
        yield (
            f"tickets start with {point} of training that the dense network does not get a second time; "
            f"add the arm {DENSE_REWOUND} to take that head start out of the comparison"
        )
