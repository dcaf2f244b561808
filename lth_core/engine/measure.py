"""A short measurement of the step rate, in a process of its own (it imports torch).

`lth check` estimates from it, and the engine decides from it whether tickets train together.

python -m lth_core.engine.measure DEVICE TICKETS[,TICKETS ...] SECONDS < experiment.json
"""

import json
import sys
import time
from typing import Any

from lth_core.experiment import Experiment


def main() -> int:
    """Print JSON: `rates`, steps per second of all tickets by the size of their stack; parameters of one, and steps
    of a unit of training at most.
    """
    device, sizes, seconds = sys.argv[1], [int(size) for size in sys.argv[2].split(",")], float(sys.argv[3])
    experiment = Experiment.from_json(sys.stdin.read())
    import torch

    from lth_core.errors import InputError
    from lth_core.training.build import make_model

    torch.set_num_threads(1)
    try:
        model = make_model(experiment)
        measured = {str(size): _measure(experiment, model, device, size, seconds) for size in sizes}
    except InputError as error:
        print(json.dumps({"error": str(error)}))
        return 2
    parameters = sum(shape.numel() for shape in model.shapes().values())
    rates = {size: rate for size, (rate, _) in measured.items()}
    steps_per_unit = max(steps for _, steps in measured.values())
    print(json.dumps({"rates": rates, "parameters": parameters, "steps_per_unit": steps_per_unit}))
    return 0


def _measure(experiment: Experiment, model: Any, device: str, tickets: int, seconds: float) -> tuple[float, int]:
    """Steps per second of a stack of so many tickets, and steps of a unit of training."""
    from lth_core.errors import InputError
    from lth_core.training.build import make_stack
    from lth_core.training.stack import Start

    starts = [Start(i, model.initialise(i), {}, *experiment.span("dense")) for i in range(tickets)]
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
    sys.exit(main())
