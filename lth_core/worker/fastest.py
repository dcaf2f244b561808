"""The shared timing of stacks that are compared: updates in turn, so that all see the same load."""

import math
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from lth_core.training.stack import Stack

Key = TypeVar("Key", bound=Hashable)


def fastest_updates(
    stacks: Mapping[Key, Stack], clock: Callable[[], float], seconds: float,
    go_on: Callable[[], bool] = lambda: True, most: int | None = None,
) -> dict[Key, float]:  # fmt: skip
    """Seconds of the fastest update of each stack: in turns, at least one, until so many seconds are over, `most` turns
    are taken, or `go_on` says no."""
    for stack in stacks.values():
        stack.warm_up()
    fastest, begun, turns = dict.fromkeys(stacks, math.inf), clock(), 0
    while not turns or (clock() - begun < seconds and go_on() and (most is None or turns < most)):
        for key, stack in stacks.items():
            before = clock()
            stack.update()
            fastest[key] = min(fastest[key], clock() - before)
        turns += 1
    return fastest
