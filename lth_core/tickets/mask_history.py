"""A mask over the course of one training: packed to bits at its start and at each change."""

import numpy as np
import numpy.typing as npt
import torch

from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Mask, Weights

PART = "masks"
"""The name of this part of a trial's file: `packed` (n, bytes), `at` (n,) steps of training, `step` (n,) numbers of
changes, 0 at the start."""


def added(history: Weights, mask: Mask, at: int, step: int) -> Weights:
    """With one more mask, of a change after `at` steps of training."""
    packed = torch.from_numpy(masks.pack(mask))
    return with_row(history, {"packed": packed, "at": torch.tensor(at), "step": torch.tensor(step)})


def with_row(history: Weights, row: Weights) -> Weights:
    """A history's columns with one more row; the first of an empty one."""
    return {name: torch.cat([*([history[name]] if history else []), one[None]]) for name, one in row.items()}


def churn(history: Weights) -> float:
    """The share of the living weights that the last change replaced; 0 before the first."""
    packed = history["packed"].numpy()
    if len(packed) < 2:
        return 0.0
    before, after = packed[-2], packed[-1]
    return _ones(after & ~before) / max(1, _ones(before))


def _ones(packed: npt.NDArray[np.uint8]) -> int:
    return int(np.unpackbits(packed).sum())
