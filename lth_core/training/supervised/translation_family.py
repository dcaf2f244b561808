"""Translation: see TrainingFamily."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from torch import nn

from lth_core.experiment.experiment import Experiment
from lth_core.models.pretrained import Exchange, exchange
from lth_core.models.translator import Special
from lth_core.settings.language_networks import PretrainedSeq2Seq, Seq2Seq
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.translation import corpus, vocabulary
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.training.supervised import second_evaluation
from lth_core.training.supervised.family import ExamplesTraining, settings_of
from lth_core.training.supervised.language_family import save_checkpoints_tokenizer
from lth_core.training.supervised.lesson import Lesson
from lth_core.training.supervised.translation import TranslationLesson, translator_network


class TranslationTraining(ExamplesTraining):
    """Sentences in two languages."""

    def network(self, experiment: Experiment) -> Network:
        """See TrainingFamily."""
        return translator_network(cast(Seq2Seq | PretrainedSeq2Seq, experiment.model), _task(experiment))

    def lesson(self, experiment: Experiment, seed: int) -> Lesson:
        """See TrainingFamily."""
        task = _task(experiment)
        return TranslationLesson(task, settings_of(experiment), corpus.load(task), seed)

    def tested_again(
        self, experiment: Experiment, module: nn.Module, weights: Weights, go_on: Callable[[], bool]
    ) -> dict[str, float]:
        """See ExamplesTraining."""
        task = _task(experiment)
        return second_evaluation.translation(module, task, corpus.load(task), go_on)

    def exchange(self, experiment: Experiment, network: Network) -> Exchange:
        """See TrainingFamily."""
        task = _task(experiment)
        words = corpus.load(task).vocabulary
        special = Special(words.pad, words.start, words.end)
        return exchange(experiment.model, network, longest=task.longest + 1, vocabulary=words.size, special=special)

    def save_tokenizer(self, experiment: Experiment, folder: Path) -> bool:
        """See TrainingFamily: a checkpoint's, or the task's own byte pairs."""
        task = _task(experiment)
        if not save_checkpoints_tokenizer(task.checkpoint, folder):
            _fast(corpus.load(task).vocabulary).save_pretrained(folder)
        return True


def _task(experiment: Experiment) -> TranslationTask:
    return cast(TranslationTask, experiment.task)


def _fast(words: vocabulary.Vocabulary) -> Any:
    """A fast tokenizer of a translation task's own byte pairs; it ends texts with the source's end token."""
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer.from_str(words.tokenizer.to_str())
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {vocabulary.END}", special_tokens=[(vocabulary.END, words.end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=vocabulary.PAD, bos_token=vocabulary.START, eos_token=vocabulary.END,
        unk_token=vocabulary.UNKNOWN,
    )  # fmt: skip
