"""Error barriers between stored solutions, in a process of its own (it imports torch): for `lth inspect --barriers`.

python -m lth_core.engine.connectivity WORKSPACE DEVICE < {"spec": ..., "pairs": [[a, b], ...], "points": 11}

Linear mode connectivity (Frankle et al. 2020; Paul et al. 2023 between successive rounds): all networks on the
straight line between two solutions are evaluated on the same episodes.
"""

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lth_core.engine.assemble import Assembler, DamagedParent
from lth_core.engine.batch import BatchSpec
from lth_core.errors import InputError
from lth_core.experiment import Experiment
from lth_core.store.workspace import Workspace
from lth_core.tickets.mask import Weights
from lth_core.training.build import make_model, make_stack
from lth_core.training.stack import Start

EPISODES = 32
_LARGEST_STACK = 256


def main() -> int:
    """Print the greedy returns along each pair of trials, (pairs, points), first and last being the trials' own."""
    workspace, device = Workspace(Path(sys.argv[1])), sys.argv[2]
    message = json.loads(sys.stdin.read())
    spec = BatchSpec.from_json(json.dumps(message["spec"]))
    try:
        found = returns(workspace, spec, message["pairs"], message["points"], device)
    except (InputError, DamagedParent) as error:
        print(json.dumps({"error": str(error)}))
        return 2
    print(json.dumps({"returns": found.tolist(), "episodes": EPISODES}))
    return 0


def returns(
    workspace: Workspace, spec: BatchSpec, pairs: list[tuple[int, int]], points: int, device: str
) -> npt.NDArray[np.float64]:
    """Returns (pairs, points); a pair names two places among the specification's trials, of one seed."""
    experiment = spec.experiment
    if experiment.task.kind != "control" or getattr(experiment.training, "normalise_observations", False):
        raise InputError("barriers: accepted are control tasks without normalise_observations, which is not stored")
    changed = {"evaluation_episodes": EPISODES}
    experiment = experiment.model_copy(update={"training": experiment.training.model_copy(update=changed)})
    assembler = Assembler(workspace, spec, make_model(experiment))
    starts = []
    for a, b in pairs:
        one, other = spec.trials[a].key, spec.trials[b].key
        trained = assembler.family(one.seed).trained
        first, last = (trained[(key.arm, key.round)].final for key in (one, other))
        between = [line(first, last, i / (points - 1)) for i in range(points)]
        starts += [Start(one.seed, weights, {}, *experiment.span("dense")) for weights in between]
    stacks = [starts[i : i + _LARGEST_STACK] for i in range(0, len(starts), _LARGEST_STACK)]
    parts = [_evaluated(experiment, stack, device) for stack in stacks]
    return np.concatenate(parts).reshape(len(pairs), points)


def line(one: Weights, other: Weights, share: float) -> Weights:
    """(1 - share) x one + share x other; the ends exactly."""
    if share in (0.0, 1.0):
        return one if share == 0.0 else other
    return {name: torch.lerp(w, other[name], share) for name, w in one.items()}


def _evaluated(experiment: Experiment, starts: list[Start], device: str) -> npt.NDArray[np.float64]:
    stack = make_stack(experiment, make_model(experiment), starts, device)
    return np.array([found["return/eval-greedy"] for found in stack.evaluate(range(len(starts)), lambda: True)])


if __name__ == "__main__":
    sys.exit(main())
