"""The audit of a training: its length, its learning rates, its snapshots, and whether the weights have moved."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.tickets import audit_average, audit_moving, expected_schedule
from lth_core.tickets.audit_average import Projected
from lth_core.tickets.check import EARLIER, Check
from lth_core.tickets.fingerprint import fingerprint
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.mask_changes import Moves

COUNTED = 2**24
"""From here on a step count in single precision stands still."""
STILL = 1e-7
"""A sum of learning rates so small that weights may stay what they are in single precision."""


@dataclass
class Seen:
    """What a witness saw of one training, by its own count.

    updates: all of them; None if the first were seen by an earlier version. per_unit: updates of one unit of supervised
    training. games: finished before and after the last update, if they are counted. rates: the sum of the learning
    rates that the stack used. noted: fingerprints at the points of snapshots, with the point. final: the fingerprint of
    the weights at the end. points, averaged: how many points were due for the mean that is scored, None if an earlier
    version saw some; and the sums of their projections (see audit_average). moves: of the changes of a mask that moves
    or shrinks.
    """

    updates: int | None
    per_unit: int
    games: tuple[int, int]
    rates: float
    noted: dict[str, tuple[int, str]] = field(default_factory=dict)
    final: str = ""
    points: int | None = 0
    averaged: Projected = field(default_factory=dict)
    moves: Moves | None = None


def checks(
    experiment: Experiment, key: TrialKey, seen: Seen, mask: Mask, start: Weights, final: Weights,
    optimizer: Mapping[str, Weights], given: Mapping[str, Weights] | None, snapshots: Mapping[str, Weights],
) -> list[Check]:  # fmt: skip
    """Checks of a training that has ended: from `start` to `final`, with the optimizer's entries then and as given."""
    own = [
        snapshot(name, point, seen, snapshots) for name, point in expected_schedule.points(experiment, key.arm).items()
    ]
    if key.arm != DENSE and experiment.arm_named(key.arm).moves:
        living = sum(int(m.sum()) for m in mask.values())
        own += audit_moving.checks(experiment, key, seen.moves, seen.updates, seen.per_unit, living)
    return [
        length(experiment, key, seen, _count(optimizer) - (_count(given) if given else 0)),
        learning_rate(experiment, key, seen),
        moved(experiment, key, seen, mask, start, final, {} if given else optimizer),
        *own,
        *average(experiment, key.arm, seen, snapshots),
    ]


def average(experiment: Experiment, arm: str, seen: Seen, snapshots: Mapping[str, Weights]) -> list[Check]:
    """That averaged weights are what they should be; nothing where none are asked for, or a mask changes meanwhile."""
    if not expected_schedule.averages(experiment, arm):
        return []
    if seen.points is None:
        return [Check("average", True, EARLIER)]
    return [audit_average.check(seen.points, seen.averaged, snapshots.get("scored", {}))]


def _count(optimizer: Mapping[str, Weights]) -> float:
    """The steps that an optimizer has counted; not a number if it does not count."""
    found = optimizer.get("count")
    return float(found["count"]) if found else math.nan


def length(experiment: Experiment, key: TrialKey, seen: Seen, steps: float) -> Check:
    """The training is as long as the arm's schedule says, and each update is as many steps of the optimizer as asked.

    steps: those that the optimizer has counted, not a number if it does not.
    """
    if seen.updates is None:
        return Check("length", True, EARLIER)
    asked, unit = expected_schedule.length(experiment, key.arm), experiment.training.unit
    now = expected_schedule.passed(experiment, seen.updates, seen.per_unit)
    before = expected_schedule.passed(experiment, seen.updates - 1, seen.per_unit)
    if now is None or before is None:
        before, now = seen.games
    wrong = [f"trained {now:,} {unit}, its schedule asks for {asked:,}"] * (not before < asked <= now)
    wanted = expected_schedule.optimizer_steps(experiment, seen.updates)
    if not math.isnan(steps) and wanted < COUNTED and steps != wanted:
        wrong.append(f"the optimizer took {steps:,.0f} steps in {seen.updates:,} updates, expected {wanted:,}")
    return Check(
        "length", not wrong, "; ".join(wrong) or f"{now:,} {unit} in {seen.updates:,} updates, {asked:,} asked"
    )


def learning_rate(experiment: Experiment, key: TrialKey, seen: Seen) -> Check:
    """The mean learning rate is that of the arm's schedule; of games, which set their own pace, within its bounds."""
    if not seen.updates or math.isnan(seen.rates):
        return Check("learning_rate", True, EARLIER)
    mean, rates = seen.rates / seen.updates, expected_schedule.rates(experiment, key.arm, seen.updates, seen.per_unit)
    training = experiment.training
    if rates is None:
        low, high = training.learning_rate * training.learning_rate_end, training.learning_rate
        low, high = min(low, high), max(low, high)
    else:
        low = high = float(rates.mean())
    fine = low * (1 - 1e-5) <= mean <= high * (1 + 1e-5)
    asked = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    return Check(
        "learning_rate", fine, f"{mean:.4g} on average over {seen.updates:,} updates, its schedule has {asked}"
    )


def moved(
    experiment: Experiment, key: TrialKey, seen: Seen, mask: Mask, start: Weights, final: Weights,
    optimizer: Mapping[str, Weights],
) -> Check:  # fmt: skip
    """Live weights have moved from their start, in each layer that a gradient has reached.

    optimizer: its entries, whose second moments tell where gradients arrived; empty if they are partly of another run.
    """
    rates = expected_schedule.rates(experiment, key.arm, seen.updates, seen.per_unit) if seen.updates else None
    if rates is not None and rates.sum() < STILL:
        return Check("moved", True, "its learning rate is practically zero")
    second = optimizer.get("square") or optimizer.get("exp_avg_sq") or {}
    least = max(1e-12, (10 * float(getattr(experiment.training, "epsilon", 0.0))) ** 2)
    count, alive, still = 0, 0, []
    for name, first in start.items():
        living = mask.get(name, torch.ones_like(first, dtype=torch.bool))
        other = int(((final[name] != first) & living).sum())
        count, alive = count + other, alive + int(living.sum())
        reached = name in second and float((second[name] * living).max()) > least if living.any() else False
        if not other and reached and int(living.sum()) > 1:
            still.append(name)
    detail = f"{count:,} of {alive:,} live weights moved"
    return Check("moved", not still, detail + (f"; none in {', '.join(still)}, though gradients came" if still else ""))


def snapshot(name: str, point: int, seen: Seen, snapshots: Mapping[str, Weights]) -> Check:
    """A snapshot holds the weights of the first update that reaches the point it is asked for."""
    check, stored = f"snapshot_{name}", snapshots.get(name)
    if seen.updates is None:
        return Check(check, True, EARLIER)
    if name not in seen.noted or stored is None:
        return Check(check, False, f"none was taken: asked for {point:,}")
    at, digest = seen.noted[name]
    fine = fingerprint(stored) == digest
    detail = (
        f"of {at:,}, asked for {point:,}"
        if fine
        else f"not the weights of {at:,}, the first update that reaches {point:,}"
    )
    return Check(check, fine, detail)
