"""Imitation: see TrainingFamily."""

from collections.abc import Sequence
from typing import cast

from lth_core.experiment.experiment import Experiment
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.settings.imitation import Cloning, ImitationTask
from lth_core.settings.networks import MLP
from lth_core.tickets.network import Network
from lth_core.training.imitation.data import Played, load, to_be_trained
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

    def rehearsal(self, experiment: Experiment) -> tuple[Experiment, Experiment | None]:
        """See TrainingFamily: a teacher that is not trained yet is one of a single update."""
        task = cast(ImitationTask, experiment.task)
        before = to_be_trained(task, cast(MLP, experiment.model))
        if before is None or task.teacher.training is None:
            return experiment, None
        short = task.teacher.training.model_copy(
            update={"length": 1, "score": "evaluation", "evaluation_episodes": 1, "greedy_episodes": 0}
        )
        teacher = task.teacher.model_copy(update={"training": short})
        return experiment.model_copy(update={"task": task.model_copy(update={"teacher": teacher})}), before

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
