"""`lth check`: the resolved experiment, its trials, and what it will cost, from a short measurement."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lth_core.cli.console import make_console
from lth_core.cli.fields import experiment_fields, lines
from lth_core.cli.progress import duration, rate
from lth_core.engine.slots import Slot, find_slots
from lth_core.errors import InputError
from lth_core.experiment import Experiment
from lth_core.plan import PlannedTrial, plan
from lth_core.suite import Suite
from lth_core.suite_file import load
from lth_core.text import one_line

MEASURE_SECONDS = 2.0
_METRICS, _BYTES_PER_POINT = 5, 28 + 60 + 45  # in the database, in TensorBoard's log, in the records


@dataclass(frozen=True)
class Cost:
    """Estimated steps, seconds and bytes of an experiment; `at_most` where games bound the length."""

    steps: int
    seconds: float
    bytes: int
    at_most: bool


def check(file: Path, overrides: list[str], device: str, slots: int | None, *, measure: bool) -> None:
    """Print experiment, trials and estimate; each member of a suite in short."""
    console = make_console()
    held = load(file, overrides)
    found = find_slots(device, slots)
    if isinstance(held, Suite):
        _check_suite(console, held, found, measure=measure)
        return
    console.print(lines(experiment_fields(held)), markup=False, highlight=False, soft_wrap=True)
    console.print(f"identity = {held.identity}", markup=False, highlight=False)
    console.print(f"\n{_trials(held)}", highlight=False, soft_wrap=True)
    if measure:
        _print_cost(console, held, found)


def _check_suite(console: Console, suite: Suite, found: list[Slot], *, measure: bool) -> None:
    """Each member's trials and estimate, and what they cost together."""
    console.print(f"suite {suite.name}: {len(suite.experiments)} experiments", highlight=False)
    costs = []
    for experiment in suite.experiments:
        console.print(f"\n{experiment.name} (identity {experiment.identity[:12]})", highlight=False)
        console.print(_trials(experiment), highlight=False, soft_wrap=True)
        if measure:
            costs.append(_print_cost(console, experiment, found))
    trials = sum(len(plan(experiment)) for experiment in suite.experiments)
    cost = ""
    if costs:
        bound = "at most" if any(one.at_most for one in costs) else "about"
        cost = f", {bound} {duration(sum(c.seconds for c in costs))} and {sum(c.bytes for c in costs) / 1e6:,.0f} MB"
    console.print(f"\nin all {trials} trials{cost}", highlight=False, soft_wrap=True)


def _trials(experiment: Experiment) -> str:
    trials = plan(experiment)
    per_arm = Counter(trial.key.arm for trial in trials)
    return f"{len(trials)} trials: {', '.join(f'{count} {arm}' for arm, count in per_arm.items())}"


def _print_cost(console: Console, experiment: Experiment, found: list[Slot]) -> Cost:
    """Measure, print and return what an experiment costs on these slots."""
    trials = plan(experiment)
    stack = min(experiment.model.largest_stack, math.ceil(len(experiment.arms) * len(experiment.seeds) / len(found)))
    measured = _measure(experiment, found, stack)
    cost = estimate(experiment, trials, measured["rate"], int(measured["parameters"]), int(measured["steps_per_unit"]))
    bound = "at most " if cost.at_most else "about "
    where = ", ".join(f"{count} on {name}" for name, count in Counter(s.device for s in found).items())
    console.print(
        f"{int(measured['parameters']):,} parameters; {rate(measured['rate'])} measured, a stack of {stack} on each of "
        f"{len(found)} slots ({where})\n"
        f"{bound}{cost.steps:,} {experiment.training.steps}, {duration(cost.seconds)} "
        f"and {cost.bytes / 1e6:,.0f} MB on disk",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    return cost


def estimate(
    experiment: Experiment, trials: tuple[PlannedTrial, ...], rate: float, parameters: int, steps_per_unit: int
) -> Cost:
    """What the trials cost at `rate` steps per second in all."""
    lengths = [last - first for first, last in (experiment.span(trial.key.arm) for trial in trials)]
    steps = sum(lengths) * steps_per_unit
    points = steps / experiment.training.record_every * _METRICS
    copies = len(trials) + 2 * len(experiment.seeds)  # a dense run also keeps two starts
    size = copies * parameters * 4 + len(trials) * parameters / 8 + points * _BYTES_PER_POINT + len(trials) * 8_000
    return Cost(steps, steps / rate, int(size), experiment.training.unit == "games")


def _measure(experiment: Experiment, slots: list[Slot], tickets: int) -> dict[str, float]:
    """Measured in as many processes at once as there are slots: neighbours take from each other."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "lth_core.engine.measure", slot.device, str(tickets), str(MEASURE_SECONDS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(slot.threads), "OMP_WAIT_POLICY": "PASSIVE"},
        )
        for slot in slots
    ]  # fmt: skip
    for process in processes:  # all at once, before waiting for any
        assert process.stdin is not None  # noqa: S101 opened as a pipe
        process.stdin.write(experiment.canonical())
        process.stdin.close()
        process.stdin = None
    found: list[dict[str, float]] = []
    for process in processes:
        out, errors = process.communicate()
        try:
            found.append(json.loads(out))
        except ValueError:
            raise InputError(f"the step rate could not be measured: {one_line(errors[-300:])}") from None
        if "error" in found[-1]:
            raise InputError(str(found[-1]["error"]))
    return {**found[0], "rate": sum(one["rate"] for one in found)}
