"""A short measurement of the step rate, in a process of its own (it imports torch).

`lth check` estimates from it, and the engine decides from it whether tickets train together.

python -m lth_core.worker.measure DEVICE TICKETS[,TICKETS ...] SECONDS < {"experiment": ...}
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

import torch

from lth_core.batches.processes import answer
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.settings.pruning import Pruning
from lth_core.tickets.mask import full, size
from lth_core.tickets.network import Network
from lth_core.tickets.scope import asked, prunable
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Start


def act(message: dict[str, Any]) -> dict[str, Any]:
    """rates: steps per second of all tickets, by stack size; for a stack of one also its parameters and densities."""
    device, sizes, seconds = sys.argv[1], [int(size) for size in sys.argv[2].split(",")], float(sys.argv[3])
    experiment = Experiment.from_json(message["experiment"])
    torch.set_num_threads(1)
    model = make_model(experiment)
    measured = {str(size): _measure(experiment, model, device, size, seconds) for size in sizes}
    parameters = sum(shape.numel() for shape in model.shapes().values())
    rates = {size: rate for size, (rate, _) in measured.items()}
    steps_per_unit = max(steps for _, steps in measured.values())
    return {
        "rates": rates, "parameters": parameters, "steps_per_unit": steps_per_unit,
        "densities": densities(model.shapes(), model.groups(), experiment.pruning),
    }  # fmt: skip


def densities(shapes: Mapping[str, torch.Size], groups: Mapping[str, frozenset[str]], pruning: Pruning) -> list[float]:
    """Fraction of the prunable parameters that remains after each round from 1 on, counted as in the derivation."""
    everything = full({name: shapes[name] for name in prunable(groups, pruning)})
    kept = [asked(everything, groups, pruning, round) for round in range(1, pruning.rounds + 1)]
    return [(sum(k.values()) if isinstance(k, dict) else k) / size(everything) for k in kept]


def _measure(experiment: Experiment, model: Network, device: str, tickets: int, seconds: float) -> tuple[float, int]:
    """Steps per second of a stack of this many tickets, and steps of a unit of training."""
    starts = [Start(i, model.initialise(i), {}, *experiment.span(DENSE)) for i in range(tickets)]
    stack = make_stack(experiment, model, starts, device)
    stack.update()
    before, start = stack.trained, time.perf_counter()
    while time.perf_counter() - start < seconds:
        stack.update()
    rate = (stack.trained - before) * tickets / (time.perf_counter() - start)
    if faults := stack.faults():
        raise InputError(next(iter(faults.values())))
    return rate, stack.steps_per_unit


if __name__ == "__main__":
    sys.exit(answer(act))
