"""What the token files of a text and of sentence pairs have in common: how numbers are kept, what they follow from."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

AT_ONCE = 2_000
"""Lines, or pairs, that a tokenizer is given together."""
_T = TypeVar("_T")


def number_type(vocabulary: int) -> np.dtype[Any]:
    """The smaller of two kinds of numbers that hold so many tokens."""
    return np.dtype(np.uint16 if vocabulary <= 2**16 else np.int32)


def batched(items: Iterable[_T]) -> Iterator[tuple[_T, ...]]:
    """All of them, AT_ONCE at a time."""
    iterator = iter(items)
    while some := tuple(itertools.islice(iterator, AT_ONCE)):
        yield some
