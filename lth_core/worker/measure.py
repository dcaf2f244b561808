"""A short measurement of what training costs, in a process of its own (it imports torch).

`lth check` estimates from it, and the engine decides from it whether tickets train together.

python -m lth_core.worker.measure DEVICE TICKETS[,TICKETS ...] SECONDS [steps | evaluate] < {"experiment": ...}
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from lth_core import places
from lth_core.batches.batch import BatchFolder, BatchSpec, TrialSpec
from lth_core.batches.processes import answer
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.store.workspace import Workspace
from lth_core.tickets.network import Network
from lth_core.training.families import make_model, measured_again, rehearsal
from lth_core.training.stack import Calls, Interrupted, Stack
from lth_core.worker import second_score
from lth_core.worker.attempt import Attempt
from lth_core.worker.fastest import fastest_updates
from lth_core.worker.other_networks import other_networks
from lth_core.worker.sparse_rounds import chosen, densities, stack_of
from lth_core.worker.step_costs import step_costs

SECONDS = 1.0
"""Of each stack but those of the experiment's own network."""
ENOUGH, A_FEW, PATIENCE = 1.0, 2.0, 60.0
"""Seconds after which a judgement is cut: where its length is known, where it may end soon, and any other."""

LARGE = 20_000_000
"""Parameters above which no ticket is written for a measurement: beside such trainings it costs little."""
LONG = 2.0
"""Seconds for making a ticket, mostly its games, from which on `lth check` compares no stack with a single one."""

Clock = Callable[[], float]


def act(message: dict[str, Any]) -> dict[str, Any]:
    """rates: steps per second of all tickets, by stack size; for a stack of one also its parameters and densities.

    With `evaluate` also prices: what `cli.estimate.Measured` holds. `steps` is asked of other slots beside that. With
    both there may be no rate of a stack that takes long to make (see LONG). Seconds are of a processor, which do not
    depend on what else the machine does; on a GPU, which computes by itself, they are of the clock.
    """
    device, sizes, seconds = sys.argv[1], [int(size) for size in sys.argv[2].split(",")], float(sys.argv[3])
    experiment = Experiment.from_json(message["experiment"])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    experiment, first = rehearsal(experiment)
    model = make_model(experiment)
    meter = Meter(experiment, device, _clock(device))
    start = time.process_time() if device == "cpu" else 0.0
    asked = sys.argv[4:]
    besides, made = {"batch": 0.0, "ticket": 0.0}, dict[int, Stack]()
    if "evaluate" in asked and _count(model) <= LARGE:
        besides, made[1] = meter.besides()
        long = besides["ticket"] > LONG
    else:
        begun = meter.clock()
        made[sizes[0]] = meter.stack(model, sizes[0])
        long = meter.clock() - begun > LONG
    if asked and meter.one_by_one and long:
        sizes = sizes[:1]
    stacks = {size: made[size] if size in made else meter.stack(model, size) for size in sizes}
    own = meter.measured(stacks, seconds)
    if "evaluate" in asked:
        judged = sizes[:1] if meter.one_by_one else sizes
        own |= {size: meter.with_judging(own[size], stacks[size]) for size in judged}
    return {
        "rates": {str(size): size / one.step for size, one in own.items()},
        "parameters": _count(model), "densities": densities(model, experiment.pruning),
        "held": {str(size): one.held for size, one in own.items()},
        "prices": {
            "networks": {"": _prices(own, meter.relative(model, sizes[-1], seconds), {0: _count(model)})}
            | meter.others(model, sizes[-1], own[sizes[-1]].step),
            "steps_per_unit": max(one.steps_per_unit for one in own.values()),
            "start": start, **besides,
            "again": meter.again(model, own[sizes[0]].calls, own[sizes[0]].evaluation / sizes[0]),
            "clock": own[sizes[-1]].clock,
            "before": 0.0 if first is None else Meter(first, device, meter.clock).whole(seconds),
        } if "evaluate" in asked else {},
    }  # fmt: skip


@dataclass(frozen=True)
class Stacked:
    """Seconds of a stack: a step of each ticket, the evaluation at the end, what is computed for a record.

    calls: see Stack.evaluation_calls. held: bytes of the stack's log, as full as it becomes. clock: see
    `cli.estimate.Measured`.
    """

    step: float
    steps_per_unit: int
    evaluation: float = 0.0
    record: float = 0.0
    calls: Calls | None = None
    held: int = 0
    clock: float = 1.0


@dataclass(frozen=True)
class Meter:
    """Measures stacks of an experiment on a device, by a clock."""

    experiment: Experiment
    device: str
    clock: Clock

    @property
    def one_by_one(self) -> bool:
        """Whether the tickets of a stack are computed one after another, so that it costs about what they cost."""
        return self.experiment.model.stack_is_measured and self.device == "cpu"

    def stack(self, network: Network, tickets: int, kept: float = 1.0) -> Stack:
        """A stack of new tickets."""
        return stack_of(self.experiment, network, tickets, self.device, kept)

    def measured(self, stacks: Mapping[int, Stack], seconds: float) -> dict[int, Stacked]:
        """The steps of new stacks of whole tickets, by their sizes."""
        alone = {size: self._before_learning(stack) for size, stack in stacks.items()}
        for stack in stacks.values():
            stack.warm_up()
        costs, found = step_costs(stacks, self.clock, seconds), {}
        for size, stack in stacks.items():
            if faults := stack.faults():
                raise InputError(next(iter(faults.values())))
            share = min(1.0, stack.learns_from / max(1, self._length * stack.steps_per_unit))
            found[size] = Stacked(
                costs[size].step * (1 - share) + alone[size] * share, stack.steps_per_unit,
                clock=costs[size].clock if self.device == "cpu" else 1.0,
                held=0 if stack.log is None else stack.log.bytes,
            )  # fmt: skip
        return found

    def with_judging(self, found: Stacked, stack: Stack) -> Stacked:
        """Also what records and evaluations of this stack cost."""
        calls = stack.evaluation_calls()
        record = self._record(stack)
        evaluation = self._judged(partial(stack.evaluate, range(stack.tickets)), calls)
        return replace(found, record=record, evaluation=evaluation, calls=calls)

    @property
    def _length(self) -> int:
        first, last = self.experiment.span(DENSE)
        return last - first

    def _before_learning(self, stack: Stack) -> float:
        """Seconds of a step of each ticket of a stack that does not learn yet."""
        begun = self.clock()
        while stack.trained < min(stack.learns_from, 2_000) and self.clock() - begun < SECONDS:
            stack.update()
        return (self.clock() - begun) / stack.trained if stack.trained else 0.0

    def _record(self, stack: Stack) -> float:
        begun = self.clock()
        stack.metrics()
        return self.clock() - begun + self._judged(stack.validate, None)

    def relative(self, network: Network, tickets: int, seconds: float) -> dict[int, float]:
        """What a step of a stack costs in some rounds, as a share of whole tickets; see `sparse_rounds`."""
        rounds = chosen(self.experiment, network, self.device)
        if not rounds:
            return {}
        shares = {0: 1.0, **rounds}
        stacks = {round: self.stack(network, tickets, kept) for round, kept in shares.items()}
        fastest = fastest_updates(stacks, self.clock, seconds)
        return {round: fastest[round] / fastest[0] for round in rounds}

    def others(self, model: Network, tickets: int, plain: float) -> dict[str, dict[str, dict[int, float]]]:
        """Prices of networks of other widths, which some arms have, by name. plain: of a step of the own network."""
        found = {}
        for name, networks in other_networks(self.experiment, model).items():
            made = {round: self.stack(one, tickets) for round, one in {0: model, **networks}.items()}
            fastest = fastest_updates(made, self.clock, SECONDS)
            first = min(networks)
            own = Stacked(plain * fastest[first] / fastest[0], made[first].steps_per_unit)
            own = self.with_judging(own, made[first])
            shares = {round: fastest[round] / fastest[first] for round in networks}
            found[name] = _prices({tickets: own}, shares, {round: _count(one) for round, one in networks.items()})
        return found

    def besides(self) -> tuple[dict[str, float], Stack]:
        """batch: seconds of the beginning of a batch; ticket: of a ticket besides training and judging. And the new
        stack of one ticket that was made for it."""
        with TemporaryDirectory(dir=places.temporary(places.caches()), ignore_cleanup_errors=True) as made:
            workspace = Workspace(Path(made))
            workspace.create()
            found, stack = self._rehearsed(workspace, 1)
            if sum(found.values()) < SECONDS:  # again, because much is read the first time and known later
                found, stack = self._rehearsed(workspace, 2)
        return found, stack

    def _rehearsed(self, workspace: Workspace, number: int) -> tuple[dict[str, float], Stack]:
        key = TrialKey(0, DENSE, self.experiment.seeds[0])
        spec = BatchSpec(number, 1, self.experiment, (TrialSpec(number, key),), (), "tensorboard/1")
        folder = BatchFolder(workspace.batch(number))
        folder.complete(spec)
        folder.begin(1)
        begun = self.clock()
        attempt = Attempt(workspace, spec, 1, self.device, lambda: False)
        made = self.clock()
        stack = attempt.rehearse()
        ended = self.clock()
        attempt.close()
        return {"batch": made - begun, "ticket": ended - made}, stack

    def again(self, model: Network, calls: Calls | None, evaluation: float) -> float:
        """Seconds of all evaluations for the audit, from those of the evaluation of a ticket; calls: see _judged.

        Episodes are played by other code, whose price is measured where they are short; in long games the game costs
        the most, and making them again would take long.
        """
        if calls is not None and not calls.after_all:

            def judge(go_on: Callable[[], bool]) -> None:
                measured_again(self.experiment, model, model.initialise(0), {}, 0, self.device, go_on)

            evaluation = self._judged(judge, calls)
        return len(second_score.chosen(self.experiment)) * evaluation

    def whole(self, seconds: float) -> float:
        """Seconds of the dense training of one seed."""
        stack = self.stack(make_model(self.experiment), 1)
        one = self.with_judging(self.measured({1: stack}, seconds)[1], stack)
        return self._length * one.steps_per_unit * one.step + one.evaluation

    def _judged(self, judge: Callable[[Callable[[], bool]], object], calls: Calls | None) -> float:
        """Seconds that a judgement of a trained stack takes, from one that is cut after a while.

        calls: how often it is expected to call `go_on`; None: as often as it does now.
        """
        begun = [self.clock()]
        most = PATIENCE if calls is None else A_FEW if calls.after_all else ENOUGH

        def go_on() -> bool:
            begun.append(self.clock())
            return begun[-1] - begun[1] < most

        cut = True
        with suppress(Interrupted):
            judge(go_on)
            cut = False
        ended, counted = self.clock(), len(begun) - 1
        if calls is None or not counted or (calls.after_all and not cut):
            return ended - begun[0]
        return begun[1] - begun[0] + (ended - begun[1]) * max(calls.number, counted) / counted


def _clock(device: str) -> Clock:
    return time.process_time if device == "cpu" else time.perf_counter


def _count(network: Network) -> int:
    return sum(shape.numel() for shape in network.shapes().values())


def _prices(
    own: Mapping[int, Stacked], rounds: Mapping[int, float], parameters: Mapping[int, float]
) -> dict[str, dict[int, float]]:
    """The fields of `cli.estimate.Prices`."""
    return {
        "step": {size: one.step for size, one in own.items()},
        "evaluation": {size: one.evaluation for size, one in own.items() if one.evaluation},
        "record": {size: one.record for size, one in own.items() if one.record},
        "rounds": dict(rounds), "parameters": dict(parameters),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(answer(act))
