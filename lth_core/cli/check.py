"""`lth check`: the resolved experiment, its trials, and what it will cost, from a short measurement."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lth_core.cli.console import make_console
from lth_core.cli.fields import experiment_fields, lines
from lth_core.cli.progress import duration, rate
from lth_core.engine.dispatch import LARGEST_STACK
from lth_core.engine.slots import Slot, find_slots
from lth_core.errors import InputError
from lth_core.experiment import Experiment
from lth_core.experiment_file import load_experiment
from lth_core.plan import PlannedTrial, plan
from lth_core.text import one_line

MEASURE_SECONDS = 2.0
_METRICS, _BYTES_PER_POINT = 5, 28 + 60 + 45  # in the database, in TensorBoard's log, in the records


@dataclass(frozen=True)
class Cost:
    """Estimated environment steps, seconds and bytes of an experiment; `at_most` where games bound the length."""

    steps: int
    seconds: float
    bytes: int
    at_most: bool


def check(file: Path, overrides: list[str], device: str, slots: int | None, *, measure: bool) -> None:
    """Print experiment, trials and estimate."""
    console = make_console()
    experiment = load_experiment(file, overrides)
    found = find_slots(device, slots)
    console.print(lines(experiment_fields(experiment)), markup=False, highlight=False, soft_wrap=True)
    console.print(f"identity = {experiment.identity}", markup=False, highlight=False)
    trials = plan(experiment)
    per_arm = Counter(trial.key.arm for trial in trials)
    arms = ", ".join(f"{count} {arm}" for arm, count in per_arm.items())
    console.print(f"\n{len(trials)} trials: {arms}", highlight=False, soft_wrap=True)
    if not measure:
        return
    stack = min(LARGEST_STACK, math.ceil(len(experiment.arms) * len(experiment.seeds) / len(found)))
    measured = _measure(experiment, found, stack)
    cost = estimate(experiment, trials, measured["rate"], int(measured["parameters"]), int(measured["limit"]))
    bound = "at most " if cost.at_most else "about "
    where = ", ".join(f"{count} on {name}" for name, count in Counter(s.device for s in found).items())
    console.print(
        f"{int(measured['parameters']):,} parameters; {rate(measured['rate'])} measured, a stack of {stack} on each of "
        f"{len(found)} slots ({where})\n"
        f"{bound}{cost.steps:,} environment steps, {duration(cost.seconds)} and {cost.bytes / 1e6:,.0f} MB on disk",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def estimate(
    experiment: Experiment, trials: tuple[PlannedTrial, ...], rate: float, parameters: int, limit: int
) -> Cost:
    """What the trials cost at `rate` steps per second in all; games are counted with the episode limit."""
    games = experiment.training.unit == "games"
    per_unit = limit if games else 1
    lengths = [last - first for first, last in (experiment.span(trial.key.arm) for trial in trials)]
    steps = sum(lengths) * per_unit
    points = steps / experiment.training.record_every * _METRICS
    copies = len(trials) + 2 * len(experiment.seeds)  # a dense run also keeps two starts
    size = copies * parameters * 4 + len(trials) * parameters / 8 + points * _BYTES_PER_POINT + len(trials) * 8_000
    return Cost(steps, steps / rate, int(size), games)


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
