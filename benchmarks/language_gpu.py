"""What training language costs on a GPU: formats of products, CUDA graphs, compilation, masks, processes side by side.

    python -m benchmarks.language_gpu [--budget SECONDS] [--only SECTION ...] [--small]

Synthetic tokens, the paper's sizes: an LSTM of 2 x 650 over 33,278 words, 30 texts of 50 tokens; Transformer base over
32,768 tokens, 3,584 tokens a batch; a Transformer of 4+4 layers of 128 as for Multi30k. Rates are target tokens per
second of the clock. The peers are plain loops: nn.LSTM with torch's Adam as it comes; transformers' Marian with random
batches of pairs padded to the longest, clipping and AdamW as in Hugging Face's Trainer. What is compared takes turns.
A section that fails says so and the others go on; the table comes last. --small tries the script out on a CPU.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import traceback
import warnings
from itertools import chain

warnings.filterwarnings("ignore")
START = time.monotonic()

import numpy as np
import torch
from torch import nn

from lth_core.models import language, transformer
from lth_core.models.module import ModuleNetwork
from lth_core.models.translator import Special
from lth_core.settings.language_networks import LSTM, Seq2Seq
from lth_core.settings.supervised import Supervised
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.text.corpus import Corpus
from lth_core.tasks.translation.corpus import ParallelCorpus, Part
from lth_core.training.language import LanguageLesson
from lth_core.training.stack import Start
from lth_core.training.supervised import SupervisedStack
from lth_core.training.translation import TranslationLesson

SMALL = "--small" in sys.argv
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PAPER_LSTM = (64, 500, 8, 10) if SMALL else (650, 33_278, 30, 50)  # width, words, texts, window
BASE = Seq2Seq(width=32, feed_forward=64, heads=2, encoder_layers=1, decoder_layers=1) if SMALL else Seq2Seq()
LITTLE = (
    BASE if SMALL else Seq2Seq(width=128, feed_forward=256, heads=4, encoder_layers=4, decoder_layers=4, dropout=0.3)
)
LITTLE_WORDS = 300 if SMALL else 8_000
TURN = 0.2 if SMALL else 1.0
"""Seconds of a turn."""
SIDE_BY_SIDE = (1, 2) if SMALL else (1, 4, 8)
TABLE: list[str] = []


def say(line):
    """Print now, and again in the table at the end."""
    TABLE.append(line)
    print(f"[{time.monotonic() - START:5.0f} s] {line}", flush=True)


# ---- what is trained


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
    return ParallelCorpus(dict.fromkeys(("train", "valid", "test"), part), Vocabulary(words), None, {}, {}, {}, 0, "")


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
    generator = torch.Generator().manual_seed(0)
    mask = {n: torch.rand(shape, generator=generator) < 0.5 for n, shape in network.shapes().items()} if masks else {}
    return SupervisedStack(settings, network, lesson, [Start(0, network.initialise(0), mask, 0, 10**9)], DEVICE)


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


# ---- how it is measured


def wait():
    """Until the GPU has done all."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def turn(one, seconds=TURN):
    """Predictions per second of the clock; one() makes a step and says how many it predicted. At most 8 steps ahead."""
    wait()
    start, done, marks = time.perf_counter(), 0, []
    while time.perf_counter() - start < seconds:
        done += one()
        if DEVICE == "cuda":
            marks.append(torch.cuda.Event())
            marks[-1].record()
            if len(marks) > 8:
                marks.pop(0).synchronize()
    wait()
    return done / (time.perf_counter() - start)


def steps(ticket):
    """A call that updates a ticket and says how many predictions that took."""
    made = ticket.lesson.batch
    counted = [0]

    def counting(epoch, place):
        batch = made(epoch, place)
        counted[0] += batch.predictions
        return batch

    ticket.lesson.batch = counting

    def step():
        before = counted[0]
        ticket.update()
        return counted[0] - before

    return step


def compare(title, sides, turns=2, warm=0.5):
    """Rates of sides that take turns, by name; a side is a function that makes a step, and may fail alone."""
    ready = {}
    for name, make in sides.items():
        try:
            ready[name] = make()
            turn(ready[name], warm if not SMALL else 0.1)
        except Exception as error:
            ready.pop(name, None)
            say(f"{title:24} {name:34} failed: {type(error).__name__}: {str(error)[:150]}")
            traceback.print_exc()
    rates = {name: [] for name in ready}
    for _ in range(turns):
        for name, step in ready.items():
            rates[name].append(turn(step))
    middle = {name: statistics.median(found) for name, found in rates.items()}
    first = next(iter(middle.values()), 1)
    for name, rate in middle.items():
        say(f"{title:24} {name:34} {rate:12,.0f} tokens/s {rate / first:6.2f}x")
    return middle


# ---- the peers


def plain_lstm(bfloat16=False):
    """The usual loop, in torch's own defaults (cuDNN rounds factors to tf32)."""
    width, words, rows, window = PAPER_LSTM

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Embedding(words, width)
            self.rnn = nn.LSTM(width, width, 2, dropout=0.5)
            self.decoder = nn.Linear(width, words)

        def forward(self, tokens, hidden):
            output, hidden = self.rnn(self.encoder(tokens), hidden)
            return self.decoder(output).view(-1, words), hidden

    model, criterion = Model().to(DEVICE), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-3)
    data = torch.randint(words, (40 * window + 1, rows), device=DEVICE)
    state = {"hidden": None, "place": 0}

    def step():
        first = state["place"] * window % (len(data) - window - 1)
        tokens, targets = data[first : first + window], data[first + 1 : first + window + 1].view(-1)
        optimizer.zero_grad()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
            scores, hidden = model(tokens, state["hidden"])
            loss = criterion(scores, targets)
        state["hidden"] = tuple(part.detach() for part in hidden)
        loss.backward()
        optimizer.step()
        state["place"] += 1
        return rows * window

    return step


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


# ---- sections


def start_children():
    """Processes that wait until they are asked to train an LSTM."""
    command = [sys.executable, "-m", "benchmarks.language_gpu", "--child", *(["--small"] if SMALL else [])]
    own = {**os.environ, "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own)
        for _ in range(max(SIDE_BY_SIDE))
    ]


def side_by_side():
    """Processes that train an LSTM each at the same time, with and without a graph: tokens per second in all."""
    children = start_children()

    def ask(asked, words):
        for child in asked:
            child.stdin.write(words + "\n")
            child.stdin.flush()
        return [json.loads(child.stdout.readline()) for child in asked]

    title = "LSTM, bfloat16, masked"
    try:
        for how in ("eager", "graph"):
            ask(children, f"warm {how}")
            alone = 0.0
            for count in SIDE_BY_SIDE:
                rate = sum(ask(children[:count], f"{how} {2 * TURN}"))
                alone = alone or rate
                name = f"{count} processes, {how}"
                say(f"{title:24} {name:34} {rate:12,.0f} tokens/s {rate / alone:6.2f}x")
    finally:
        for child in children:
            child.kill()
            child.wait()


def child():
    """One of those."""
    made = {}
    for line in sys.stdin:
        how, seconds = line.split()
        if how == "warm":
            how, seconds = seconds, 0.3
        if how not in made:
            made[how] = steps(lstm("bfloat16", how == "graph", True))
            turn(made[how], 0.3)
        print(json.dumps(turn(made[how], float(seconds))), flush=True)


def same():
    """With and without a graph: losses and weights after as many updates; pruned weights are zero; weights float32."""
    for title, make in {
        "LSTM": lambda graph: lstm("float32", graph, True),
        "4+4 x 128": lambda graph: translator(
            LITTLE, LITTLE_WORDS, pairs(LITTLE_WORDS, 300, 14), 4_096, "bfloat16", graph, True
        ),
    }.items():
        found = []
        for graph in (False, True):
            one = make(graph)
            for _ in range(60):
                one.update()
            wait()
            loss = one.metrics()[0]["loss/train"]
            found.append((loss, one.weights(0), one))
        (loss, weights, one), (graphed, others, _) = found
        apart = max(float((weights[name] - others[name]).abs().max()) for name in weights)
        pruned = zip(one._pruned, one._alive, strict=True)
        dead = max(float((parameter * (1 - alive)).abs().max()) for parameter, alive in pruned)
        kept = {str(weight.dtype) for weight in weights.values()}
        say(f"{'graph equals eager':24} {title:34} loss {loss:.6f} and {graphed:.6f}, weights apart {apart:.2e}, "
            f"dead {dead}, {kept}")  # fmt: skip


def lstm_formats():
    """The paper's LSTM in each format, with and without a graph."""
    sides = {"plain loop, torch's defaults": plain_lstm, "plain loop, bfloat16": lambda: plain_lstm(True)}
    for graph in (False, True):
        for precision in ("float32", "tfloat32", "bfloat16"):
            name = f"{precision}{', graph' if graph else ''}"
            sides[name] = lambda p=precision, g=graph: steps(lstm(p, g))
    compare("LSTM 2x650", sides)


def base_formats():
    """Transformer base: our modules and Marian in our training, against the plain loop with Marian."""
    words = 300 if SMALL else 32_768
    corpus = pairs(words, 2_000 if SMALL else 60_000, 25)
    theirs = BASE.model_copy(update={"implementation": "transformers"})
    by_batch = max(1, int(3_584 / float((corpus.parts["train"].lengths() + 1).max(1).mean())))

    def peer(cudnn):
        step = plain_marian(corpus, theirs, words, by_batch, True)

        def own():
            before = torch.backends.cuda.cudnn_sdp_enabled()
            torch.backends.cuda.enable_cudnn_sdp(cudnn)
            try:
                return step()
            finally:
                torch.backends.cuda.enable_cudnn_sdp(before)

        return own

    sides = {
        "Marian, plain loop, no cuDNN attention": lambda: peer(False),
        "Marian, plain loop, bfloat16": lambda: peer(True),
    }
    for precision in ("float32", "tfloat32", "bfloat16"):
        sides[f"own, {precision}"] = lambda p=precision: steps(translator(BASE, words, corpus, 3_584, p))
    sides["Marian, bfloat16"] = lambda: steps(translator(theirs, words, corpus, 3_584, "bfloat16"))
    compare("Transformer base", sides, warm=0.8)


def as_bool(ticket):
    """The same ticket with masks of one byte an entry, multiplied in one tensor after the other."""
    ticket._alive = [alive.bool() for alive in ticket._alive]

    def mask(tensors):
        for tensor, alive in zip(tensors, ticket._alive, strict=True):
            tensor.mul_(alive)

    ticket._mask = mask
    return ticket


def cost(title, sides, turns=7, seconds=0.35, warm=0.6):
    """What the others cost over the first of these sides, in percent of a step."""
    for step in sides.values():
        turn(step, warm)
    found = {name: [] for name in list(sides)[1:]}
    for _ in range(turns):
        rates = {name: turn(step, seconds) for name, step in sides.items()}
        first = next(iter(rates.values()))
        for name in found:
            found[name].append(100 * (first / rates[name] - 1))
    for name, costs in found.items():
        spread = f"({min(costs):+.1f} to {max(costs):+.1f})"
        say(f"{title:24} {name:34} {statistics.median(costs):+11.1f} % of a step {spread}")


def masks_cost():
    """Turns with and without masks, of four bytes and of one."""
    words = 300 if SMALL else 32_768
    corpus = pairs(words, 1_000, 25)
    for title, make in {
        "LSTM, bfloat16, graph": lambda masks: lstm("bfloat16", True, masks),
        "base, bfloat16": lambda masks: translator(BASE, words, corpus, 3_584, "bfloat16", False, masks),
    }.items():
        cost(f"masks: {title}", {
            "off": steps(make(False)), "float32": steps(make(True)), "bool": steps(as_bool(make(True))),
        })  # fmt: skip


def waiting():
    """How much of the time goes to making batches: as it is, over batches that are on the device already."""
    words = 300 if SMALL else 32_768
    corpus, little = pairs(words, 20_000, 25), pairs(LITTLE_WORDS, 3_000, 14)
    makes = {
        "LSTM, bfloat16, graph": lambda: lstm("bfloat16", True),
        "base, bfloat16": lambda: translator(BASE, words, corpus, 3_584, "bfloat16"),
        "4+4 x 128, bfloat16, graph": lambda: translator(LITTLE, LITTLE_WORDS, little, 4_096, "bfloat16", True),
    }
    for title, make in makes.items():
        usual, ready = make(), make()
        usual.lesson, ready.lesson = First(usual.lesson), Ready(ready.lesson)
        cost("waiting for data", {"ready": steps(ready), title: steps(usual)}, turns=5, warm=1.8)


def little():
    """A network as for Multi30k, where launching binds: a graph for each shape."""
    corpus = pairs(LITTLE_WORDS, 2_000 if SMALL else 3_000, 14)
    sides = {
        f"{precision}{', graph' if graph else ''}": lambda p=precision, g=graph: steps(
            translator(LITTLE, LITTLE_WORDS, corpus, 4_096, p, g)
        )
        for graph in (False, True)
        for precision in ("float32", "bfloat16")
    }
    compare("4+4 layers of 128", sides, warm=3.0)


COMPILED = {
    "LSTM, bfloat16, graph, compiled": (
        lambda: lstm("bfloat16", True, False),
        lambda: lstm("bfloat16", True, True, compile=True),
    ),
    "base, bfloat16, compiled": (
        lambda: translator(BASE, WORDS, pairs(WORDS, 1_000, 25), 3_584, "bfloat16", False, False),
        lambda: translator(BASE, WORDS, pairs(WORDS, 1_000, 25), 3_584, "bfloat16", False, True, compile=True),
    ),
}
WORDS = 300 if SMALL else 32_768


def start_compiling():
    """A process for each of those, which compiles now and compares when it is asked."""
    own = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "benchmarks.language_gpu", *(["--small"] if SMALL else []), "--compiled"]
    return {
        name: subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own)
        for name in COMPILED
    }


def compiled():
    """torch.compile: the network and the step with masks, over neither compiled nor masked."""
    for name, process in (COMPILING or start_compiling()).items():
        left = max(5.0, ARGUMENTS.budget - (time.monotonic() - START) - 3)
        try:
            out, _ = process.communicate("go\n", timeout=left)
            say(f"{'compiled and masked':24} {name:34} " + (out.strip() or f"failed with {process.returncode}"))
        except subprocess.TimeoutExpired:
            process.kill()
            say(f"{'compiled and masked':24} {name:34} not ready within {ARGUMENTS.budget:.0f} s")


def compiled_child(name):
    """Compile, wait to be asked, compare."""
    usual, other = (make() for make in COMPILED[name])
    start = time.perf_counter()
    usual, step = steps(usual), steps(other)
    for _ in range(80):
        step()
    wait()
    taken = time.perf_counter() - start
    for _ in range(60):
        usual()
    wait()
    sys.stdin.readline()
    turn(usual, 0.3), turn(step, 0.3)
    found = [turn(step, 0.5) / turn(usual, 0.5) for _ in range(5)]
    dead = max(float((p * (1 - a)).abs().max()) for p, a in zip(other._pruned, other._alive, strict=True))
    print(
        f"{statistics.median(found):6.2f}x ({min(found):.2f} to {max(found):.2f}), ready in {taken:.0f} s, dead {dead}"
    )


SECTIONS = (base_formats, little, masks_cost, compiled, waiting, same, lstm_formats, side_by_side)
COMPILING = {}


def main():
    """Every section in turn, then the table."""
    chosen = [section for section in SECTIONS if not ARGUMENTS.only or section.__name__ in ARGUMENTS.only]
    if compiled in chosen:
        COMPILING.update(start_compiling())
    if DEVICE == "cuda":
        say(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {len(os.sched_getaffinity(0))} cores")
    for section in chosen:
        left = ARGUMENTS.budget - (time.monotonic() - START)
        if left < 10:
            say(f"{section.__name__}: left out, {left:.0f} s are left")
            continue
        try:
            section()
        except Exception as error:
            say(f"{section.__name__} failed: {type(error).__name__}: {str(error)[:200]}")
            traceback.print_exc()
        if DEVICE == "cuda":
            try:
                torch.cuda.synchronize()
                torch.cuda.empty_cache()
            except Exception as error:
                say(f"{section.__name__} left the GPU unusable: {str(error)[:200]}")
                break
    for process in COMPILING.values():
        process.kill()
    print("\n" + "\n".join(TABLE), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=145.0)
    parser.add_argument("--only", nargs="*", choices=[section.__name__ for section in SECTIONS])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--child", action="store_true")
    parser.add_argument("--compiled", choices=list(COMPILED))
    ARGUMENTS = parser.parse_args()
    torch.set_num_threads(1 if ARGUMENTS.child else 4)
    if ARGUMENTS.child:
        child()
    elif ARGUMENTS.compiled:
        compiled_child(ARGUMENTS.compiled)
    else:
        main()
