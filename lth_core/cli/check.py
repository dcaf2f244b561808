"""`lth check`: the resolved experiment, its trials, and an estimate of their cost from a short measurement."""

import json
import math
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from lth_core.analysis.questions import too_few
from lth_core.cli import shape_parts
from lth_core.cli.console import make_console
from lth_core.cli.fields import experiment_fields, lines
from lth_core.cli.progress import duration, rate
from lth_core.cli.shape_parts import Checked
from lth_core.cli.shapes import CheckedFile, print_json
from lth_core.cli.show import identified
from lth_core.engine import named_code
from lth_core.engine.slots import Slot, find_slots, usable
from lth_core.engine.stacking import SIZE, stack_size, start_measuring
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import notes
from lth_core.experiment.plan import PlannedTrial, plan
from lth_core.experiment.stack_sizes import most_tickets
from lth_core.experiment.suite import Suite, load
from lth_core.round_costs import relative
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.launcher import LocalLauncher
from lth_core.text import one_line, plural

MEASURE_SECONDS = 2.0
_METRICS, _BYTES_PER_POINT = 5, 28 + 60 + 45  # in the database, in TensorBoard's log, in the records


@dataclass(frozen=True)
class Cost:
    """Estimated steps, seconds and bytes of an experiment; `at_most` where games bound the length.

    judging: how many of the seconds are evaluations; before: how many the training of a teacher takes; saved: how many
    more it would be if all tickets were computed whole.
    """

    steps: int
    seconds: float
    bytes: int
    at_most: bool
    judging: float
    before: float = 0.0
    saved: float = 0.0


class Times(NamedTuple):
    """How many times as long as the experiment's network a wider one takes."""

    training: float = 1.0
    evaluation: float = 1.0
    validation: float = 1.0


@dataclass(frozen=True)
class _Priced:
    """A cost and what it was estimated from. rate: of all slots together; stacking: why stacks are so large, or empty.

    densities: the share of prunable parameters kept after each round. held: bytes of a stack's replay buffers.
    wider: by arm of a wider network.
    """

    cost: Cost
    rate: float
    stack: int
    stacking: str
    parameters: int
    densities: list[float]
    slots: list[Slot]
    held: int = 0
    wider: Mapping[str, Times] = field(default_factory=dict)


def check(
    file: Path, overrides: list[str], device: str, slots: int | None, *, measure: bool, as_json: bool = False
) -> None:
    """Print experiment, trials and estimate; each member of a suite in short."""
    console = make_console()
    held = load(file, overrides)
    found = find_slots(device, slots)
    if measure:
        named_code.check(held.experiments if isinstance(held, Suite) else [held], one_line(file))
    if as_json:
        suite, checked = (held.name, held.experiments) if isinstance(held, Suite) else (None, (held,))
        shape = CheckedFile(suite=suite, experiments=[_shape(one, found if measure else None) for one in checked])
        print_json(shape)
        return
    if isinstance(held, Suite):
        _check_suite(console, held, found, measure=measure)
        return
    console.print(lines(experiment_fields(held)), markup=False, highlight=False, soft_wrap=True)
    console.print(f"identity = {held.identity}", markup=False, highlight=False)
    for note in _notes(held):
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{_trials(held)}", highlight=False, soft_wrap=True)
    if measure and _can_be_measured(held):
        _print_cost(console, held, found)


def _check_suite(console: Console, suite: Suite, found: list[Slot], *, measure: bool) -> None:
    """Each member's trials and estimate, and what they cost together."""
    console.print(f"suite {suite.name}: {plural(len(suite.experiments), 'experiment')}", highlight=False)
    costs = []
    for experiment in suite.experiments:
        console.print(f"\n{experiment.name} (identity {experiment.identity[:12]})", highlight=False)
        for note in _notes(experiment):
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        console.print(_trials(experiment), highlight=False, soft_wrap=True)
        if measure and _can_be_measured(experiment):
            costs.append(_print_cost(console, experiment, found))
    trials = sum(len(plan(experiment)) for experiment in suite.experiments)
    cost = ""
    if costs:
        bound = "at most" if any(one.at_most for one in costs) else "about"
        cost = f", {bound} {duration(sum(c.seconds for c in costs))} and {sum(c.bytes for c in costs) / 1e6:,.0f} MB"
    console.print(f"\ntotal: {trials} trials{cost}", highlight=False, soft_wrap=True)


def _trials(experiment: Experiment) -> str:
    trials = plan(experiment)
    per_arm = Counter(trial.key.arm for trial in trials)
    return f"{plural(len(trials), 'trial')}: {', '.join(f'{count} {arm}' for arm, count in per_arm.items())}"


def _can_be_measured(experiment: Experiment) -> bool:
    """Whether what it trains on can be known before it is queued."""
    return not (isinstance(experiment.task, ImitationTask) and experiment.task.teacher.job is not None)


def _notes(experiment: Experiment) -> list[str]:
    return [note for note in (*notes(experiment), too_few(experiment)) if note]


def _shape(experiment: Experiment, found: list[Slot] | None) -> Checked:
    """An experiment for `--json`; its cost if there are slots to measure it on."""
    trials = Counter(trial.key.arm for trial in plan(experiment))
    cost = None
    if found is not None and _can_be_measured(experiment):
        priced = _price(experiment, found)
        cost = shape_parts.Cost(
            **asdict(priced.cost), parameters=priced.parameters, rate=priced.rate, stack=priced.stack,
            slots=len(priced.slots), kept=priced.densities,
        )  # fmt: skip
    return Checked(
        **identified(experiment), notes=_notes(experiment), trials=trials.total(), trials_per_arm=trials, cost=cost
    )


def _price(experiment: Experiment, found: list[Slot]) -> _Priced:
    """Measure what an experiment costs on these slots."""
    trials = plan(experiment)
    if isinstance(experiment.launcher, LocalLauncher):
        found = usable(found, experiment.model, experiment.launcher.device)
    largest = most_tickets(experiment, found[0].kind)
    stack = min(largest, math.ceil(len(experiment.arms) * len(experiment.seeds) / len(found)))
    compared = experiment.model.stack_is_measured and stack > 1
    measured = _measure(experiment, found, [1, SIZE] if compared else [stack])
    rates = measured["rates"]
    stacking = ""
    if compared:
        decision = stack_size(experiment, rates)
        stack, stacking = min(decision.largest, stack), f"{decision.text}\n"
    size = str(stack) if str(stack) in rates else str(SIZE)
    judging = (measured["evaluation"][size] / len(found), measured["validation"][size] / len(found))
    total, parameters = rates[size], int(measured["parameters"])
    rounds = {int(round): float(share) for round, share in measured["rounds"].items()}
    wider = {arm: Times(*times) for arm, times in measured["wider"].items()}
    cost = estimate(experiment, trials, total, judging, parameters, int(measured["steps_per_unit"]), rounds, wider)
    before = float(measured["before"])
    cost = replace(cost, seconds=cost.seconds + before, before=before)
    return _Priced(
        cost,
        total,
        stack,
        stacking,
        parameters,
        [float(one) for one in measured["densities"]],
        found,
        int(measured["held"][size]),
        wider,
    )


def _print_cost(console: Console, experiment: Experiment, found: list[Slot]) -> Cost:
    """Measure, print and return what an experiment costs on these slots."""
    priced = _price(experiment, found)
    cost = priced.cost
    bound = "at most " if cost.at_most else "about "
    where = ", ".join(f"{count} on {name}" for name, count in Counter(s.device for s in priced.slots).items())
    console.print(_remaining(priced.densities), highlight=False, soft_wrap=True)
    console.print(
        f"{priced.stacking}{priced.parameters:,} parameters; {rate(priced.rate)} measured, a stack of {priced.stack} "
        f"on each of {plural(len(priced.slots), 'slot')} ({where})\n"
        f"{bound}{cost.steps:,} {experiment.training.steps}, {duration(cost.seconds)} "
        f"({cost.judging / cost.seconds:.0%} of it evaluation) and {cost.bytes / 1e6:,.0f} MB on disk"
        + (f"; the teacher trains before that, for {duration(cost.before)} of it" if cost.before else ""),
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if cost.saved > 0:
        console.print(
            f'training.sparse = "{getattr(experiment.training, "sparse", "")}" saves {duration(cost.saved)} of '
            f"{duration(cost.seconds + cost.saved)}, {cost.saved / (cost.seconds + cost.saved):.0%} (measured)",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    for arm, times in priced.wider.items():
        console.print(
            f"{arm}: a step takes {times.training:.1f} times as long (measured)", highlight=False, soft_wrap=True
        )
    if priced.held:
        held = f"{priced.held / 1e6:,.0f} MB"
        console.print(
            f"replay buffers: {held} of memory for each stack, and at most twice that on disk until it is done",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    return cost


def _remaining(densities: list[float]) -> str:
    """The share of prunable parameters kept after each round; of many rounds only some."""
    last = len(densities)
    shown = sorted({k for k in (1, 2, 3, 5, 10, 15, 20, 30, 50, 100) if k < last} | {last})
    told = ", ".join(f"{densities[k - 1]:.2%} after round {k}" for k in shown)
    return f"prunable parameters kept: {told}"


def estimate(
    experiment: Experiment, trials: tuple[PlannedTrial, ...], rate: float, judging: tuple[float, float],
    parameters: int, steps_per_unit: int, rounds: Mapping[int, float] | None = None,
    wider: Mapping[str, Times] | None = None,
) -> Cost:  # fmt: skip
    """The cost of all trials at a total of `rate` steps per second.

    judging: seconds of a trial's evaluation at its end, and of its validation at each record, over all slots.
    rounds: what a step costs in some rounds, as a share of whole tickets. wider: what arms of wider networks cost.
    """
    lengths = [last - first for first, last in (experiment.span(trial.key.arm) for trial in trials)]
    times = [(wider or {}).get(trial.key.arm, Times()) for trial in trials]
    shares = [
        relative(rounds or {}, trial.key.round) if one == Times() else 1.0
        for trial, one in zip(trials, times, strict=True)
    ]
    steps = sum(lengths) * steps_per_unit
    saved = sum(length * (1 - share) for length, share in zip(lengths, shares, strict=True)) * steps_per_unit / rate
    points = steps / experiment.training.record_every * _METRICS
    copies = len(trials) + 2 * len(experiment.seeds)  # a dense run also stores two states to rewind to
    size = copies * parameters * 4 + len(trials) * parameters / 8 + points * _BYTES_PER_POINT + len(trials) * 8_000
    evaluation, validation = judging
    judged = sum(
        evaluation * one.evaluation
        + validation * one.validation * length * steps_per_unit / experiment.training.record_every
        for length, one in zip(lengths, times, strict=True)
    )
    more = sum(length * (one.training - 1) for length, one in zip(lengths, times, strict=True)) * steps_per_unit / rate
    at_most = experiment.training.unit == "games"
    return Cost(steps, steps / rate - saved + more + judged, int(size), at_most, judged, saved=saved)


def _measure(experiment: Experiment, slots: list[Slot], tickets: list[int]) -> dict[str, Any]:
    """Measured in as many processes at once as there are slots, because they slow each other down."""
    # Start all of them before waiting for any.
    processes = [
        start_measuring(experiment, slot, tickets, MEASURE_SECONDS, subprocess.PIPE, evaluate=True) for slot in slots
    ]
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
    means = {
        name: {size: sum(one[name][size] for one in found) / len(found) for size in found[0][name]}
        for name in ("rates", "evaluation", "validation")
    }
    return {**found[0], **means, "rates": {size: mean * len(found) for size, mean in means["rates"].items()}}
