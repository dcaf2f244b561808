"""What `benchmarks.language_gpu` lets take turns: tickets of ours, and plain loops as they are usually written."""

import sys
from itertools import chain

import numpy as np
import torch
from torch import nn

from benchmarks import plain_lstm as loop
from benchmarks.stacks import starts
from lth_core.models import language, transformer
from lth_core.models.module import ModuleNetwork
from lth_core.models.translator import Special
from lth_core.settings.language_networks import LSTM, Seq2Seq
from lth_core.settings.supervised import Supervised
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.text.corpus import Corpus
from lth_core.tasks.translation.corpus import ParallelCorpus, Part
from lth_core.training.supervised.language import LanguageLesson
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.training.supervised.translation import TranslationLesson

SMALL = "--small" in sys.argv
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PAPER_LSTM = (64, 500, 8, 10) if SMALL else (650, 33_278, 30, 50)  # width, words, texts, window
BASE = Seq2Seq(width=32, feed_forward=64, heads=2, encoder_layers=1, decoder_layers=1) if SMALL else Seq2Seq()
LITTLE = (
    BASE if SMALL else Seq2Seq(width=128, feed_forward=256, heads=4, encoder_layers=4, decoder_layers=4, dropout=0.3)
)
LITTLE_WORDS = 300 if SMALL else 8_000


def lstm(precision="float32", graph=False, masks=False, **more):
    """A ticket of the paper's LSTM."""
    width, words, rows, window = PAPER_LSTM
    tokens = np.random.default_rng(0).integers(0, words, rows * (40 * window + 1)).astype(np.uint16)
    settings = Supervised(
        batch=rows, learning_rate=1e-3, epsilon=1e-3, length=10**9, precision=precision, cuda_graph=graph, **more
    )
    network = language.recurrent(LSTM(embedding=width, hidden=width), words)
    corpus = Corpus(tokens, tokens, tokens, words, {}, "", "")
    return stack(settings, network, LanguageLesson(corpus, window, settings), masks)


class Vocabulary:
    """Token numbers that stand for no text."""

    pad, start, end = 0, 1, 2

    def __init__(self, size):
        self.size = size


def pairs(words, count, mean):
    """Random sentences with the spread of lengths of WMT's."""
    random = np.random.default_rng(0)
    targets = np.clip(random.lognormal(np.log(mean), 0.6, count), 2, 150).astype(int)
    sources = np.clip(targets * random.normal(1, 0.2, count), 2, 150).astype(int)
    ends = np.stack([sources, targets], 1).flatten().cumsum()
    part = Part(random.integers(3, words, ends[-1]).astype(np.uint16), ends)
    return ParallelCorpus(
        dict.fromkeys(("train", "valid", "test"), part), Vocabulary(words), None, {}, {}, {}, 0, "", {}
    )


def translator(sizes, words, corpus, batch, precision="float32", graph=False, masks=False, **more):
    """A ticket of a Transformer."""
    settings = Supervised(
        batch=batch,
        learning_rate=1e-4,
        length=10**9,
        precision=precision,
        cuda_graph=graph,
        label_smoothing=0.1,
        **more,
    )
    if sizes.implementation == "own":
        network = ModuleNetwork(lambda: transformer.Transformer(sizes, words, 256), transformer.grouping)
    else:
        from lth_core.models import marian

        network = ModuleNetwork(marian.marian(sizes, words, 256, Special(0, 1, 2)), marian.grouping)
    return stack(settings, network, TranslationLesson(TranslationTask(), settings, corpus, 0), masks)


def stack(settings, network, lesson, masks):
    """One ticket; half of its weights pruned where masks are asked for."""
    return SupervisedStack(settings, network, lesson, starts(network, 1, 0.5 if masks else None), DEVICE)


class Ready:
    """A lesson whose first batches are on the device already."""

    def __init__(self, lesson, count=30):
        self._lesson = lesson
        self.per_epoch = min(count, lesson.per_epoch)
        self._batches = [lesson.batch(0, place).to(torch.device(DEVICE)) for place in range(self.per_epoch)]
        for batch in self._batches:
            object.__setattr__(batch, "to", lambda _device, batch=batch: batch)

    def batch(self, _epoch, place):
        """See Lesson."""
        return self._batches[place]

    def loss(self, *arguments):
        """See Lesson."""
        return self._lesson.loss(*arguments)


class First:
    """The first batches of a lesson, again and again, made anew each time."""

    def __init__(self, lesson, count=30):
        self._lesson, self.per_epoch, self.loss = lesson, min(count, lesson.per_epoch), lesson.loss

    def batch(self, _epoch, place):
        """See Lesson."""
        return self._lesson.batch(0, place)


def plain_lstm(bfloat16=False):
    """The usual loop for the paper's LSTM (cuDNN rounds factors to tf32)."""
    width, words, rows, window = PAPER_LSTM
    return loop.plain_lstm(width, 2, words, rows, window, device=DEVICE, bfloat16=bfloat16)


def plain_marian(corpus, sizes, words, pairs_a_batch, bfloat16):
    """What Hugging Face's Trainer does at each step, without the Trainer."""
    from transformers.trainer_pt_utils import LabelSmoother

    from lth_core.models import marian

    model = marian.marian(sizes, words, 256, Special(0, 1, 2))().model.to(DEVICE).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=DEVICE == "cuda")
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / 1e6))
    smoother, part = LabelSmoother(0.1), corpus.parts["train"]

    def collate(rows):
        found = {}
        for side, name, fill in ((0, "input_ids", 0), (1, "labels", -100)):
            sentences = [torch.tensor([*part.sentence(row, side).tolist(), 2]) for row in rows]
            found[name] = nn.utils.rnn.pad_sequence(sentences, batch_first=True, padding_value=fill)
        found["attention_mask"] = (found["input_ids"] != 0).long()
        found["decoder_input_ids"] = model.prepare_decoder_input_ids_from_labels(labels=found["labels"])
        return found

    loader = torch.utils.data.DataLoader(
        range(len(part)), pairs_a_batch, shuffle=True, collate_fn=collate, pin_memory=DEVICE == "cuda"
    )
    batches = chain.from_iterable(iter(loader) for _ in range(10**6))

    def step():
        batch = next(batches)
        predictions = int((batch["labels"] != -100).sum())
        batch = {name: tensor.to(DEVICE, non_blocking=True) for name, tensor in batch.items()}
        labels = batch.pop("labels")
        with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
            out = model(**batch, use_cache=False)
        smoother(out, labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        return predictions

    return step
