"""Checks that actions on a device were drawn from the chain's stream, whose numbers numpy computes again."""

import numpy as np
import torch
from torch import Tensor

from lth_core.randomness import stream_seed
from lth_core.tasks.minatar.draws import mixed, states_after
from lth_core.tickets.check import Check


def differ(noise: Tensor, seed: int, clock: int) -> str:
    """A sentence if the numbers (n, E) or (n, E, A) for actions from step `clock` on are not those of the stream."""
    key = np.array([stream_seed(seed, "actions", "device")], np.uint64)
    uniform = torch.from_numpy(mixed(states_after(key, clock * noise[0].numel(), noise.numel()))[:, 0])
    wanted = uniform if noise.ndim == 2 else torch.special.ndtri(uniform.clamp(2.0**-53, 1 - 2.0**-53))
    off = float((noise.flatten().cpu().double() - wanted).abs().max())
    return "" if off < 1e-5 else f"actions: the numbers from step {clock:,} on are not those that the seed gives"


def check(stream: tuple[int, int], seed: int, steps: int, updates: int) -> Check:
    """Whether a ticket's stream (its key, steps so far) is where as many updates leave that of its chain."""
    same = stream == (stream_seed(seed, "actions", "device"), steps)
    return Check("actions", same, f"{updates:,} updates drew {'what' if same else 'other numbers than'} the seed gives")
