"""Settings that every test shares: one thread for torch, hypothesis without deadlines and without its database."""

import hypothesis
import pytest

hypothesis.settings.register_profile("lth", deadline=None, database=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("lth")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from threads, and the machine may be shared."""
    import torch

    torch.set_num_threads(1)
