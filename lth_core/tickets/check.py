"""A check of the audit: its name, whether it passed, and a sentence of what was found."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

EARLIER = "not known: it goes on from a checkpoint of an earlier version"
"""The detail of a check whose training an earlier version began without what the check needs."""


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it passed, and what was found."""

    name: str
    passed: bool
    detail: str


def counted(name: str, wrong: Mapping[str, int], what: str) -> Check:
    """A check that passes if nothing is wrong in any layer; what: what is counted."""
    total = sum(wrong.values())
    where = ", ".join(f"{layer} {n}" for layer, n in wrong.items() if n)
    return Check(name, total == 0, f"{total} {what}" + (f": {where}" if where else ""))


def unequal(a: Tensor, b: Tensor) -> int:
    """Entries whose bits differ (so that 0.0 and -0.0 count as different, and NaN equals itself)."""
    return int((a.view(torch.int32) != b.view(torch.int32)).sum()) if a.shape == b.shape else max(a.numel(), b.numel())
