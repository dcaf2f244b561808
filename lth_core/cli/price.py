"""What an experiment costs, measured on slots of this machine: for `lth check`."""

import json
import math
import subprocess
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from lth_core.cli.estimate import Cost, Measured, estimate, read
from lth_core.engine.slots import Slot, usable
from lth_core.engine.stacking import SIZE, stack_size, start_measuring
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import plan
from lth_core.experiment.stack_sizes import most_in_a_cluster_job, most_tickets
from lth_core.settings.launcher import LocalLauncher
from lth_core.text import one_line

MEASURE_SECONDS = 1.0
"""Of each size of a stack."""


@dataclass(frozen=True)
class Priced:
    """A cost and what it was estimated from. rate: of all workers; stacking: why stacks are so large, or empty.

    densities: the share of prunable parameters kept after each round. slots: those that measured it; workers: stacks
    that train at once. held: bytes of a stack's replay buffers.
    """

    cost: Cost
    measured: Measured
    rate: float
    stack: int
    stacking: str
    parameters: int
    densities: list[float]
    slots: list[Slot]
    workers: int
    held: int = 0


def price(experiment: Experiment, found: list[Slot]) -> Priced:
    """Measure what an experiment costs on these slots, or in a cluster's jobs if they were as fast as one of them."""
    trials = plan(experiment)
    slots, workers, most = _workers(experiment, found)
    # Stacks of dense runs are the smaller ones, and of the first round as large as any.
    of_round = Counter(trial.key.round for trial in trials)
    sizes = sorted({min(most, math.ceil(of_round[round] / workers)) for round in (0, 1)})
    compared = experiment.model.stack_is_measured and sizes[-1] > 1
    answers = _measure(experiment, slots, [1, SIZE] if compared else sizes)
    rates, measured, stacking = answers[0]["rates"], read(answers), ""
    if not isinstance(experiment.launcher, LocalLauncher):  # every job there is a process of its own
        measured = replace(measured, start=0.0, batch=measured.batch + measured.start)
    if compared and str(SIZE) not in rates:
        most, stacking = 1, "estimated for one ticket per slot: to compare stacks here would take long\n"
    elif compared:
        decision = stack_size(experiment, rates)
        most, stacking = decision.largest, f"{decision.text}\n"
    stack = min(most, sizes[-1])
    known = str(stack) if str(stack) in rates else str(SIZE)
    together = workers * int(known) / measured.networks[""].step[int(known)]
    return Priced(
        estimate(experiment, trials, measured, workers, most),
        measured,
        together / measured.clock,
        stack,
        stacking,
        int(answers[0]["parameters"]),
        [float(one) for one in answers[0]["densities"]],
        slots,
        workers,
        int(answers[0]["held"][known]),
    )


def _workers(experiment: Experiment, found: list[Slot]) -> tuple[list[Slot], int, int]:
    """The slots to measure on, how many stacks train at once, and the most tickets of one."""
    need = experiment.launcher
    if isinstance(need, LocalLauncher):
        slots = usable(found, experiment, need.device)
        return slots, len(slots), most_tickets(experiment, slots[0].kind)
    like = next((slot for slot in found if slot.kind == need.trains_on), found[0])
    return [replace(like, threads=need.cpus)], need.most_jobs, most_in_a_cluster_job(experiment, need.trains_on)


def _measure(experiment: Experiment, slots: list[Slot], tickets: list[int]) -> list[dict[str, Any]]:
    """What as many processes at once as there are slots have measured, because they slow each other down.

    On a CPU the first alone measures more than steps: seconds of a processor that the others would spend for the same.
    """
    # Start all of them before waiting for any.
    processes = [
        start_measuring(
            experiment, slot, tickets, MEASURE_SECONDS, subprocess.PIPE,
            "steps" if place and slot.kind == "cpu" else "evaluate",
        )
        for place, slot in enumerate(slots)
    ]  # fmt: skip
    found: list[dict[str, Any]] = []
    for process in processes:
        out, errors = process.communicate()
        try:
            found.append(json.loads(out))
        except ValueError:
            said = one_line(errors[-300:].decode(errors="replace"))
            raise InputError(f"the step rate could not be measured: {said}") from None
        if "error" in found[-1]:
            raise InputError(str(found[-1]["error"]))
    return found
