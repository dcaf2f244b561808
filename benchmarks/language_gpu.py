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

warnings.filterwarnings("ignore")
START = time.monotonic()

import torch

from benchmarks.gpu_turns import TURN, steps, turn, wait
from benchmarks.language_sides import (
    BASE,
    DEVICE,
    LITTLE,
    LITTLE_WORDS,
    SMALL,
    First,
    Ready,
    lstm,
    pairs,
    plain_lstm,
    plain_marian,
    translator,
)  # fmt: skip

try:
    from lth_core.training.supervised import adam_kernel
except ImportError:  # no Triton
    adam_kernel = None
SIDE_BY_SIDE = (1, 2) if SMALL else (1, 4, 8)
TABLE: list[str] = []


def say(line):
    """Print now, and again in the table at the end."""
    TABLE.append(line)
    print(f"[{time.monotonic() - START:5.0f} s] {line}", flush=True)


# ---- how it is measured


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
        dead = revived(one)
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


def revived(ticket):
    """The largest weight that should be zero."""
    alive = ticket.step.masks.alive
    return max(float((ticket.module.get_parameter(n).detach() * (1 - a.float())).abs().max()) for n, a in alive.items())


def cost(title, sides, turns=15, seconds=0.35, warm=0.6):
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
    """Turns with and without masks."""
    words = 300 if SMALL else 32_768
    corpus = pairs(words, 1_000, 25)
    for title, make in {
        "LSTM, bfloat16, graph": lambda masks: lstm("bfloat16", True, masks),
        "LSTM, same, clipped": lambda masks: lstm("bfloat16", True, masks, max_gradient_norm=0.25),
        "base, bfloat16, graph": lambda masks: translator(BASE, words, corpus, 3_584, "bfloat16", True, masks),
    }.items():
        off, on = make(False), make(True)
        for one in (off, on):  # the same batch at every step, or turns would differ by its length
            one.lesson = First(one.lesson, 1)
        cost(f"masks: {title}", {"off": steps(off), "on": steps(on)})


def without_kernels(make):
    """A ticket as it is where Triton is not to be had: masks, clipping and torch's optimizer in passes."""
    works = adam_kernel.works
    adam_kernel.works = lambda device: False
    try:
        return make()
    finally:
        adam_kernel.works = works


def kernels():
    """The step of Adam with masks and clipping in kernels of ours, against the passes of torch."""
    for title, more in {"no clipping": {}, "clipped": {"max_gradient_norm": 0.25}}.items():
        make = lambda more=more: lstm("bfloat16", True, True, **more)  # noqa: E731
        passes, own = steps(without_kernels(make)), steps(make())
        sides = {"in torch's passes": lambda passes=passes: passes, "in kernels": lambda own=own: own}
        compare(f"LSTM masked, {title}", sides, turns=4)


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
    dead = revived(other)
    print(
        f"{statistics.median(found):6.2f}x ({min(found):.2f} to {max(found):.2f}), ready in {taken:.0f} s, dead {dead}"
    )


SECTIONS = (masks_cost, kernels, base_formats, little, compiled, waiting, same, lstm_formats, side_by_side)
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
