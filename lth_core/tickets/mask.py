"""Masks: one boolean per prunable entry. Exact-k selection, counting, rearranging, packing to bits.

A mask maps parameter names to boolean tensors of the parameters' shapes, in the model's order. Only the mask says
what is pruned: a weight that happens to be zero is alive if its mask entry is true.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core import bits

Mask = dict[str, Tensor]
Weights = dict[str, Tensor]


def full(sizes: Mapping[str, torch.Size]) -> Mask:
    """The mask in which every entry is alive."""
    return {name: torch.ones(shape, dtype=torch.bool) for name, shape in sizes.items()}


def whole(mask: Mask, sizes: Mapping[str, torch.Size]) -> Mask:
    """The mask extended to all parameters of these sizes, in their order; those it does not name are alive."""
    return {n: mask[n] if n in mask else torch.ones(shape, dtype=torch.bool) for n, shape in sizes.items()}


def keep_largest(scores: Tensor, alive: Tensor, k: int) -> Tensor:
    """Keep exactly the k living entries with the largest scores; of equal scores the earlier position wins.

    scores: float (n,); alive: bool (n,). Returns bool (n,), a subset of `alive` with k entries.
    Raises ValueError if fewer than k are alive, or if a living entry's score is not a number.
    """
    return torch.from_numpy(largest(scores.numpy(), alive.numpy(), k))


def largest(scores: npt.NDArray[np.floating[Any]], alive: bits.Bits, k: int) -> bits.Bits:
    """`keep_largest` on arrays, which numpy does in a quarter of torch's time."""
    positions = np.flatnonzero(alive)
    if not 0 <= k <= len(positions):
        raise ValueError(f"cannot keep {k} of {len(positions)} living entries")
    living = scores[positions]
    if np.isnan(living).any():
        raise ValueError("scores contain not-a-number")
    kept = np.zeros(len(alive), bool)
    if k:
        place = len(living) - k  # found by a partition, several times as fast as sorting all of them
        threshold = np.partition(living, place)[place]
        kept[positions[living > threshold]] = True
        kept[positions[living == threshold][: k - np.count_nonzero(kept)]] = True
    return kept


def counts(mask: Mask) -> dict[str, int]:
    """Living entries per layer."""
    return {name: int(m.sum()) for name, m in mask.items()}


def total(mask: Mask) -> int:
    """Living entries of the whole mask."""
    return sum(counts(mask).values())


def size(mask: Mask) -> int:
    """Entries of the whole mask, living or not."""
    return sum(m.numel() for m in mask.values())


def density(mask: Mask) -> float:
    """Share of the entries that are alive; 1 for a mask without entries."""
    entries = size(mask)
    return total(mask) / entries if entries else 1.0


def distance(a: Mask, b: Mask) -> int:
    """Number of entries in which two masks of the same layers differ."""
    return sum(int((a[name] != b[name]).sum()) for name in a)


def apply(mask: Mask, weights: Weights) -> Weights:
    """mask x weights, as new tensors; parameters outside the mask's layers are copied unchanged.

    A dead entry becomes +0.0 whatever it was, even infinite or not a number.
    """
    return {
        name: torch.where(mask[name], w, torch.zeros_like(w)) if name in mask else w.clone()
        for name, w in weights.items()
    }


def flat(tensor: Tensor) -> npt.NDArray[Any]:
    """A tensor's entries as an array (n,), if it can be without a copy."""
    array: npt.NDArray[Any] = tensor.numpy()
    return array.ravel()


def pooled(tensors: Mapping[str, Tensor], names: Mapping[str, object]) -> Tensor:
    """The tensors of `names` flattened into one vector, in the order of `names`."""
    return torch.cat([tensors[name].flatten() for name in names])


def split(vector: Tensor, like: Mask) -> Mask:
    """The inverse of `pooled` for masks: cut a vector into tensors shaped like those of `like`."""
    parts = vector.split([m.numel() for m in like.values()])
    return {name: part.view(m.shape).clone() for (name, m), part in zip(like.items(), parts, strict=True)}


def permuted(mask: Mask, order: Mapping[str, Tensor]) -> Mask:
    """Each layer's mask with its entries permuted; counts per layer stay."""
    return {name: m.flatten()[order[name]].view(m.shape) for name, m in mask.items()}


def permute_survivors(weights: Tensor, alive: Tensor, order: Tensor) -> Tensor:
    """The living entries of one layer permuted among themselves; order: a permutation of their indices."""
    flat = weights.flatten().clone()
    positions = alive.flatten().nonzero().flatten()
    flat[positions] = flat[positions[order]]
    return torch.where(alive, flat.view(weights.shape), weights)


def pack(mask: Mask) -> npt.NDArray[np.uint8]:
    """Eight entries per byte: layers in order, each flattened in C order, first entry in the highest bit."""
    return np.packbits(pooled(mask, mask).numpy())


def unpack(packed: npt.NDArray[np.uint8], sizes: Mapping[str, torch.Size]) -> Mask:
    """The inverse of `pack`; raises ValueError if the number of bytes does not fit the layers' sizes."""
    return {name: torch.from_numpy(layer).clone() for name, layer in bits.unpack(packed, sizes).items()}
