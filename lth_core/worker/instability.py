"""Instability to noise by rewind point (Frankle et al. 2020), in a process of its own (it imports torch).

python -m lth_core.worker.instability WORKSPACE DEVICE < {"spec": ..., "rounds": [0, 5], "points": [0, 3000],
                                                          "alphas": 11}

From the dense run's weights, optimizer and schedule at a point, masked with a round's ticket, two trainings continue
that differ only in their noise: order of data, environments, actions and dropout. If the networks on the line between
the two ends are no worse than the ends, the point is stable.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lth_core.batches.batch import BatchSpec
from lth_core.batches.processes import answer
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.randomness import stream_seed
from lth_core.store.workspace import Workspace
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.network import Network
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Stack, Start
from lth_core.worker.assemble import Assembler
from lth_core.worker.solutions import Solution, between, metric_of, scores


@dataclass(frozen=True)
class Moment:
    """A dense run at one point of its training. at: its counter after the first update that reached the point."""

    at: int
    weights: Weights
    optimizer: dict[str, Weights]
    statistics: Weights


def act(message: dict[str, Any]) -> dict[str, Any]:
    """Rows by round, point and seed, with the scores along the line."""
    workspace, device = Workspace(Path(sys.argv[1])), sys.argv[2]
    spec = BatchSpec.from_json(message["spec"])
    experiment = spec.experiment
    network = make_model(experiment)
    assembler = Assembler(workspace, spec, network)
    initial = {seed: assembler.initial(seed) for seed in experiment.seeds}
    tickets = {(0, seed): assembler.everything() for seed in experiment.seeds}
    for trial in spec.trials:
        if trial.key.round:
            stored = assembler.family(trial.key.seed).trained[trial.key.arm, trial.key.round]
            tickets[trial.key.round, trial.key.seed] = stored.mask
    own = {key: mask for key, mask in tickets.items() if key[0] in message["rounds"]}
    rows = instability(experiment, network, initial, own, message["points"], message["alphas"], device)
    metric, higher = metric_of(experiment)
    return {"rows": rows, "metric": metric, "higher": higher}


def instability(
    experiment: Experiment, network: Network, initial: Mapping[int, Weights], tickets: Mapping[tuple[int, int], Mask],
    points: Sequence[int], alphas: int, device: str,
) -> list[dict[str, object]]:  # fmt: skip
    """Rows of {round, point, seed, scores}; initial: by seed; tickets: masks by round and seed."""
    moments = _moments(experiment, network, initial, points, device)
    rows: list[dict[str, object]] = []
    noise = False
    for point in points:
        keys = list(tickets)
        starts = [_fork(experiment, moments[point, seed], tickets[round, seed], seed, noise)
                  for round, seed in keys for noise in (1, 2)]  # fmt: skip
        ends = _trained(experiment, network, starts, device)
        pairs = [(ends[2 * i], ends[2 * i + 1]) for i in range(len(keys))]
        noise |= any(not torch.equal(w, other[name]) for (one, _), (other, _) in pairs for name, w in one.items())
        lines = [
            between(Solution(seed, *one), Solution(seed, *other), alphas)
            for (_, seed), (one, other) in zip(keys, pairs, strict=True)
        ]
        found = scores(experiment, network, [solution for own in lines for solution in own], device)
        rows += [
            {"round": round, "point": point, "seed": seed, "scores": found[i * alphas : (i + 1) * alphas]}
            for i, (round, seed) in enumerate(keys)
        ]
    if not noise:
        raise InputError(
            "all pairs of trainings end with the same bits: this experiment has no noise (texts are read in order, "
            "without dropout)"
        )
    return rows


def _moments(
    experiment: Experiment, network: Network, initial: Mapping[int, Weights], points: Sequence[int], device: str
) -> dict[tuple[int, int], Moment]:
    """The dense runs, trained again up to the last point, by point and seed."""
    whole = {name: w.new_ones(w.shape).bool() for name, w in next(iter(initial.values())).items()}
    starts = [Start(seed, weights, whole, 0, experiment.training.length) for seed, weights in initial.items()]
    found: dict[tuple[int, int], Moment] = {}
    for group in _groups(experiment, starts):
        stack = make_stack(experiment, network, group, device)
        while True:
            for row, start in enumerate(group):
                for point in points:
                    if (point, start.seed) not in found and stack.counter[row] >= point:
                        # Before the first step there is no state, and an optimizer starts without.
                        state = stack.optimizer_state(row) if stack.trained else {}
                        found[point, start.seed] = Moment(
                            int(stack.counter[row]), stack.weights(row), state, stack.statistics(row)
                        )
            if all((point, start.seed) in found for point in points for start in group):
                break
            stack.update()
    return found


def _fork(experiment: Experiment, moment: Moment, mask: Mask, seed: int, noise: int) -> Start:
    weights = masks.apply(mask, moment.weights)
    return Start(
        stream_seed(seed, "noise", noise), weights, mask, moment.at, experiment.training.length,
        moment.optimizer or None, moment.statistics or None,
    )  # fmt: skip


def _trained(
    experiment: Experiment, network: Network, starts: Sequence[Start], device: str
) -> list[tuple[Weights, Weights]]:
    """Weights and statistics at the end of each training."""
    found: list[tuple[Weights, Weights]] = []
    for group in _groups(experiment, starts):
        stack = make_stack(experiment, network, group, device)
        ends: dict[int, tuple[Weights, Weights]] = {}
        rows = list(range(len(group)))
        while rows:
            stack.update()
            if faults := stack.faults():
                raise InputError(next(iter(faults.values())))
            rows = _without_those_at_their_end(stack, rows, ends)
        found += [ends[row] for row in range(len(group))]
    return found


def _without_those_at_their_end(stack: Stack, rows: list[int], ends: dict[int, tuple[Weights, Weights]]) -> list[int]:
    over = np.flatnonzero(stack.counter >= stack.last).tolist()
    for place in over:
        ends[rows[place]] = stack.weights(place), stack.statistics(place)
    left = [place for place in range(len(rows)) if place not in over]
    if over and left:
        stack.keep(left)
    return [rows[place] for place in left]


def _groups(experiment: Experiment, starts: Sequence[Start]) -> list[list[Start]]:
    most = experiment.model.largest_stack
    return [list(starts[first : first + most]) for first in range(0, len(starts), most)]


if __name__ == "__main__":
    sys.exit(answer(act))
