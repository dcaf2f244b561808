"""Random numbers on any device, a stream for each ticket: SplitMix64 (Steele, Lea & Flood 2014) in torch.

A number follows from its stream's key and its place in the stream alone. So nothing is kept of what was drawn, a stack
is resumed anywhere, and a ticket draws the same in every stack.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lth_core.randomness import stream_seed


def _signed(number: int) -> int:
    """The int64 with the bits of this uint64: torch multiplies and adds both alike."""
    return number - 2**64 if number >= 2**63 else number


_STEP, _FIRST, _SECOND = map(_signed, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def keys(seeds: Sequence[int], *names: str) -> Tensor:
    """The keys (T,) int64 of the streams that these names spell, on the CPU."""
    return torch.tensor([stream_seed(seed, *names, "device") for seed in seeds])


def bits(of: Tensor, places: Tensor) -> Tensor:
    """63 random bits, an int64, for each place of a stream; keys `of` and places are broadcast."""
    z = of + (places + 1) * _STEP
    z = (z ^ _shifted(z, 30)) * _FIRST
    z = (z ^ _shifted(z, 27)) * _SECOND
    return _shifted(z ^ _shifted(z, 31), 1)


def _shifted(z: Tensor, by: int) -> Tensor:
    """Shifted to the right, with zeros from the left whatever the sign."""
    found: Tensor = (z >> by) & (2 ** (64 - by) - 1)
    return found


def uniform(drawn: Tensor) -> Tensor:
    """Random bits as float64 numbers in [0, 1)."""
    return (drawn >> 10).to(torch.float64) * 2.0**-53


def uniform_single(drawn: Tensor) -> Tensor:
    """Random bits as float32 numbers in [0, 1)."""
    return (drawn >> 39).to(torch.float32) * 2.0**-24


def normal(drawn: Tensor) -> Tensor:
    """Random bits as float32 numbers of a standard normal distribution, by its inverse."""
    between = ((drawn >> 11) * 2 + 1).to(torch.float64) * 2.0**-52 - 1  # exact, and never -1 or 1
    return (torch.erfinv(between) * 2**0.5).to(torch.float32)
