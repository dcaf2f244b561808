"""Image classification: see TrainingFamily."""

from collections.abc import Callable
from typing import cast

from torch import nn

from lth_core.experiment.experiment import Experiment
from lth_core.models.images import network
from lth_core.models.module import ModuleNetwork
from lth_core.settings.images import ImagesTask
from lth_core.tasks.images.pictures import load
from lth_core.tickets.mask import Weights
from lth_core.training.supervised import second_evaluation
from lth_core.training.supervised.family import ExamplesTraining, settings_of
from lth_core.training.supervised.images import ImagesLesson


class ImagesTraining(ExamplesTraining):
    """Telling pictures apart."""

    judged_by = ("loss/valid", False)

    def network(self, experiment: Experiment) -> ModuleNetwork:
        """See TrainingFamily."""
        pictures = load(_task(experiment))
        return network(experiment.model, pictures.shape, pictures.classes)

    def tested_again(
        self, experiment: Experiment, module: nn.Module, weights: Weights, go_on: Callable[[], bool]
    ) -> dict[str, float]:
        """See ExamplesTraining."""
        return second_evaluation.pictures(module, load(_task(experiment)), go_on)

    def lesson(self, experiment: Experiment, seed: int) -> ImagesLesson:
        """See TrainingFamily."""
        return ImagesLesson(load(_task(experiment)), _task(experiment), settings_of(experiment), seed)


def _task(experiment: Experiment) -> ImagesTask:
    return cast(ImagesTask, experiment.task)
