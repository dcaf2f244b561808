"""Shared by the token files of texts and of sentence pairs: number types, batches for tokenizers."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

AT_ONCE = 2_000
"""Lines or pairs that a tokenizer receives at a time."""
_T = TypeVar("_T")


def number_type(vocabulary: int) -> np.dtype[Any]:
    """The smaller of two integer types that can hold this many tokens."""
    return np.dtype(np.uint16 if vocabulary <= 2**16 else np.int32)


def batched(items: Iterable[_T]) -> Iterator[tuple[_T, ...]]:
    """The items in lists of AT_ONCE."""
    iterator = iter(items)
    while some := tuple(itertools.islice(iterator, AT_ONCE)):
        yield some
