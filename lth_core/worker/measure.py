"""A short measurement of the step rate, in a process of its own (it imports torch).

`lth check` estimates from it, and the engine decides from it whether tickets train together.

python -m lth_core.worker.measure DEVICE TICKETS[,TICKETS ...] SECONDS [evaluate] < {"experiment": ...}
"""

import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from lth_core.batches.processes import answer
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.tickets.network import Network
from lth_core.training.families import make_model, rehearsal, wider_network
from lth_core.training.stack import Calls, Interrupted
from lth_core.worker.sparse_rounds import chosen, densities, stack_of

WIDER_SECONDS = 1.0
ENOUGH, A_FEW, PATIENCE = 1.0, 3.0, 60.0
"""Seconds after which a judgement is cut: where its length is known, where it may end soon, and any other."""


def act(message: dict[str, Any]) -> dict[str, Any]:
    """rates: steps per second of all tickets, by stack size; for a stack of one also its parameters and densities.

    With `evaluate` also, by stack size, the seconds that a ticket's evaluation at its end takes, and its validation at
    each record; before: the seconds of a training that comes before the first ticket; and rounds: what a step costs in
    some rounds, as a share of whole tickets, where `training.sparse` makes a difference; wider: by arm of a wider
    network, how many times as long its training, its evaluation and its validation take.
    """
    device, sizes, seconds = sys.argv[1], [int(size) for size in sys.argv[2].split(",")], float(sys.argv[3])
    experiment = Experiment.from_json(message["experiment"])
    torch.set_num_threads(1)
    experiment, first = rehearsal(experiment)
    model = make_model(experiment)
    evaluate = "evaluate" in sys.argv[4:]
    measured = {str(size): _measure(experiment, model, device, size, seconds, evaluate=evaluate) for size in sizes}
    parameters = sum(shape.numel() for shape in model.shapes().values())
    return {
        "rates": {size: one.rate for size, one in measured.items()},
        "evaluation": {size: one.evaluation for size, one in measured.items()},
        "validation": {size: one.validation for size, one in measured.items()},
        "parameters": parameters, "steps_per_unit": max(one.steps_per_unit for one in measured.values()),
        "held": {size: one.held for size, one in measured.items()},
        "densities": densities(model, experiment.pruning),
        "rounds": _relative(experiment, model, device, sizes[-1], seconds) if evaluate else {},
        "wider": _wider(experiment, model, device, sizes[-1], measured[str(sizes[-1])]) if evaluate else {},
        "before": 0.0 if first is None or not evaluate else _whole(first, device, seconds),
    }  # fmt: skip


@dataclass(frozen=True)
class _Measured:
    """Steps per second of a stack, steps of a unit of training, and seconds of a ticket's evaluation and validation.

    held: bytes of the stack's log, full.
    """

    rate: float
    steps_per_unit: int
    evaluation: float
    validation: float
    held: int


def _measure(
    experiment: Experiment, model: Network, device: str, tickets: int, seconds: float, *, evaluate: bool
) -> _Measured:  # fmt: skip
    stack = stack_of(experiment, model, tickets, device)
    stack.warm_up()
    stack.broken()  # waits for a device, here and at the end
    before, start = stack.trained, time.perf_counter()
    while time.perf_counter() - start < seconds:
        stack.update()
    stack.broken()
    rate = (stack.trained - before) * tickets / (time.perf_counter() - start)
    if faults := stack.faults():
        raise InputError(next(iter(faults.values())))
    evaluation = validation = 0.0
    if evaluate:
        validation = _seconds(stack.validate, None) / tickets
        evaluation = _seconds(partial(stack.evaluate, range(tickets)), stack.evaluation_calls()) / tickets
    held = 0 if stack.log is None else stack.log.bytes
    return _Measured(rate, stack.steps_per_unit, evaluation, validation, held)


def _relative(
    experiment: Experiment, model: Network, device: str, tickets: int, seconds: float
) -> dict[int, float]:  # fmt: skip
    """What a step of a stack costs in some rounds, as a share of whole tickets; see `sparse_rounds`."""
    kept = {0: 1.0, **(rounds := chosen(experiment, model, device))}
    stacks = {round: stack_of(experiment, model, tickets, device, share) for round, share in kept.items() if rounds}
    for stack in stacks.values():
        stack.warm_up()
    fastest, begun = dict.fromkeys(stacks, math.inf), time.perf_counter()
    while stacks and time.perf_counter() - begun < seconds:  # in turn, so that all see the same load
        for round, stack in stacks.items():
            before = time.process_time()
            stack.update()
            fastest[round] = min(fastest[round], time.process_time() - before)
    return {round: fastest[round] / fastest[0] for round in rounds}


def _wider(
    experiment: Experiment, model: Network, device: str, tickets: int, plain: _Measured
) -> dict[str, list[float]]:  # fmt: skip
    found = {}
    for name in experiment.arms:
        arm = experiment.arm_named(name)
        if arm.mask == "wider":
            network = wider_network(experiment, model, arm.width)
            own = _measure(experiment, network, device, tickets, WIDER_SECONDS, evaluate=True)
            judging = ((own.evaluation, plain.evaluation), (own.validation, plain.validation))
            found[name] = [plain.rate / own.rate, *(one / other if other else 1.0 for one, other in judging)]
    return found


def _whole(experiment: Experiment, device: str, seconds: float) -> float:
    """Seconds of the dense training of one seed."""
    one = _measure(experiment, make_model(experiment), device, 1, seconds, evaluate=True)
    first, last = experiment.span(DENSE)
    return (last - first) * one.steps_per_unit / one.rate + one.evaluation


def _seconds(judge: Callable[[Callable[[], bool]], object], calls: Calls | None) -> float:
    """Seconds that a judgement of a trained stack takes, from one that is cut after a while.

    calls: how often it is expected to call `go_on`; None: as often as it does now.
    """
    begun = [time.perf_counter()]
    most = PATIENCE if calls is None else A_FEW if calls.after_all else ENOUGH

    def go_on() -> bool:
        begun.append(time.perf_counter())
        return begun[-1] - begun[1] < most

    cut = True
    with suppress(Interrupted):
        judge(go_on)
        cut = False
    ended, counted = time.perf_counter(), len(begun) - 1
    if calls is None or not counted or (calls.after_all and not cut):
        return ended - begun[0]
    return begun[1] - begun[0] + (ended - begun[1]) * max(calls.number, counted) / counted


if __name__ == "__main__":
    sys.exit(answer(act))
