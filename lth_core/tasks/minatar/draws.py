"""Random numbers for many games at once, a stream for each: SplitMix64 (Steele, Lea & Flood 2014) in numpy."""

import numpy as np

from lth_core.tasks.step import Array

_STEP, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_SHIFTS = tuple(np.uint64(n) for n in (30, 27, 31, 11))


def mixed(states: Array) -> Array:
    """The number in [0, 1) that each state (uint64, any shape) stands for."""
    z = (states ^ (states >> _SHIFTS[0])) * _FIRST
    z = (z ^ (z >> _SHIFTS[1])) * _SECOND
    found: Array = ((z ^ (z >> _SHIFTS[2])) >> _SHIFTS[3]) * 2.0**-53
    return found


def states_after(keys: Array, first: int, count: int) -> Array:
    """The states (count, N) of streams that start at keys (N,), from their draw number `first` on, the earliest 0."""
    found: Array = keys + _STEP * (np.arange(first + 1, first + count + 1, dtype=np.uint64)[:, None])
    return found


class Draws:
    """A stream for each of N games. states: (N,) uint64, which it changes."""

    def __init__(self, states: Array) -> None:
        self.states = states

    def next(self, rows: Array, count: int) -> Array:
        """The next `count` numbers in [0, 1) of each of these games, (len(rows), count) float64."""
        states = self.states[rows, None] + _STEP * np.arange(1, count + 1, dtype=np.uint64)
        self.states[rows] = states[:, -1]
        return mixed(states)

    def whole(self, rows: Array, below: int) -> Array:
        """A whole number from 0 to `below` - 1 for each of these games, from one draw each."""
        return (self.next(rows, 1)[:, 0] * below).astype(np.int64)
