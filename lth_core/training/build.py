"""From an experiment to its network and its stack."""

from collections.abc import Sequence

from lth_core.experiment import Experiment
from lth_core.models.mlp import ActorCritic
from lth_core.settings.networks import MLP
from lth_core.settings.reinforcement import A2C, PPO
from lth_core.tasks import environments
from lth_core.tickets.network import Network
from lth_core.training.a2c import StackedA2C
from lth_core.training.ppo import StackedPPO
from lth_core.training.stack import Stack, Start


def make_model(experiment: Experiment) -> Network:
    """The experiment's network, with the sizes that its task asks for."""
    if isinstance(experiment.model, MLP):
        probe = environments.make(experiment.task, [0], 1)
        return ActorCritic(experiment.model, probe.inputs, probe.actions, probe.continuous)
    raise TypeError(f"no network of kind {experiment.model.kind}")


def make_stack(experiment: Experiment, model: Network, starts: Sequence[Start], device: str) -> Stack:
    """A stack of these tickets, at its start, with the experiment's algorithm."""
    if isinstance(model, ActorCritic):
        if isinstance(experiment.training, PPO):
            return StackedPPO(experiment, model, starts, device)
        if isinstance(experiment.training, A2C):
            return StackedA2C(experiment, model, starts, device)
    raise TypeError(f"no training of {experiment.model.kind} by {experiment.training.algorithm}")
