"""What a ticket is made of: overlap of masks, paths that reach nothing, signs, distances. Pure functions on arrays.

A mask maps parameter names to boolean arrays of the parameters' shapes, in the model's order; weights likewise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Masks = Mapping[str, npt.NDArray[np.bool_]]
Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Overlap:
    """How much two masks share. jaccard: intersection over union; chance: what it would be for masks drawn at random
    with the same number of entries in each layer; z: standard deviations by which the intersection exceeds chance."""

    jaccard: float
    chance: float
    z: float


@dataclass(frozen=True)
class Effective:
    """What of a mask lies on a path from an input to an output (Vysogorets and Kempe 2023).

    living: entries of the mask; effective: those that can change an output, and for weights depend on an input.
    dead_units of units: hidden units without a path from an input or without one to an output.
    """

    living: int
    effective: int
    units: int
    dead_units: int


def unpack_mask(
    packed: npt.NDArray[np.uint8], layers: Sequence[tuple[str, Sequence[int]]]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Stored bits as arrays: layers in order, each in C order, first entry in the highest bit.

    Raises ValueError where the bytes do not fit the layers.
    """
    sizes = [math.prod(shape) for _, shape in layers]
    if packed.size != (sum(sizes) + 7) // 8:
        raise ValueError(f"a mask of {sum(sizes)} entries takes {(sum(sizes) + 7) // 8} bytes, found {packed.size}")
    bits = np.split(np.unpackbits(packed, count=sum(sizes)).astype(bool), np.cumsum(sizes)[:-1])
    return {name: part.reshape(tuple(shape)) for (name, shape), part in zip(layers, bits, strict=True)}


def overlap(one: Masks, other: Masks) -> Overlap:
    """Shared entries of two masks over the same layers, against masks drawn layer by layer (hypergeometric)."""
    shared = union = 0
    expected = variance = 0.0
    for name, a in one.items():
        b, n = other[name], a.size
        ka, kb = int(a.sum()), int(b.sum())
        both = int((a & b).sum())
        shared, union = shared + both, union + ka + kb - both
        expected += ka * kb / n
        if n > 1:
            variance += ka * kb * (n - ka) * (n - kb) / (n * n * (n - 1))
    living = union + shared
    chance = expected / (living - expected) if living > expected else 1.0
    z = (shared - expected) / math.sqrt(variance) if variance > 0 else 0.0
    return Overlap(shared / union if union else 1.0, chance, z)


def sign_agreement(mask: Masks, one: Weights, other: Weights) -> float:
    """Share of living entries whose sign is the same in both; entries that are zero in either are left out."""
    pairs = [(np.sign(one[name][alive]), np.sign(other[name][alive])) for name, alive in mask.items()]
    a, b = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    counted = (a != 0) & (b != 0)
    return float((a == b)[counted].mean()) if counted.any() else math.nan


def distance(mask: Masks, one: Weights, other: Weights) -> float:
    """||one - other|| / ||other|| over the living entries: 0 is the same point, sqrt(2) an unrelated one."""
    a, b = (np.concatenate([w[name][alive] for name, alive in mask.items()]).astype(np.float64) for w in (one, other))
    norm = float(np.linalg.norm(b))
    return float(np.linalg.norm(a - b)) / norm if norm else math.nan


def effective(mask: Masks, shapes: Mapping[str, Sequence[int]]) -> Effective | None:
    """What lies on a path; None for networks that are no chain of fully connected layers with heads on the last.

    shapes: of all parameters (out, in) and (out,), in the model's order; what is in no mask lives.
    """
    chain = _chain(shapes)
    if chain is None:
        return None
    hidden, heads = chain

    def alive(name: str) -> npt.NDArray[np.bool_]:
        return mask[name] if name in mask else np.ones(tuple(shapes[name]), bool)

    forward: list[npt.NDArray[np.bool_]] = [np.ones(shapes[(hidden or heads)[0]][1], bool)]
    for name in hidden:
        forward.append(np.any(alive(name) & forward[-1], axis=1))
    backward: list[npt.NDArray[np.bool_]] = [np.any([alive(name).any(axis=0) for name in heads], axis=0)]
    for name in reversed(hidden[1:]):
        backward.insert(0, np.any(alive(name) & backward[0][:, None], axis=0))
    found = 0
    for depth, name in enumerate(hidden):
        found += int((alive(name) & forward[depth] & backward[depth][:, None]).sum()) if name in mask else 0
        bias = name.removesuffix("weight") + "bias"
        found += int((alive(bias) & backward[depth]).sum()) if bias in mask else 0
    for name in heads:
        found += int((alive(name) & forward[-1]).sum()) if name in mask else 0
        bias = name.removesuffix("weight") + "bias"
        found += int(alive(bias).sum()) if bias in mask else 0
    dead = sum(int((~(f & b)).sum()) for f, b in zip(forward[1:], backward, strict=True)) if hidden else 0
    return Effective(sum(int(m.sum()) for m in mask.values()), found, sum(shapes[n][0] for n in hidden), dead)


def _chain(shapes: Mapping[str, Sequence[int]]) -> tuple[list[str], list[str]] | None:
    """(weights of the hidden layers in order, weights of the heads), or None where it is no such network."""
    matrices = [name for name in shapes if name.endswith("weight")]
    if not matrices or any(len(shapes[name]) != 2 for name in matrices):
        return None
    if any(len(shape) != 1 for name, shape in shapes.items() if name not in matrices):
        return None
    hidden = [name for name in matrices if name.startswith("trunk.")]
    heads = [name for name in matrices if name not in hidden]
    for one, following in pairwise(hidden):
        if shapes[following][1] != shapes[one][0]:
            return None
    if not heads or (hidden and any(shapes[name][1] != shapes[hidden[-1]][0] for name in heads)):
        return None
    return hidden, heads


def inputs_kept(mask: Masks, shapes: Mapping[str, Sequence[int]]) -> npt.NDArray[np.float64] | None:
    """Share of the first layer's weights that live, per input: (inputs,), of a convolution (channels, height, width).

    None where the first layer is no weight or is not pruned.
    """
    first = next(iter(shapes), None)
    if first is None or first not in mask or mask[first].ndim < 2:
        return None
    kept: npt.NDArray[np.float64] = mask[first].mean(axis=0)
    return kept
