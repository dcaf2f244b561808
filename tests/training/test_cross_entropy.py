"""Cross-entropy in kept memory equals torch's, values and gradients, wherever it is cut into parts."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from lth_core.training.supervised import cross_entropy as module
from lth_core.training.supervised.cross_entropy import CrossEntropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("ignored", [None, 3])
@pytest.mark.parametrize("rows", [7, 50, 256])
def test_it_equals_torchs(
    smoothing: float, bias: bool, ignored: int | None, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", rows * 33)
    torch.manual_seed(0)
    own = CrossEntropy(ignored)
    for count in (50, 20, 64):  # memory is kept from one to the next
        output = nn.Linear(7, 33, bias=bias)
        features, targets = torch.randn(count, 7, requires_grad=True), torch.randint(33, (count,))
        targets[4] = 3
        mine = own(output, features, targets, smoothing)
        (mine / 50).backward()
        found = [features.grad, *(p.grad for p in output.parameters())]
        features.grad = None
        output.zero_grad()
        theirs = functional.cross_entropy(
            output(features), targets, reduction="sum", label_smoothing=smoothing,
            ignore_index=-100 if ignored is None else ignored,
        )  # fmt: skip
        (theirs / 50).backward()
        torch.testing.assert_close(mine, theirs)
        for a, b in zip(found, [features.grad, *(p.grad for p in output.parameters())], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_huge_scores_stay_finite_and_count_in_full() -> None:
    output = nn.Linear(1, 3, bias=False)
    with torch.no_grad():
        output.weight.copy_(torch.tensor([[1.0], [-1.0], [0.5]]))
    features = torch.tensor([[1e4]], requires_grad=True)
    loss = CrossEntropy()(output, features, torch.tensor([1]), 0.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2e4)
    assert features.grad is not None and math.isclose(float(features.grad), 2.0)


def test_without_gradients_none_are_computed() -> None:
    output, features = nn.Linear(4, 20), torch.randn(8, 4)
    with torch.no_grad():
        loss = CrossEntropy()(output, features, torch.zeros(8, dtype=torch.long), 0.0)
    assert not loss.requires_grad
    theirs = functional.cross_entropy(output(features), torch.zeros(8, dtype=torch.long), reduction="sum")
    torch.testing.assert_close(loss, theirs)


def test_an_evaluation_computes_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Function is told that its inputs need gradients even where none are kept: two of three products for nothing."""
    products: list[int] = []
    true = module._product

    def counted(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        products.append(len(a))
        return true(a, b, out)

    monkeypatch.setattr(module, "_product", counted)
    own, output = CrossEntropy(), nn.Linear(7, 33)
    with torch.no_grad():
        judged = own(output, torch.randn(20, 7), torch.randint(33, (20,)), 0.0)
    assert len(products) == 1
    assert not judged.requires_grad
    own(output, torch.randn(20, 7), torch.randint(33, (20,)), 0.0)
    assert len(products) == 4
