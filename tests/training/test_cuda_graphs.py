"""Capturing for replay, as far as it needs no GPU: what goes wrong in it is what is told."""

import gc
from typing import Any

import pytest
import torch

from lth_core.training.cuda_graphs import capturing


class Graph:
    """As a CUDA graph whose capture something in it has broken."""

    def capture_begin(self, pool: Any = None) -> None:
        assert pool is None

    def capture_end(self) -> None:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_memory_that_runs_out_in_a_capture_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    with pytest.raises(torch.OutOfMemoryError), capturing(Graph()):  # type: ignore[arg-type]
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    assert gc.isenabled()
    with pytest.raises(RuntimeError, match="previous error"), capturing(Graph()):  # type: ignore[arg-type]
        pass
