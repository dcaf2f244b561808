"""What an experiment costs, from short measurements: its stacks as they will be formed, each at its price. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lth_core.coming_stacks import ComingStacks, Place
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import PlannedTrial, network_of
from lth_core.round_costs import of_size, relative

_METRICS, _BYTES_PER_POINT = 5, 28 + 60 + 45  # in the database, in TensorBoard's log, in the records


@dataclass(frozen=True)
class Prices:
    """What stacks of one network cost, by their size, in seconds of a processor (of the clock on a GPU).

    step: a step of each ticket. evaluation: of all tickets at their end; record: of all at a record. rounds: what a
    step costs in some rounds, as a share. parameters: of the network, by round.
    """

    step: Mapping[int, float]
    evaluation: Mapping[int, float] = field(default_factory=dict)
    record: Mapping[int, float] = field(default_factory=dict)
    rounds: Mapping[int, float] = field(default_factory=dict)
    parameters: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What `worker.measure` found. networks: by `plan.network_of`.

    start: seconds of a worker's start; batch: of the beginning of a batch; ticket: of a ticket besides training and
    judging; again: of all second scores; before: of a training that comes before the first ticket. clock: seconds of
    the clock that pass on an idle machine while a worker uses one of a processor; less than 1 with several threads.
    """

    networks: Mapping[str, Prices]
    steps_per_unit: int = 1
    start: float = 0.0
    batch: float = 0.0
    ticket: float = 0.0
    again: float = 0.0
    before: float = 0.0
    clock: float = 1.0


@dataclass(frozen=True)
class Cost:
    """Estimated steps and bytes of an experiment; `at_most` where games bound the length.

    seconds: of the clock, on an idle machine. work: seconds in which workers compute, of all together: of a processor,
    of the clock on a GPU. Parts of the work are judging: evaluations and records; before: the training of a teacher;
    saved: how much more it would be if all tickets were computed whole.
    """

    steps: int
    seconds: float
    work: float
    bytes: int
    at_most: bool
    judging: float
    before: float = 0.0
    saved: float = 0.0


class _Bill:
    """Adds up what stacks cost, as they are formed."""

    def __init__(self, experiment: Experiment, measured: Measured, lengths: Mapping[tuple[int, str], float]) -> None:
        self._measured, self._lengths, self._every = measured, lengths, experiment.training.record_every
        self.work = self.judging = self.saved = 0.0

    def stack(self, size: int, round: int, network: str) -> float:
        """Seconds of work for a stack of so many tickets."""
        own = self._measured.networks.get(network) or self._measured.networks[""]
        steps = self._lengths[round, network] * self._measured.steps_per_unit
        whole, share = steps * of_size(own.step, size), relative(own.rounds, round)
        judging = sum(
            times * of_size(seconds, size)
            for times, seconds in ((1, own.evaluation), (math.ceil(steps / self._every), own.record))
            if seconds
        )
        found = whole * share + judging + size * self._measured.ticket + self._measured.batch
        self.work += found
        self.judging += judging
        self.saved += whole * (1 - share) if not network else 0.0
        return found


def estimate(
    experiment: Experiment, trials: Sequence[PlannedTrial], measured: Measured, slots: int, largest: int
) -> Cost:
    """The cost of all trials on so many slots, in stacks of at most `largest` tickets."""
    waiting, spans = Counter[Place](), defaultdict[tuple[int, str], list[int]](list)
    parameters = 0.0
    for trial in trials:
        network, (first, last) = network_of(experiment, trial.key.arm), experiment.span(trial.key.arm)
        waiting[Place(trial.key.round, trial.key.seed, network)] += 1
        spans[trial.key.round, network].append(last - first)
        own = measured.networks.get(network) or measured.networks[""]
        parameters += relative(own.parameters, trial.key.round)
    bill = _Bill(experiment, measured, {place: sum(own) / len(own) for place, own in spans.items()})
    of_round = Counter(trial.key.round for trial in trials)
    most = {round: min(largest, math.ceil(count / slots)) for round, count in of_round.items()}
    end = ComingStacks(waiting, slots, most, bill.stack).end([])
    once = measured.start + measured.before + measured.again
    work = bill.work + slots * measured.start + measured.before + measured.again
    steps = sum(sum(own) for own in spans.values()) * measured.steps_per_unit
    dense = measured.networks[""].parameters.get(0, 0.0)
    copies = parameters + 2 * len(experiment.seeds) * dense  # a dense run also stores two states to rewind to
    points = steps / experiment.training.record_every * _METRICS
    stored = copies * 4 + parameters / 8 + points * _BYTES_PER_POINT + len(trials) * 8_000
    return Cost(
        steps, (end + once) * measured.clock, work, int(stored), experiment.training.unit == "games", bill.judging,
        measured.before, bill.saved,
    )  # fmt: skip


def read(answers: Sequence[Mapping[str, Any]]) -> Measured:
    """From what processes have measured side by side, some of them steps alone: the mean of their seconds."""

    def mean(numbers: Sequence[Any]) -> Any:
        if isinstance(numbers[0], Mapping):
            return {key: mean([one[key] for one in numbers]) for key in numbers[0]}
        return sum(numbers) / len(numbers)

    found = mean([one["prices"] for one in answers if one["prices"]])
    for size in found["networks"][""]["step"]:
        rates = [one["rates"][size] for one in answers if size in one["rates"]]
        found["networks"][""]["step"][size] = mean([int(size) / rate for rate in rates])
    networks = {
        name: Prices(**{part: {int(key): value for key, value in own.items()} for part, own in parts.items()})
        for name, parts in found.pop("networks").items()
    }
    return Measured(networks, **{**found, "steps_per_unit": int(found["steps_per_unit"])})
