"""From an experiment to what exchanges its network with transformers, and to a tokenizer in the form there."""

from pathlib import Path
from typing import Any

from lth_core.experiment.experiment import Experiment
from lth_core.models.pretrained import Exchange, exchange
from lth_core.models.translator import Special
from lth_core.settings.texts import LanguageModelTask, TranslationTask
from lth_core.tasks.text import corpus
from lth_core.tasks.translation import corpus as parallel
from lth_core.tasks.translation import vocabulary
from lth_core.tickets.network import Network


def exchange_of(experiment: Experiment, network: Network) -> Exchange:
    """See `models.pretrained.exchange`."""
    task = experiment.task
    if isinstance(task, TranslationTask):
        words = parallel.load(task).vocabulary
        special = Special(words.pad, words.start, words.end)
        return exchange(
            experiment.model, network, longest=task.longest + 1, vocabulary=words.size, special=special
        )  # fmt: skip
    if isinstance(task, LanguageModelTask):
        size = corpus.load(task).vocabulary
        return exchange(experiment.model, network, longest=task.window, vocabulary=size)
    return exchange(experiment.model, network, longest=1, vocabulary=1)


def save_tokenizer(experiment: Experiment, folder: Path) -> bool:
    """Save the task's tokenizer for `AutoTokenizer.from_pretrained`; False where it is none of theirs, as words are."""
    task = experiment.task
    if isinstance(task, LanguageModelTask | TranslationTask) and task.checkpoint is not None:
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(task.checkpoint).save_pretrained(folder)
        return True
    if isinstance(task, TranslationTask):
        _fast(parallel.load(task).vocabulary).save_pretrained(folder)
        return True
    return False


def _fast(words: vocabulary.Vocabulary) -> Any:
    """A translation task's own byte pairs; texts end with the token that ends a source."""
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
