"""`lth check`: the resolved experiment, its trials, and an estimate of their cost from a short measurement."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from lth_core.analysis.questions import too_few
from lth_core.cli import shape_parts
from lth_core.cli.console import make_console
from lth_core.cli.estimate import Cost, Measured
from lth_core.cli.fields import experiment_fields, lines
from lth_core.cli.price import Priced, price
from lth_core.cli.progress import duration, rate
from lth_core.cli.shape_parts import Checked
from lth_core.cli.shapes import CheckedFile, print_json
from lth_core.cli.show import identified
from lth_core.engine import named_code
from lth_core.engine.slots import Slot, find_slots
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import notes
from lth_core.experiment.plan import network_of, plan, shares_network
from lth_core.experiment.suite import Suite, load
from lth_core.round_costs import of_size
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.launcher import LocalLauncher
from lth_core.text import megabytes, one_line, plural

_AT_PACE = "at the pace of this machine, without waiting for the cluster"


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
        cost = (
            f", {bound} {duration(sum(c.seconds for c in costs))} {_pace(suite.experiments)}, and "
            f"{megabytes(sum(c.bytes for c in costs))}"
        )
    console.print(f"\ntotal: {trials} trials{cost}", highlight=False, soft_wrap=True)


def _pace(experiments: Sequence[Experiment]) -> str:
    """On what the members of a suite take their time."""
    here = [isinstance(one.launcher, LocalLauncher) for one in experiments]
    if all(here):
        return "on an idle machine"
    return _AT_PACE if not any(here) else "one after the other"


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
        priced = price(experiment, found)
        cost = shape_parts.Cost(
            **asdict(priced.cost), replay=priced.held, parameters=priced.parameters, rate=priced.rate,
            stack=priced.stack, slots=priced.workers, kept=priced.densities,
        )  # fmt: skip
    return Checked(
        **identified(experiment), notes=_notes(experiment), trials=trials.total(), trials_per_arm=trials, cost=cost
    )


def _print_cost(console: Console, experiment: Experiment, found: list[Slot]) -> Cost:
    """Measure, print and return what an experiment costs on these slots."""
    priced = price(experiment, found)
    cost = priced.cost
    bound = "at most " if cost.at_most else "about "
    console.print(_remaining(priced.densities), highlight=False, soft_wrap=True)
    console.print(
        f"{priced.stacking}{priced.parameters:,} parameters; {rate(priced.rate)} measured, a stack of {priced.stack} "
        f"{where(experiment, priced)}\n"
        f"{bound}{cost.steps:,} {experiment.training.steps}, {_time(experiment, priced)}, and "
        f"{megabytes(cost.bytes)} on disk",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if cost.before:
        console.print(f"the teacher trains before that, for {duration(cost.before)} of it", highlight=False)
    if cost.saved > 0:
        console.print(
            f'training.sparse = "{getattr(experiment.training, "sparse", "")}" saves {duration(cost.saved)} of '
            f"{duration(cost.work + cost.saved)}, {cost.saved / (cost.work + cost.saved):.0%} (measured)",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    for line in _other_networks(experiment, priced.measured):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if priced.held:
        held = megabytes(priced.held)
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


def where(experiment: Experiment, priced: Priced) -> str:
    """Where the stacks of an estimate train, and what measured it."""
    kinds = Counter(slot.device for slot in priced.slots)
    if isinstance(experiment.launcher, LocalLauncher):
        on = ", ".join(f"{count} on {name}" for name, count in kinds.items())
        return f"on each of {plural(priced.workers, 'slot')} ({on})"
    (device,) = kinds
    strange = device.partition(":")[0] != experiment.launcher.trains_on
    other = f"; of the cluster's {experiment.launcher.trains_on} that says little" if strange else ""
    return f"in each of at most {plural(priced.workers, 'job')} of the cluster (measured here, on {device}{other})"


def _time(experiment: Experiment, priced: Priced) -> str:
    """How long it takes, and how much work that is."""
    cost = priced.cost
    parts = f"{cost.judging / cost.work:.0%} of it evaluation"
    if priced.slots[0].kind == "cpu":
        parts = f"{cost.work:,.0f} CPU seconds, {parts}"
    on = f"on an idle machine with {plural(priced.workers, 'slot')}"
    if not isinstance(experiment.launcher, LocalLauncher):
        on = _AT_PACE
    return f"{duration(cost.seconds)} {on} ({parts})"


def _other_networks(experiment: Experiment, measured: Measured) -> Iterator[str]:
    """How many times as long a step of arms with networks of other widths takes, in the rounds that were measured."""
    plain = measured.networks[""]
    for arm in experiment.arms:
        other = None if shares_network(experiment, arm) else measured.networks.get(network_of(experiment, arm))
        if other is None:
            continue
        size = max(other.step)
        times = other.step[size] / of_size(plain.step, size)
        last = (
            "" if len(other.rounds) < 2 else f" in round 1, {times * other.rounds[max(other.rounds)]:.1f} in the last"
        )
        yield f"{arm}: a step takes {times:.1f} times as long{last} (measured)"
