"""Learning from pictures: this program against the plain PyTorch loop with a DataLoader, as people write it.

    python -m benchmarks.images [lenet|conv-2|resnet-20] [TURNS]

The plain loop has a Dataset that normalises a picture at a time (and crops and mirrors it, for ResNet-20), a DataLoader
without worker processes, the same network, CrossEntropyLoss and torch's optimizer as it comes. Ours is a ticket of
which half is pruned, and beside it one without masks, whose ratio is what masks cost; of LeNet and Conv-2 also a stack
of 32 half-pruned tickets, four arms of eight seeds. All in one process with one thread, taking turns; medians of CPU
time and of the ratios of turns side by side are printed.
"""

import os
import statistics
import sys
import time
from dataclasses import replace

from lth_core.batches.processes import variables

if __name__ == "__main__" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
    # As workers run, with one thread; freed memory is kept for both sides.
    os.execve(sys.executable, sys.orig_argv, variables(1))  # noqa: S606

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.stacks import starts
from lth_core.experiment.file import resolve
from lth_core.tasks.images.pictures import Pictures, load
from lth_core.training.families import make_model, make_stack

TICKETS, ARMS = 32, 4
"""In the stack."""
SIZES = {  # model, training, task, updates a turn
    "lenet": ({"kind": "lenet"}, {"batch": 60, "learning_rate": 1.2e-3}, {}, 100),
    "conv-2": ({"kind": "conv_small", "layers": 2}, {"batch": 60, "learning_rate": 2e-4}, {}, 5),
    "resnet-20": (
        {"kind": "resnet"}, {"batch": 128, "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1},
        {"crop": 4, "flip": True}, 2,
    ),
}  # fmt: skip


class OneByOne(Dataset):
    """The training part, a picture at a time."""

    def __init__(self, pictures: Pictures, crop: int, flip: bool) -> None:
        part = pictures.parts["train"]
        self.images, self.labels = torch.from_numpy(part.images[part.rows]), part.labels.tolist()
        self.mean = torch.tensor(pictures.mean).reshape(-1, 1, 1)
        self.deviation = torch.tensor(pictures.deviation).reshape(-1, 1, 1)
        self.crop, self.flip = crop, flip

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        x = self.images[row].float() / 255
        if self.crop:
            height, width = x.shape[1:]
            x = nn.functional.pad(x, [self.crop] * 4)
            down, right = (int(torch.randint(0, 2 * self.crop + 1, ())) for _ in range(2))
            x = x[:, down : down + height, right : right + width]
        if self.flip and torch.rand(()) < 0.5:
            x = x.flip(-1)
        return (x - self.mean) / self.deviation, self.labels[row]


def plain(experiment):
    """An update of the usual loop."""
    training, pictures = experiment.training, load(experiment.task)
    data = DataLoader(
        OneByOne(pictures, experiment.task.crop, experiment.task.flip), training.batch, shuffle=True, drop_last=True
    )
    module, loss = make_model(experiment).module(), nn.CrossEntropyLoss()
    if training.optimizer == "sgd":
        optimizer = torch.optim.SGD(module.parameters(), training.learning_rate, training.momentum)
    else:
        optimizer = torch.optim.Adam(module.parameters(), training.learning_rate)

    def endless():
        while True:
            yield from data

    batches = endless()

    def update():
        x, y = next(batches)
        optimizer.zero_grad()
        loss(module(x), y).backward()
        optimizer.step()

    return update


def main() -> None:
    """Let the sides take turns; print pictures per second of CPU time and the ratios."""
    size = sys.argv[1] if len(sys.argv) > 1 else "lenet"
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    model, training, task, updates = SIZES[size]
    fields = {
        "name": "benchmark", "seeds": 1, "task": {"kind": "images", **task}, "model": model,
        "training": {"length": 10**9, **training},
    }  # fmt: skip
    experiment = resolve(fields, "benchmark")
    network = make_model(experiment)
    sides = {
        "plain": plain(experiment),
        "masked": make_stack(experiment, network, starts(network, 1, 0.5), "cpu").update,
        "dense": make_stack(experiment, network, starts(network, 1, None), "cpu").update,
    }
    counts = dict.fromkeys(sides, updates)
    if size != "resnet-20":
        own = [replace(one, seed=one.seed // ARMS) for one in starts(network, TICKETS, 0.5)]
        stack = make_stack(experiment, network, own, "cpu")
        sides["stack"], counts["stack"] = stack.update, stack.length * TICKETS
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name, update in sides.items():
            start = time.process_time()
            for _ in range(stack.length if name == "stack" else updates):
                update()
            if turn:  # the first one warms up
                found[name].append((time.process_time() - start) / counts[name])
    for name, times in found.items():
        rate = experiment.training.batch / statistics.median(times)
        print(f"{name:7} {rate:10,.0f} pictures per second of CPU time")
    compared = [("plain", "masked"), ("plain", "dense"), ("dense", "masked"), ("plain", "stack"), ("masked", "stack")]
    for name, other in compared if "stack" in found else compared[:3]:
        ratios = [a / b for a, b in zip(found[name], found[other], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{other} / {name} = {middle:.2f} (middle half {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
