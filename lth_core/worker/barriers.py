"""Scores between stored solutions, in a process of its own (it imports torch): for `lth inspect --barriers`.

python -m lth_core.worker.barriers WORKSPACE DEVICE < {"spec": ..., "pairs": [[a, b], ...], "points": 11}

Linear mode connectivity (Frankle et al. 2020; Paul et al. 2023 between successive rounds): networks on the straight
line between two solutions are evaluated on the same episodes, or the same texts.
"""

import sys
from pathlib import Path
from typing import Any

from lth_core.batches.batch import BatchSpec
from lth_core.batches.processes import answer
from lth_core.store.workspace import Workspace
from lth_core.training.families import make_model
from lth_core.worker.assemble import Assembler
from lth_core.worker.solutions import between, metric_of, scores, solution


def act(message: dict[str, Any]) -> dict[str, Any]:
    """The scores along each pair of trials, (pairs, points), and their metric."""
    workspace, device = Workspace(Path(sys.argv[1])), sys.argv[2]
    spec = BatchSpec.from_json(message["spec"])
    found = along(workspace, spec, message["pairs"], message["points"], device)
    metric, higher = metric_of(spec.experiment)
    return {"scores": found, "metric": metric, "higher": higher}


def along(
    workspace: Workspace, spec: BatchSpec, pairs: list[tuple[int, int]], points: int, device: str
) -> list[list[float]]:
    """Scores (pairs, points); a pair: indices of two trials of the specification, of one seed."""
    network = make_model(spec.experiment)
    assembler = Assembler(workspace, spec, network)
    ends = [[solution(assembler, spec.trials[place].key) for place in pair] for pair in pairs]
    every = [point for one, other in ends for point in between(one, other, points)]
    found = scores(spec.experiment, network, every, device)
    return [found[first : first + points] for first in range(0, len(found), points)]


if __name__ == "__main__":
    sys.exit(answer(act))
