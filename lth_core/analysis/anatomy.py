"""Analysis of a ticket: overlap of masks, dead paths, signs, distances. Pure functions on arrays.

A mask maps parameter names to boolean arrays of the parameters' shapes, in the model's order; weights likewise.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lth_core.analysis.network_graphs import Graph, Shapes
from lth_core.analysis.paths import Masks, living_paths

Weights = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Overlap:
    """How much two masks share. jaccard: intersection over union; chance: its value for random masks with the same
    number of entries in each layer; z: standard deviations by which the intersection exceeds chance."""

    jaccard: float
    chance: float
    z: float


@dataclass(frozen=True)
class Effective:
    """The part of a mask on a path from an input to an output (Vysogorets and Kempe 2023).

    living: entries of the mask; effective: those that can change an output, and for weights depend on an input.
    dead_units, of units: hidden units (including filters and inner units of feed-forward layers) without a path from
    an input or to an output.
    """

    living: int
    effective: int
    units: int
    dead_units: int


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


def effective(mask: Masks, shapes: Shapes, graph: Graph) -> tuple[Effective, Masks]:
    """The part of a mask on a path, counted, and as masks of its layers. shapes: of all parameters."""
    entries, units = living_paths(graph, mask, shapes)
    own = {name: entries[name] for name in mask}
    return Effective(
        living=sum(int(m.sum()) for m in mask.values()),
        effective=sum(int(m.sum()) for m in own.values()),
        units=sum(one.size for one in units.values()),
        dead_units=sum(int((~one).sum()) for one in units.values()),
    ), own


def inputs_kept(mask: Masks, shapes: Shapes) -> npt.NDArray[np.float64] | None:
    """Share of the first layer's weights in the mask, per input.

    (inputs,); of an embedding (words,); of a convolution (channels, height, width). None if the first parameter is not
    a weight, or is not pruned.
    """
    first = next(iter(shapes), None)
    if first is None or first not in mask or mask[first].ndim < 2:
        return None
    words = first.split(".")[0] == "embedding"
    kept: npt.NDArray[np.float64] = mask[first].mean(axis=1 if words else 0)
    return kept


def pixels_seen(
    kernel: npt.NDArray[np.float64], image: tuple[int, int], stride: int, padding: int
) -> npt.NDArray[np.float64]:  # fmt: skip
    """(height, width): share kept of a kernel (h, w), averaged over its positions at each pixel; 0 if none."""
    height, width = (length + 2 * padding for length in image)
    total, met = np.zeros((height, width)), np.zeros((height, width))
    for (y, x), kept in np.ndenumerate(kernel):
        rows = slice(y, height - kernel.shape[0] + y + 1, stride)
        columns = slice(x, width - kernel.shape[1] + x + 1, stride)
        total[rows, columns] += kept
        met[rows, columns] += 1
    seen = np.divide(total, met, out=np.zeros_like(total), where=met > 0)
    return seen[padding : padding + image[0], padding : padding + image[1]]
