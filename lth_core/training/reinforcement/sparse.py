"""Which tickets of a stack are computed from their living weights alone: each by its own mask, so never by its stack.

`auto` measures once per machine and shape what a stack costs in both forms, and keeps the answer in the user's caches.
"""

import platform
import time
from collections.abc import Callable, Sequence

import torch

from lth_core.errors import InputError
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.models.mlp import Perceptron
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.tasks.text import cache
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.stack import Start

DENSITIES = (0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02)
"""Shares of living hidden weights at which both forms are compared, the largest first."""
GAIN = 1.1
"""How many times as fast the sparse form must be: less is noise, and `auto` must not cost time."""
_TICKETS, _TURNS = 8, 5


def can_be_sparse(model: ActorCriticNetwork, training: ActorCriticTraining, device: torch.device) -> bool:
    """Whether there is a sparse form: on a CPU, of perceptrons with matrices between hidden layers.

    Single observations and transitions are left out, because products with one column round differently in a stack.
    """
    batch = training.environments * training.n_steps // getattr(training, "minibatches", 1)
    several = training.environments > 1 and batch > 1
    return device.type == "cpu" and several and type(model) is Perceptron and len(model.settings.hidden) > 1


def density(model: Perceptron, mask: Mask) -> float:
    """The living share of the matrices between hidden layers."""
    names = [f"trunk.{i}.weight" for i in range(1, len(model.settings.hidden))]
    shapes = model.shapes()
    return masks.density(masks.whole({n: mask[n] for n in names if n in mask}, {n: shapes[n] for n in names}))


def choose(
    model: ActorCriticNetwork, training: ActorCriticTraining, starts: Sequence[Start], device: torch.device
) -> list[bool]:
    """(T,) which tickets are computed from their living weights alone. `auto` may measure, for a second or two."""
    if training.sparse == "never" or not isinstance(model, Perceptron) or not can_be_sparse(model, training, device):
        return [False] * len(starts)
    found = [1.0 if start.moves else density(model, start.mask) for start in starts]  # fixed places cannot move
    if training.sparse == "always":
        return [one < 1 for one in found]
    if min(found) > DENSITIES[0]:
        return [False] * len(starts)
    below = switch(model, training)
    return [one <= below for one in found]


def switch(model: Perceptron, training: ActorCriticTraining) -> float:
    """The density up to which the sparse form is faster here; 0 where it never is. Measured if it is not known yet, by
    one of the workers that ask; by each where the cache cannot be written."""
    facts = {
        "machine": platform.node(), "torch": torch.__version__, "threads": torch.get_num_threads(),
        "inputs": model.inputs, "actions": model.actions, "continuous": model.continuous,
        "model": model.settings.identifying(), "shape": _shape(training), "optimizer": training.optimizer,
    }  # fmt: skip
    try:
        _, card = cache.prepared("sparse", cache.key(facts), lambda _: {"below": measured(model, training)})
    except InputError:
        return measured(model, training)
    return float(card["below"])


def _shape(training: ActorCriticTraining) -> tuple[int, int, int, int]:
    """Environments, steps of a rollout, passes over it, minibatches of each."""
    epochs, minibatches = getattr(training, "epochs", 1), getattr(training, "minibatches", 1)
    return training.environments, training.n_steps, epochs, minibatches


@torch.no_grad()
def measured(model: Perceptron, training: ActorCriticTraining) -> float:
    """See `switch`: the largest of DENSITIES at which, and below which, the sparse form is faster by GAIN."""
    below = 0.0
    for share in reversed(DENSITIES):
        generator = torch.Generator().manual_seed(0)
        starts = []
        for seed in range(_TICKETS):
            mask = {n: torch.rand(s, generator=generator) < share for n, s in model.shapes().items()}
            starts.append(Start(seed, model.initialise(seed), mask, 0, 1))
        whole, sparse = (
            _turn(Parameters.of(training, model, starts, torch.device("cpu"), [few] * _TICKETS), training, model.inputs)
            for few in (False, True)
        )
        took = [(_seconds(whole), _seconds(sparse)) for _ in range(_TURNS)]
        if min(one for one, _ in took) < GAIN * min(one for _, one in took):
            break
        below = share
    return below


def _turn(own: Parameters, training: ActorCriticTraining, inputs: int) -> Callable[[], None]:
    """The network's part of an update in its proportions: acting, one minibatch of learning for all of them."""
    environments, steps, epochs, minibatches = _shape(training)
    batch = environments * steps // minibatches
    acting = max(1, round(steps / (epochs * minibatches)))  # for each minibatch
    generator = torch.Generator().manual_seed(0)  # torch's own may be the training's
    seen = torch.randn(_TICKETS, environments, inputs, generator=generator)
    learnt = torch.randn(_TICKETS, batch, inputs, generator=generator)
    of_heads = torch.randn(_TICKETS, batch, own.model.actions + 1, generator=generator)
    rate = torch.full((_TICKETS, 1), 1e-4)

    def turn() -> None:
        for _ in range(acting):
            own.network.forward(own.layers(), seen)
        traced = own.network.traced(own.layers(), learnt)
        own.step(own.network.backward(own.layers(), traced, of_heads), rate)

    turn()
    return turn


def _seconds(turn: Callable[[], None]) -> float:
    before = time.process_time()
    turn()
    return time.process_time() - before
