"""Small experiments, families, stacks and a sink in memory, for the tests of several folders."""

import json
from typing import Any, cast

import torch

from lth_core.experiment.arms import BUILT_IN, DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.models.flow import flow_gradient
from lth_core.models.mlp import Perceptron
from lth_core.randomness import stream_seed
from lth_core.tickets import mask as masks
from lth_core.tickets.derive import Family, Trained, derive_mask
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.saliency import Derivative
from lth_core.training.families import make_model, make_stack
from lth_core.training.reinforcement.algorithm import Heads, Transitions
from lth_core.training.reinforcement.learning import gradient as gradient_of
from lth_core.training.reinforcement.playing import PlayingStack
from lth_core.training.reinforcement.rollout import Rollout
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Start

ARMS = [name for name, arm in BUILT_IN.items() if arm.mask not in ("imported", "full")]
"""Built-in arms of tickets that need none from elsewhere."""
SHARED = [name for name in ARMS if BUILT_IN[name].shares_network]
"""Those whose tickets are of the experiment's own network."""


def is_nested(child: Mask, parent: Mask) -> bool:
    """Whether every entry that lives in the child lives in the parent, over the same layers."""
    return child.keys() == parent.keys() and all(bool((child[n] <= parent[n]).all()) for n in child)


def experiment(**sections: Any) -> Experiment:
    """A tiny CartPole experiment; each keyword is a field, tables merge into the tiny ones."""
    fields: dict[str, Any] = {
        "name": "small",
        "seeds": [0, 1],
        "model": {"hidden": [8], "activation": "tanh"},
        "training": {
            "length": 512, "environments": 4, "n_steps": 8, "optimizer": "adam", "learning_rate": 3e-3,
            "record_every": 128, "checkpoint_every": 256, "score_episodes": 10,
            "evaluation_episodes": 2,
        },
        "pruning": {"rounds": 3},
    }  # fmt: skip
    for name, value in sections.items():
        fields[name] = {**fields.get(name, {}), **value} if isinstance(value, dict) else value
    return Experiment.from_fields(fields)


def random_weights(model: Perceptron, seed: int) -> Weights:
    """Weights without equal magnitudes and without zeros."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in model.shapes().items()}


def random_mask(model: Perceptron, seed: int, density: float = 0.5) -> Mask:
    """A mask over all parameters."""
    generator = torch.Generator().manual_seed(1000 + seed)
    return {name: torch.rand(shape, generator=generator) < density for name, shape in model.shapes().items()}


def invented(derivative: Derivative, weights: Weights, mask: Mask, statistics: Weights | None) -> Weights:
    """Derivatives that differ by kind and statistics, as a function of the weights."""
    rate = (30.0 if derivative == "gradient" else 70.0) + (float(statistics["mean"].sum()) if statistics else 0.0)
    return {name: torch.sin(w * rate) for name, w in weights.items()}


def family(settings: Experiment, seed: int = 0, salt: int = 0) -> Family:
    """A seed's family with invented training results for the dense run and for all rounds of iterative arms.

    The derivatives of its loss are invented too.
    """
    model = Perceptron(settings.model, 4, 2)
    init = model.initialise(stream_seed(seed, "initialisation"))
    final = random_weights(model, 100 * seed + salt)
    rewind = {name: 0.5 * (init[name] + final[name]) for name in init}
    if settings.rewinding.weights == 0:
        rewind = {name: w.clone() for name, w in init.items()}
    everything = masks.full(model.shapes())
    trained = {(DENSE, 0): Trained(everything, final, final, init, rewind)}
    made = Family(
        settings, seed, model.groups(), trained, model.initialise, invented, lambda w: flow_gradient(model.flow, w)
    )  # fmt: skip
    # A kept group is in no mask.
    trained[(DENSE, 0)] = Trained(made.everything(), final, final, init, rewind)
    for round in range(1, settings.pruning.rounds):
        for number, arm in enumerate(settings.arms):
            if settings.arm_named(arm).mask == "iterative":
                mask = derive_mask(made, arm, round)
                after = masks.apply(mask, random_weights(model, 7 + 10 * round + 1000 * number + salt + 100 * seed))
                trained[(arm, round)] = Trained(mask, after, after)
    return made


def starts(settings: Experiment, count: int, density: float = 0.5) -> tuple[Perceptron, list[Start]]:
    """Dense-length starts of `count` tickets with their own seeds and random masks."""
    model = cast(Perceptron, make_model(settings))  # or another network of heads
    return model, [
        Start(seed, model.initialise(seed), random_mask(model, seed, density), 0, settings.training.length)
        for seed in range(count)
    ]


def stack(settings: Experiment, own: list[Start], model: Perceptron | None = None) -> ActorCriticStack:
    """A stack on the CPU."""
    made = make_stack(settings, model or make_model(settings), own, "cpu")
    assert isinstance(made, ActorCriticStack)
    return made


def digest(one: PlayingStack, ticket: int = 0) -> list[Any]:
    """All that distinguishes one ticket's training from another's, as bits."""
    parts: list[Any] = [w.numpy().tobytes() for w in one.weights(ticket).values()]
    for entry in sorted(one.optimizer_state(ticket)):
        parts += [w.numpy().tobytes() for w in one.optimizer_state(ticket)[entry].values()]
    return [*parts, repr(one.episodes.score(ticket)), int(one.episodes.finished[ticket])]


class Memory:
    """A Sink that remembers everything; `stop_at` makes it ask for a stop before that many updates."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.records: list[tuple[int, int, dict[str, float]]] = []
        self.results: dict[int, tuple[int, Weights, dict[str, Weights], float]] = {}
        self.snapshots: dict[int, dict[str, Weights]] = {}
        self.failures: dict[int, str] = {}
        self.checkpoints: list[tuple[int, dict[str, Any], dict[str, Any]]] = []
        self._stop_at, self._asked = stop_at, 0

    def metrics(self, trial: RunningTrial, step: int, values: dict[str, float]) -> None:
        self.records.append((trial.id, step, values))

    def finished(self, trial: RunningTrial, step: int, final: Weights, optimizer: dict[str, Weights]) -> None:
        self.results[trial.id] = (step, final, optimizer, trial.score)
        self.snapshots[trial.id] = dict(trial.snapshots)

    def failed(self, trial: RunningTrial, error: str) -> None:
        self.failures[trial.id] = error

    def checkpoint(self, step: int, arrays: dict[str, Any], values: dict[str, Any]) -> None:
        self.checkpoints.append((step, arrays, values))

    def beat(self, fraction: float, rate: float, whole: float | None) -> None:
        pass

    def must_stop(self) -> bool:
        self._asked += 1
        return self._stop_at is not None and self._asked > self._stop_at

    def newest(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The last checkpoint, with what earlier ones hold of the stack's log."""
        logs = {name: one for _, arrays, _ in self.checkpoints for name, one in arrays.items() if "log/" in name}
        _, arrays, values = self.checkpoints[-1]
        return {**logs, **arrays}, json.loads(json.dumps(values))

    def same_results(self, other: "Memory", trial: int) -> bool:
        """Whether a trial ended with the same bits in both."""
        mine, theirs = self.results[trial], other.results[trial]
        return (
            mine[0] == theirs[0]
            and all(torch.equal(mine[1][n], theirs[1][n]) for n in mine[1])
            and all(torch.equal(mine[2][e][n], theirs[2][e][n]) for e in mine[2] for n in mine[2][e])
            and repr(mine[3]) == repr(theirs[3])
            and self.snapshots[trial].keys() == other.snapshots[trial].keys()
            and all(
                torch.equal(w, other.snapshots[trial][part][n])
                for part, weights in self.snapshots[trial].items()
                for n, w in weights.items()
            )
        )


def stack_run(settings: Experiment, own: list[Start], sink: Memory, arm: str = DENSE) -> StackRun:
    """A run of these starts; trial numbers are their places."""
    round = 0 if arm == DENSE else 1
    trials = [RunningTrial(i, TrialKey(round, arm, s.seed), s.mask) for i, s in enumerate(own)]
    return StackRun(settings, make_stack(settings, make_model(settings), own, "cpu"), trials, sink)


def gradient(one: ActorCriticStack, rollout: Rollout, log_p: torch.Tensor | None = None) -> torch.Tensor:
    """(T, P) by a stack's algorithm on a rollout with all its activations; log_p: when it acted, if not as now."""
    terms = one.parameters.policy().terms(rollout.activations[-1][..., :-1], rollout.actions, *rollout.valid)
    then = terms.log_p if log_p is None else log_p
    heads = Heads(terms.log_p, terms.entropy, rollout.activations[-1][..., -1])
    taken = Transitions(rollout.actions, then, *rollout[2:])
    with torch.no_grad():
        return gradient_of(one.algorithm, one.parameters, rollout.activations, terms, heads, taken)
