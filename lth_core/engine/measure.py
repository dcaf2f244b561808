"""A short measurement of the step rate, in a process of its own (it imports torch): what `lth check` estimates from.

python -m lth_core.engine.measure DEVICE TICKETS SECONDS < experiment.json
"""

import json
import sys
import time

from lth_core.experiment import Experiment


def main() -> int:
    """Print JSON: steps per second of a stack of tickets, parameters of one, steps of a unit of training at most."""
    device, tickets, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    experiment = Experiment.from_json(sys.stdin.read())
    import torch

    from lth_core.errors import InputError
    from lth_core.training.build import make_model, make_stack
    from lth_core.training.stack import Start

    torch.set_num_threads(1)
    try:
        model = make_model(experiment)
        starts = [Start(i, model.initialise(i), {}, *experiment.span("dense")) for i in range(tickets)]
        stack = make_stack(experiment, model, starts, device)
    except InputError as error:
        print(json.dumps({"error": str(error)}))
        return 2
    stack.update()
    before, start = stack.trained, time.perf_counter()
    while time.perf_counter() - start < seconds:
        stack.update()
    rate = (stack.trained - before) * tickets / (time.perf_counter() - start)
    parameters = sum(shape.numel() for shape in model.shapes().values())
    print(json.dumps({"rate": rate, "parameters": parameters, "steps_per_unit": stack.steps_per_unit}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
