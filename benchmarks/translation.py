"""Target tokens per CPU second, training included: our training against Hugging Face's Trainer, on the same data.

Both train an encoder-decoder Transformer of the same sizes on the built-in pairs, with the same tokens, label
smoothing, Adam and about as many target tokens a batch, in one process with one thread, taking turns. The Trainer gets
transformers' Marian and its own default batching: random pairs, so many a batch, padded to the longest. Ours gets our
modules, or Marian too. Run: python -m benchmarks.translation
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings

os.environ["OMP_NUM_THREADS"] = "1"
warnings.filterwarnings("ignore")

import torch
from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from benchmarks.stacks import starts
from lth_core.experiment.file import resolve
from lth_core.tasks.translation.vocabulary import PAD
from lth_core.training.families import make_model, make_stack

PAIRS_A_BATCH = 64
SIZES = {"width": 64, "feed_forward": 256, "heads": 4, "encoder_layers": 1, "decoder_layers": 1, "dropout": 0.1}


def experiment(implementation, tokens_a_batch):
    """The built-in pairs and a small network."""
    fields = {
        "name": "benchmark",
        "seeds": 1,
        "task": {"kind": "translation", "source": "builtin", "vocabulary": 900, "pairs": 8_000, "longest": 64},
        "model": {**SIZES, "implementation": implementation},
        "training": {"length": 10**9, "batch": tokens_a_batch, "learning_rate": 1e-3, "label_smoothing": 0.1},
    }
    return resolve(fields, "benchmark")


def ours(implementation, density, tokens_a_batch):
    """A ticket in training."""
    settings = experiment(implementation, tokens_a_batch)
    network = make_model(settings)
    return make_stack(settings, network, starts(network, 1, density), "cpu")


class _Measured(TrainerCallback):
    """Counts the CPU seconds between the end of the first steps and the end of the training."""

    def __init__(self, warm_up):
        self.warm_up, self.start = warm_up, 0.0

    def on_step_end(self, _arguments, state, _control, **_more):
        if state.global_step == self.warm_up:
            self.start = time.process_time()


class _Collator(DataCollatorForSeq2Seq):
    """Remembers the targets' tokens of each batch."""

    def __call__(self, features, return_tensors=None):
        batch = super().__call__(features, return_tensors)
        self.counts.append(int((batch["labels"] != -100).sum()))
        return batch


def trainer_rate(module, lesson, steps):
    """Target tokens per CPU second of Hugging Face's Trainer over so many steps, without the first few."""
    corpus = lesson._corpus
    part, words = corpus.parts["train"], corpus.vocabulary
    rows = [
        {"input_ids": [*part.sentence(i, 0).tolist(), words.end], "labels": [*part.sentence(i, 1).tolist(), words.end]}
        for i in range(len(part))
    ]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words.tokenizer, pad_token=PAD)
    collator = _Collator(tokenizer, model=module.model)
    collator.counts = []
    warm_up = 3
    measured = _Measured(warm_up)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=steps + warm_up, per_device_train_batch_size=PAIRS_A_BATCH, label_smoothing_factor=0.1,
            learning_rate=1e-3, report_to=[], save_strategy="no", logging_strategy="no", use_cpu=True,
            disable_tqdm=True,
        )  # fmt: skip
        trainer = Trainer(module.model, arguments, data_collator=collator, train_dataset=rows, callbacks=[measured])
        trainer.train()
        taken = time.process_time() - measured.start
    return sum(collator.counts[warm_up : warm_up + steps]) / taken


def our_rate(stack, seconds):
    """Target tokens per CPU second."""
    tokens, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        tokens += sum(batch.predictions for batch in stack._batches())
        stack.update()
    return tokens / (time.process_time() - start)


def main():
    """Print a line per way of training, and the ratio of paired turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="CPU seconds of a turn of ours")
    parser.add_argument("--steps", type=int, default=30, help="steps of a turn of the Trainer's")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    # As many target tokens a batch as the Trainer's random batches have, padding not counted.
    probe = ours("own", None, 1_000)
    lengths = probe.lesson._corpus.parts["train"].lengths() + 1
    budget = int(PAIRS_A_BATCH * float(lengths.max(1).mean()))
    ways = {
        "own modules": ours("own", None, budget),
        "Marian": ours("transformers", None, budget),
    }
    peer = make_model(experiment("transformers", budget)).module()
    rates, peers = {way: [] for way in ways}, []
    for way in ways.values():
        our_rate(way, 0.5)
    for _ in range(arguments.turns):
        peers.append(trainer_rate(peer, probe.lesson, arguments.steps))
        for way, stack in ways.items():
            rates[way].append(our_rate(stack, arguments.seconds))
    print(f"{'Trainer, Marian':28} {statistics.median(peers):10,.0f} target tokens/s")
    for way, found in rates.items():
        ratios = [a / b for a, b in zip(found, peers, strict=True)]
        print(
            f"{way:28} {statistics.median(found):10,.0f} target tokens/s {statistics.median(ratios):6.2f}x   "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
