"""A short digest of tensors by name: whether weights that were written are those that were trained."""

import hashlib

from lth_core.tickets.mask import Weights


def fingerprint(weights: Weights) -> str:
    """16 hexadecimal digits of the tensors' names, shapes and bits, in any order."""
    found = hashlib.blake2b(digest_size=8)
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        found.update(f"{name}{tuple(tensor.shape)}".encode())
        found.update(tensor.numpy().data)
    return found.hexdigest()
