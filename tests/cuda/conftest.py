"""Tests of what differs on a GPU. Without one they are skipped, and said to be, as they are tests of that hardware."""

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip them elsewhere."""
    if not torch.cuda.is_available():
        for item in items:
            if "tests/cuda" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
