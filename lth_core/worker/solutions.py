"""On the worker's side: how good networks are that no trial has trained, such as those between two solutions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.models.mlp import Perceptron
from lth_core.models.module import ModuleNetwork
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.training.families import make_stack
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Start
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.worker.assemble import Assembler

EPISODES, GAMES = 32, 8
"""Over which a solution is scored, in vector environments and of Atari: to start a game takes 0.2 s."""
_LARGEST_STACK = 256


@dataclass(frozen=True)
class Solution:
    """Weights, and what the network needs beside them; seed: of the chain whose episodes or texts it is tried on."""

    seed: int
    weights: Weights
    statistics: Weights


def solution(assembler: Assembler, key: TrialKey) -> Solution:
    """A trial's trained network. Raises InputError where what it needs beside its weights was not stored."""
    trained = assembler.family(key.seed).trained[key.arm, key.round]
    if trained.statistics is None and assembler.normalises:
        raise InputError(
            f"{key}: the statistics of its observations are not stored: it was trained by an older version"
        )
    return Solution(key.seed, trained.final, trained.statistics or {})


def metric_of(experiment: Experiment) -> tuple[str, bool]:
    """What solutions are judged by, and whether more is better: greedy returns, or the validation loss of texts."""
    if experiment.training.algorithm == "supervised":
        return "log_perplexity/valid", False
    return "return/eval-greedy", True


def scores(experiment: Experiment, network: Network, solutions: Sequence[Solution], device: str) -> list[float]:
    """One number per solution, on the same episodes for all of a seed."""
    if isinstance(network, ModuleNetwork):
        return [_on_texts(experiment, network, one, device) for one in solutions]
    changed = {"evaluation_episodes": GAMES if experiment.task.kind == "atari" else EPISODES}
    experiment = experiment.model_copy(update={"training": experiment.training.model_copy(update=changed)})
    most = _LARGEST_STACK if isinstance(network, Perceptron) else experiment.model.largest_stack
    found: list[float] = []
    for first in range(0, len(solutions), most):
        own = solutions[first : first + most]
        starts = [Start(one.seed, one.weights, {}, *experiment.span(DENSE)) for one in own]
        stack = make_stack(experiment, network, starts, device)
        assert isinstance(stack, ActorCriticStack)  # noqa: S101 the other kind of stack
        for row, one in enumerate(own):
            stack.know(row, one.statistics)
        found += [values["return/eval-greedy"] for values in stack.evaluate(range(len(own)), lambda: True, ["greedy"])]
    return found


def _on_texts(experiment: Experiment, network: ModuleNetwork, one: Solution, device: str) -> float:
    start = Start(one.seed, one.weights, {}, *experiment.span(DENSE), statistics=one.statistics)
    stack = make_stack(experiment, network, [start], device)
    assert isinstance(stack, SupervisedStack)  # noqa: S101 the other kind of stack
    return stack.validate(lambda: True)[0]["log_perplexity/valid"]


def between(one: Solution, other: Solution, points: int) -> list[Solution]:
    """So many solutions at equal distances on the straight line, the ends exactly; statistics go along."""
    return [
        Solution(
            one.seed, line(one.weights, other.weights, i / (points - 1)),
            line(one.statistics, other.statistics, i / (points - 1)),
        )
        for i in range(points)
    ]  # fmt: skip


def line(one: Weights, other: Weights, share: float) -> Weights:
    """(1 - share) x one + share x other; the ends exactly. Counts are those of the nearer end."""
    if share in (0.0, 1.0):
        return one if share == 0.0 else other
    nearer = one if share < 0.5 else other
    return {
        name: torch.lerp(w, other[name], share) if w.is_floating_point() else nearer[name] for name, w in one.items()
    }
