"""Supervised tasks: see TrainingFamily. Each kind has a network and a lesson."""

from collections.abc import Sequence
from typing import cast

from lth_core.experiment.experiment import Experiment
from lth_core.models.module import ModuleNetwork
from lth_core.settings.supervised import Supervised
from lth_core.tickets.network import Network
from lth_core.training.family import TrainingFamily
from lth_core.training.stack import Start
from lth_core.training.supervised.stack import SupervisedStack


class ExamplesTraining(TrainingFamily):
    """Networks are evaluated by a metric of the validation part."""

    judged_by = ("log_perplexity/valid", False)

    def stack(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> SupervisedStack:
        """See TrainingFamily: of one ticket."""
        (start,) = starts
        lesson = self.lesson(experiment, start.seed)
        return SupervisedStack(settings_of(experiment), cast(ModuleNetwork, network), lesson, starts, device)

    def judge(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> list[float]:
        """See TrainingFamily."""
        stacks = (self.stack(experiment, network, [start], device) for start in starts)
        return [stack.validate(lambda: True)[0][self.judged_by[0]] for stack in stacks]


def settings_of(experiment: Experiment) -> Supervised:
    """The training's settings, typed as those of supervised tasks."""
    return cast(Supervised, experiment.training)
