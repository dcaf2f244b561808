"""Language models: see TrainingFamily."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from torch import nn

from lth_core.experiment.experiment import Experiment
from lth_core.models import language
from lth_core.models.causal import causal
from lth_core.models.module import ModuleNetwork
from lth_core.models.pretrained import Exchange, exchange
from lth_core.settings.texts import LanguageModelTask
from lth_core.tasks.text import corpus
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.training.supervised import second_evaluation
from lth_core.training.supervised.family import ExamplesTraining, settings_of
from lth_core.training.supervised.language import LanguageLesson
from lth_core.training.supervised.lesson import Lesson

NETWORKS: Mapping[str, Callable[[Any, int], ModuleNetwork]] = {
    "lstm": language.recurrent,
    "transformer": language.decoder,
}
"""By `model.kind`, the network from its settings and the size of the vocabulary."""


class LanguageModelTraining(ExamplesTraining):
    """Predicting the next token of a text."""

    def network(self, experiment: Experiment) -> Network:
        """See TrainingFamily."""
        task, settings = _task(experiment), experiment.model
        vocabulary = corpus.load(task).vocabulary
        if settings.kind == "causal":
            return causal(settings, vocabulary, task.window, own_tokens=task.checkpoint is not None)
        return NETWORKS[settings.kind](settings, vocabulary)

    def lesson(self, experiment: Experiment, seed: int) -> Lesson:
        """See TrainingFamily."""
        task = _task(experiment)
        return LanguageLesson(corpus.load(task), task.window, settings_of(experiment))

    def tested_again(
        self, experiment: Experiment, module: nn.Module, weights: Weights, go_on: Callable[[], bool]
    ) -> dict[str, float]:
        """See ExamplesTraining."""
        task = _task(experiment)
        test = corpus.load(task).test
        return second_evaluation.with_logarithm(
            second_evaluation.loss_of_text(module, weights, test, task.window, go_on)
        )

    def exchange(self, experiment: Experiment, network: Network) -> Exchange:
        """See TrainingFamily."""
        task = _task(experiment)
        return exchange(experiment.model, network, longest=task.window, vocabulary=corpus.load(task).vocabulary)

    def save_tokenizer(self, experiment: Experiment, folder: Path) -> bool:
        """See TrainingFamily: only a checkpoint's tokenizer, because transformers has none for words."""
        return save_checkpoints_tokenizer(_task(experiment).checkpoint, folder)


def save_checkpoints_tokenizer(checkpoint: str | None, folder: Path) -> bool:
    """Save a checkpoint's tokenizer unchanged; False if there is no checkpoint."""
    if checkpoint is None:
        return False
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(checkpoint).save_pretrained(folder)
    return True


def _task(experiment: Experiment) -> LanguageModelTask:
    return cast(LanguageModelTask, experiment.task)
