"""Imitation: see TrainingFamily."""

from collections.abc import Sequence
from typing import cast

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.settings.imitation import Cloning, ImitationTask
from lth_core.settings.networks import MLP
from lth_core.tickets.network import Network
from lth_core.training.imitation.data import Played, load
from lth_core.training.imitation.second_look import SecondLook
from lth_core.training.imitation.stack import CloningStack
from lth_core.training.reinforcement import reference
from lth_core.training.reinforcement.families import ControlTraining
from lth_core.training.stack import Start


class ImitationTraining(ControlTraining):
    """Perceptrons that clone a teacher; evaluated as those of control are."""

    def data(self, experiment: Experiment) -> str:
        """See TrainingFamily: what the teacher has played."""
        return _played(experiment).summary

    def stack(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> CloningStack:
        """See TrainingFamily."""
        training, own, played = (
            cast(Cloning, experiment.training),
            cast(ActorCriticNetwork, network),
            _played(experiment),
        )
        look = SecondLook(training, reference.Network(experiment.model, own.parts), played)
        return CloningStack(cast(ImitationTask, experiment.task), training, own, starts, device, played, look)


def _played(experiment: Experiment) -> Played:
    return load(cast(ImitationTask, experiment.task), cast(MLP, experiment.model))
