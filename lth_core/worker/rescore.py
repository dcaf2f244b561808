"""Evaluates stored tickets again, in a process of its own (it imports torch), for `lth doctor --rescore`.

python -m lth_core.worker.rescore WORKSPACE < {"spec": ..., "threads": 1}
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from lth_core.batches.batch import BatchSpec, TrialSpec
from lth_core.batches.processes import answer
from lth_core.batches.provenance import attempt_facts
from lth_core.store.workspace import Workspace
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Start
from lth_core.worker.assemble import Assembler
from lth_core.worker.device_name import device_name
from lth_core.worker.ran_with import with_versions


def act(message: dict[str, Any]) -> dict[str, Any]:
    """What each trial of the specification measures, by trial and metric, and what it is measured with.

    Nothing is measured of a trial without the weights that were scored.
    """
    torch.set_num_threads(message["threads"])
    spec = BatchSpec.from_json(message["spec"])
    found = dict(rescored(Workspace(Path(sys.argv[1])), spec))
    facts = attempt_facts(device_name(torch.device("cpu")), message["threads"])
    return {"found": found, "facts": with_versions(facts, spec.experiment)}


def rescored(workspace: Workspace, spec: BatchSpec) -> Iterator[tuple[int, dict[str, float]]]:
    """The metrics of each trial, from its stored weights alone, one ticket after the other."""
    assembler = Assembler(workspace, spec, make_model(spec.experiment))
    for trial in spec.trials:
        yield trial.id, _measured(assembler, spec, trial)


def _measured(assembler: Assembler, spec: BatchSpec, trial: TrialSpec) -> dict[str, float]:
    key, experiment = trial.key, spec.experiment
    stored = assembler.family(key.seed).trained[key.arm, key.round]
    averaged = getattr(experiment.training, "average", 1) > 1
    if (averaged and stored.scored is None) or (assembler.normalises and stored.statistics is None):
        return {}
    weights, statistics = stored.judged
    start = Start(key.seed, weights, stored.mask, *experiment.span(key.arm), statistics=statistics)
    stack = make_stack(experiment, assembler.network(key), [start], "cpu")
    return stack.evaluate([0], lambda: True)[0]


if __name__ == "__main__":
    sys.exit(answer(act))
