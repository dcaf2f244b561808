"""CPU time of sparse tickets computed from their living weights, against the same tickets computed whole.

Both sides in turn, in one process with one thread, every matrix pruned to the same share at random. Run:

    python -m benchmarks.sparse [kernels|a2c|ppo|switch|acrobot|acrobot-ppo]
"""

import argparse
import os
import statistics
import sys
import time
import tomllib
from pathlib import Path

from lth_core.batches.processes import variables

if __name__ == "__main__" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
    # As workers run, with one thread.
    os.execve(sys.executable, sys.orig_argv, variables(1))  # noqa: S606

import torch

from benchmarks.stacks import EPOCHS, MINIBATCHES, classic, starts
from lth_core.experiment.file import resolve
from lth_core.models.mlp import Perceptron
from lth_core.training.families import make_model, make_stack
from lth_core.training.reinforcement import sparse

KEPT = (0.4, 0.2, 0.1, 0.05, 0.02)
HIDDEN = (256, 256, 256)
TICKETS = 32
PRESET = Path(__file__).parent.parent / "configs" / "paper" / "acrobot.toml"


def fastest(sides, turns):
    """The fewest CPU seconds of each of the functions, called in turn."""
    found = [[] for _ in sides]
    for _ in range(turns):
        for side, own in zip(sides, found, strict=True):
            before = time.process_time()
            side()
            own.append(time.process_time() - before)
    return [min(own) for own in found], [statistics.median(own) for own in found]


def in_form(experiment, how):
    """The same experiment, computed sparse "never" or "always"."""
    return experiment.model_copy(update={"training": experiment.training.model_copy(update={"sparse": how})})


@torch.no_grad()
def kernels(turns):
    """A hidden layer of all tickets: forward, backward and its gradient, and the forward product of acting."""
    for batch in (128, 8):
        for kept in KEPT:
            generator = torch.Generator().manual_seed(0)
            size = (TICKETS, 256, 256)
            weights = torch.randn(size, generator=generator) * (torch.rand(size, generator=generator) < kept)
            rows, columns = (torch.randn(TICKETS, batch, 256, generator=generator) for _ in range(2))
            wide = [one.transpose(1, 2).reshape(TICKETS * 256, batch) for one in (rows, columns)]
            matrix = torch.block_diag(*weights.transpose(1, 2)).to_sparse_csr()
            places = [matrix.crow_indices().int(), matrix.col_indices().int()]
            values = matrix.values()
            csr = torch.sparse_csr_tensor(*places, values, matrix.shape)

            def bag(x, places=places, values=values):
                return torch.nn.functional.embedding_bag(
                    places[1], x, places[0], mode="sum", per_sample_weights=values, include_last_offset=True
                )

            sides = [
                lambda x=rows, w=weights: torch.bmm(x, w),
                lambda x=rows, y=columns: torch.bmm(x.transpose(1, 2), y),
                lambda c=csr, x=wide[0]: c @ x,
                lambda x=wide[0], bag=bag: bag(x),
                lambda c=csr, x=wide: torch.sparse.sampled_addmm(c, x[1], x[0].t(), beta=0.0),
            ]
            names = ("bmm", "bmm of gradient", "CSR", "embedding_bag", "sampled_addmm of gradient")
            found, _ = fastest(sides, turns)
            print(f"batch {batch:3} kept {kept:4.0%}  " + "  ".join(
                f"{name} {1000 * took:.2f} ms" for name, took in zip(names, found, strict=True)
            ), flush=True)  # fmt: skip


def whole(algorithm, turns):
    """Whole updates: environments, acting, learning, Adam."""
    experiment = classic(algorithm, HIDDEN)
    model = make_model(experiment)
    for kept in KEPT:
        own = starts(model, TICKETS, kept)
        sides = [make_stack(in_form(experiment, how), model, own, "cpu") for how in ("never", "always")]
        for side in sides:
            side.update()
        least, middle = fastest([side.update for side in sides], turns)
        print(
            f"{algorithm} 3x256 {TICKETS} tickets, kept {kept:4.0%}: whole {1000 * middle[0]:8.1f} ms, sparse "
            f"{1000 * middle[1]:8.1f} ms, {middle[0] / middle[1]:.2f}x (of the fastest {least[0] / least[1]:.2f}x)",
            flush=True,
        )


def preset(algorithm, turns):
    """All rounds of paper/acrobot with a seed of each arm, "auto" against "never": a few updates of each round's stack
    in turn, after the dense run; masks are random, of the preset's densities."""
    fields = {"name": "acrobot", **tomllib.loads(PRESET.read_text())}
    if algorithm == "ppo":
        fields["training"] = {
            "algorithm": "ppo", "unit": "games", "length": 6_400, "environments": 8, "n_steps": 128,
            "epochs": EPOCHS, "minibatches": MINIBATCHES,
        }  # fmt: skip
    experiment = resolve(fields, "acrobot")
    model, tables, total = make_model(experiment), [], [0.0, 0.0]
    for round in range(experiment.pruning.rounds + 1):
        arms = [arm for arm in experiment.arms if round in experiment.rounds_of(arm)] if round else ["dense"]
        kept = experiment.pruning.density(round) if round else None
        tickets = starts(model, len(arms), kept)
        sides = [make_stack(in_form(experiment, how), model, tickets, "cpu") for how in ("never", "auto")]
        for side in sides:
            side.update()
        _, middle = fastest([side.update for side in sides], turns)
        total = [one + took for one, took in zip(total, middle, strict=True)]
        tables.append(f"{'' if kept is None else f'{kept:.1%}':>6} {middle[0] / middle[1]:.2f}x")
    print(f"{algorithm} paper/acrobot, {experiment.pruning.rounds} rounds: " + ", ".join(tables))
    print(
        f"in all {total[0]:.2f} and {total[1]:.2f} s for an update of each round: {total[0] / total[1]:.2f}x",
        flush=True,
    )


def switch(_turns):
    """The share up to which "auto" computes sparse, by network and algorithm."""
    for algorithm in ("a2c", "ppo"):
        for hidden in ((64, 64), (128, 128), HIDDEN):
            experiment = classic(algorithm, hidden)
            model = make_model(experiment)
            assert isinstance(model, Perceptron)
            begun = time.process_time()
            below = sparse.measured(model, experiment.training)
            took = time.process_time() - begun
            print(
                f"{algorithm} {'x'.join(map(str, hidden)):12} up to {below:.0%} ({took:.1f} s to measure)", flush=True
            )


def main():
    """Print the tables asked for."""
    tables = {
        "kernels": kernels, "a2c": lambda n: whole("a2c", n), "ppo": lambda n: whole("ppo", n), "switch": switch,
        "acrobot": lambda n: preset("a2c", n), "acrobot-ppo": lambda n: preset("ppo", n),
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", default=list(tables), help=", ".join(tables))
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.tables if name not in tables]:
        parser.error(f"{unknown[0]}: accepted are {', '.join(tables)}")
    torch.set_num_threads(1)
    for name in arguments.tables:
        tables[name](arguments.turns)


if __name__ == "__main__":
    main()
