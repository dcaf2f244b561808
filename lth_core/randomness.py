"""Random streams by name: one integer seed per chain, every stream derived from it, none disturbs another."""

import hashlib

import numpy as np


def stream_seed(seed: int, *names: str | int) -> int:
    """The 63-bit seed of the stream that `names` spell, for the chain of `seed`.

    Streams are independent of each other and of the order in which they are first used, so that adding
    a stream changes no other. Arms share a stream exactly when its names leave the arm out.
    """
    spelled = "\x1f".join([str(seed), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(spelled.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A fresh numpy generator at the start of the named stream."""
    return np.random.Generator(np.random.PCG64(stream_seed(seed, *names)))
