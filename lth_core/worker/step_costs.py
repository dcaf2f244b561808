"""Seconds of a step of stacks, in turns: what else the machine does must not decide which of them is faster."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from lth_core.training.stack import Stack

TURNS = 4
"""Parts of a measurement."""
MOST = 5
"""How many times the seconds of a measurement may pass on the clock, where others use the processor too."""


@dataclass
class StepCost:
    """What updates of a stack took so far. took: seconds of the clock that measures; main: of this thread's processor;
    wall: of the world's clock; trained: steps of each ticket."""

    took: float = 0.0
    main: float = 0.0
    wall: float = 0.0
    trained: int = 0

    @property
    def step(self) -> float:
        """Seconds of a step of each ticket."""
        return self.took / self.trained

    @property
    def clock(self) -> float:
        """Seconds of the clock for one of a processor, on an idle machine: with several threads this one waits while
        others finish; without others it would hardly have to."""
        return min(1.0, max(self.main / self.took, 1 / torch.get_num_threads()))


def step_costs(stacks: Mapping[int, Stack], clock: Callable[[], float], seconds: float) -> dict[int, StepCost]:
    """Update each stack for so many seconds, at least once, and wait for its device."""
    costs = {key: StepCost() for key in stacks}
    left = list(stacks)
    while left:
        for key in left:
            _turn(stacks[key], costs[key], clock, seconds / TURNS)
        left = [key for key in left if costs[key].took < seconds and costs[key].wall < MOST * seconds]
    return costs


def _turn(stack: Stack, cost: StepCost, clock: Callable[[], float], seconds: float) -> None:
    stack.broken()  # waits for a device, here and at the end
    trained, begun, wall, main = stack.trained, clock(), time.perf_counter(), time.thread_time()
    while stack.trained == trained or (clock() - begun < seconds and time.perf_counter() - wall < MOST * seconds):
        stack.update()
    stack.broken()
    cost.took += clock() - begun
    cost.main += time.thread_time() - main
    cost.wall += time.perf_counter() - wall
    cost.trained += stack.trained - trained
