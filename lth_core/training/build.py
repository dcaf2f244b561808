"""From an experiment to its network and its stack."""

from collections.abc import Sequence

from lth_core.experiment import PPO, Experiment
from lth_core.models.mlp import ActorCritic
from lth_core.tasks import control
from lth_core.training.a2c import StackedA2C
from lth_core.training.ppo import StackedPPO
from lth_core.training.stack import Stack, Start


def make_model(experiment: Experiment) -> ActorCritic:
    """The experiment's network, with the sizes that its environment asks for."""
    probe = control.make(experiment.task.environment, [0], 1)
    return ActorCritic(experiment.model, probe.inputs, probe.actions, probe.continuous)


def make_stack(experiment: Experiment, model: ActorCritic, starts: Sequence[Start], device: str) -> Stack:
    """A stack of these tickets, at its start, with the experiment's algorithm."""
    if isinstance(experiment.training, PPO):
        return StackedPPO(experiment, model, starts, device)
    return StackedA2C(experiment, model, starts, device)
