"""The storage format of masks: eight entries per byte, layer after layer. Imports no torch."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.bool_]


def unpack(packed: npt.NDArray[np.uint8], shapes: Mapping[str, Sequence[int]]) -> dict[str, Bits]:
    """The layers of a packed mask in the order of their shapes, each in C order, its first entry in the highest bit.

    Raises ValueError if the bytes do not fit the shapes.
    """
    sizes = [math.prod(shape) for shape in shapes.values()]
    if packed.dtype != np.uint8 or min(sizes, default=0) < 0 or packed.size != (sum(sizes) + 7) // 8:
        raise ValueError(f"a mask of {sum(sizes)} entries takes {(sum(sizes) + 7) // 8} bytes, found {packed.size}")
    parts = np.split(np.unpackbits(packed, count=sum(sizes)).astype(bool), np.cumsum(sizes)[:-1])
    return {name: part.reshape(tuple(shape)) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
