"""Control, Atari and MinAtar: see TrainingFamily."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.rules import check_actions
from lth_core.models.actor_critic import ActorCriticNetwork, Heads
from lth_core.models.board import BoardActorCritic, BoardPerceptron
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.mlp import Perceptron
from lth_core.models.separate import SeparateActorCritic
from lth_core.models.soft import SoftActorCritic
from lth_core.settings import reinforcement
from lth_core.settings.minatar import MinAtarTask
from lth_core.settings.networks import MLP, Board, Convolutional, Model
from lth_core.settings.soft import SAC
from lth_core.settings.tasks import AtariTask
from lth_core.settings.values import DQN
from lth_core.tasks.environments import Environments
from lth_core.tasks.families import family_of
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.training.family import Again, TrainingFamily
from lth_core.training.reinforcement import second_evaluation
from lth_core.training.reinforcement.halves import HalvesStack
from lth_core.training.reinforcement.on_device.stack import DeviceStack
from lth_core.training.reinforcement.packed import PackedStack
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.soft.stack import SoftStack
from lth_core.training.stack import Start
from lth_core.training.values.stack import ValueStack


class ActorCriticTraining(TrainingFamily):
    """Tasks of reinforcement learning. episodes: per evaluated network; most: networks evaluated at once."""

    judged_by = ("return/eval-greedy", True)
    episodes: int
    most: int

    def resized(self, experiment: Experiment, network: Network, settings: Model) -> Network:
        """See TrainingFamily; asks no environment for its sizes again."""
        return cast(Network, replace(cast(Any, network), settings=settings))

    def stack(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> PackedStack:
        """See TrainingFamily."""
        own = experiment.training
        kind: type[ActorCriticStack | ValueStack | SoftStack] = ActorCriticStack
        if isinstance(own, DQN | SAC):
            kind = ValueStack if isinstance(own, DQN) else SoftStack
        elif isinstance(own, reinforcement.ActorCriticTraining) and own.environments_on == "device":
            kind = DeviceStack
        return kind(experiment, cast(ActorCriticNetwork, network), starts, device)

    def judge(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> list[float]:
        """See TrainingFamily: mean returns of greedy actions."""
        found: list[float] = []
        for first in range(0, len(starts), self.most):
            own = starts[first : first + self.most]
            stack = self.stack(experiment, network, own, device)
            returns = stack.evaluate(range(len(own)), lambda: True, {"greedy": self.episodes})
            found += [values["return/eval-greedy"] for values in returns]
        return found

    def measured_again(
        self, experiment: Experiment, network: Network, weights: Weights, statistics: Weights, seed: int, device: str,
        go_on: Callable[[], bool],
    ) -> dict[str, Again]:  # fmt: skip
        """See TrainingFamily: the same episodes to the last bit, on a CPU."""
        episodes = cast(reinforcement.ReinforcementTraining, experiment.training).evaluation_episodes
        if not episodes:
            return {}
        found = second_evaluation.returns(
            experiment, cast(ActorCriticNetwork, network), weights, statistics, seed, episodes, go_on
        )
        mean = sum(found) / episodes
        return {reinforcement.RETURNS[0]: Again(mean, 1e-9 * abs(mean), second_evaluation.spread(found))}


class ControlTraining(ActorCriticTraining):
    """Perceptrons."""

    episodes, most = 32, 256

    def network(self, experiment: Experiment) -> Network:
        """See TrainingFamily."""
        probe = family_of(experiment.task).environments(experiment.task, [0], 1)
        heads = heads_of(experiment, probe)
        if isinstance(experiment.training, SAC):
            return SoftActorCritic(cast(MLP, experiment.model), probe.inputs, probe.actions)
        one = Perceptron(cast(MLP, experiment.model), probe.inputs, probe.actions, probe.continuous, probe.parts, heads)
        return on_trunks(one)


def heads_of(experiment: Experiment, probe: Environments) -> Heads:
    """What the network's outputs are. Raises InputError, see check_actions."""
    check_actions(experiment, probe)
    if not isinstance(experiment.training, DQN):
        return "policy"
    return "dueling" if getattr(experiment.model, "dueling", False) else "values"


def on_trunks(one: Perceptron | BoardActorCritic) -> Network:
    """The network itself, or an actor and a critic of its sizes, as its settings ask."""
    return one if one.settings.trunk == "shared" else SeparateActorCritic(one.settings, one)


class AtariTraining(ActorCriticTraining):
    """Convolutions over pixels. Starting a game takes 0.2 s."""

    episodes, most = 8, Convolutional.largest_stack

    def stack(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> PackedStack:
        """See TrainingFamily; on a GPU one half of the games is stepped while the network acts in the other."""
        own = experiment.training
        if device != "cpu" and isinstance(own, reinforcement.ActorCriticTraining) and own.environments % 2 == 0:
            return HalvesStack(experiment, cast(ActorCriticNetwork, network), starts, device)
        return super().stack(experiment, network, starts, device)

    def network(self, experiment: Experiment) -> Network:
        """See TrainingFamily."""
        task, probe = cast(AtariTask, experiment.task), family_of(experiment.task).environments(experiment.task, [0], 1)
        heads = heads_of(experiment, probe)
        return ConvolutionalActorCritic(cast(Convolutional, experiment.model), task.shape, probe.actions, heads=heads)


class MinAtarTraining(ActorCriticTraining):
    """A convolution over a board, or a perceptron on its cells."""

    episodes, most = 32, 64

    def network(self, experiment: Experiment) -> Network:
        """See TrainingFamily."""
        task, model = cast(MinAtarTask, experiment.task), experiment.model
        probe = family_of(experiment.task).environments(experiment.task, [0], 1)
        heads = heads_of(experiment, probe)
        if isinstance(model, MLP):
            return on_trunks(BoardPerceptron(model, probe.inputs, probe.actions, heads=heads))
        return on_trunks(BoardActorCritic(cast(Board, model), task.shape, probe.actions, heads=heads))
