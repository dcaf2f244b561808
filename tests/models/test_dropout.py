"""Dropout: how much, how it is scaled, and that it follows from torch's generator alone."""

import pytest
import torch

from lth_core.models.dropout import dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_is_zero_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    found = dropout(torch.ones(1001, 333), share, True)
    assert float((found == 0).float().mean()) == pytest.approx(share, abs=0.004)
    assert float(found.mean()) == pytest.approx(1, rel=0.02)
    assert len(found.unique()) == 2
    rows, columns = (found == 0).float().mean(0), (found == 0).float().mean(1)
    spread = (share * (1 - share)) ** 0.5
    for means, count in ((rows, 1001), (columns, 333)):
        assert float(means.std()) == pytest.approx(spread / count**0.5, rel=0.2)


def test_gradients_go_where_something_was_left() -> None:
    torch.manual_seed(0)
    x = torch.randn(40, 7, requires_grad=True)
    y = dropout(x, 0.4, True)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(y.detach(), x.detach() * x.grad)
    assert 0 < int((x.grad == 0).sum()) < x.numel()


def test_it_follows_from_torchs_generator_and_moves_it_on() -> None:
    x = torch.ones(50, 50)
    torch.manual_seed(5)
    first, second = dropout(x, 0.5, True), dropout(x, 0.5, True)
    torch.manual_seed(5)
    assert torch.equal(dropout(x, 0.5, True), first)
    assert torch.equal(dropout(x, 0.5, True), second)
    assert not torch.equal(first, second)


def test_it_leaves_alone_what_is_not_trained_or_not_to_be_dropped() -> None:
    x = torch.randn(5, 5)
    state = torch.get_rng_state()
    assert dropout(x, 0.5, False) is x and dropout(x, 0.0, True) is x
    assert torch.equal(torch.get_rng_state(), state)
