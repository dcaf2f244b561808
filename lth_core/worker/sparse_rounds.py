"""The rounds of a job in which only the living weights of tickets are computed, and stacks as they are there."""

import torch

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.models.mlp import Perceptron
from lth_core.settings.pruning import Pruning
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.tickets.mask import full, size
from lth_core.tickets.network import Network
from lth_core.tickets.scope import asked, prunable
from lth_core.training.families import make_stack
from lth_core.training.reinforcement.sparse import can_be_sparse, switch
from lth_core.training.stack import Stack, Start


def densities(network: Network, pruning: Pruning) -> list[float]:
    """Fraction of the prunable parameters that remains after each round from 1 on, counted as in the derivation."""
    shapes, groups = network.shapes(), network.groups()
    everything = full({name: shapes[name] for name in prunable(groups, pruning)})
    kept = [asked(everything, groups, pruning, round) for round in range(1, pruning.rounds + 1)]
    return [(sum(k.values()) if isinstance(k, dict) else k) / size(everything) for k in kept]


def chosen(experiment: Experiment, network: Network, device: str) -> dict[int, float]:
    """The first, middle and last of these rounds, with the share that remains; none where all tickets are whole."""
    training = experiment.training
    if not isinstance(training, ActorCriticTraining) or not isinstance(network, Perceptron):
        return {}
    if training.sparse == "never" or not can_be_sparse(network, training, torch.device(device)):
        return {}
    below = switch(network, training) if training.sparse == "auto" else 1.0
    found = {round: kept for round, kept in enumerate(densities(network, experiment.pruning), 1) if kept <= below}
    rounds = list(found)
    return {round: found[round] for round in sorted({*rounds[:1], *rounds[-1:], *rounds[len(rounds) // 2 :][:1]})}


def stack_of(experiment: Experiment, network: Network, tickets: int, device: str, kept: float = 1.0) -> Stack:
    """Newly initialised tickets, of whose prunable parameters a random share is kept."""
    generator = torch.Generator().manual_seed(0)
    shapes, names = network.shapes(), prunable(network.groups(), experiment.pruning) if kept < 1 else []
    starts = []
    for seed in range(tickets):
        mask = {name: torch.rand(shapes[name], generator=generator) < kept for name in names}
        starts.append(Start(seed, network.initialise(seed), mask, *experiment.span(DENSE)))
    return make_stack(experiment, network, starts, device)
