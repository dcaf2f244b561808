"""Cross-entropy in parts equals torch's, values and gradients, wherever the parts are cut."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from lth_core.training import cross_entropy as module


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [7, 50, 256])
def test_it_equals_torchs(smoothing: float, bias: bool, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", rows)
    torch.manual_seed(0)
    output = nn.Linear(7, 33, bias=bias)
    features, targets = torch.randn(50, 7, requires_grad=True), torch.randint(33, (50,))
    mine = module.cross_entropy(output, features, targets, smoothing)
    (mine / 50).backward()
    own = [features.grad, *(p.grad for p in output.parameters())]
    features.grad = None
    output.zero_grad()
    theirs = functional.cross_entropy(output(features), targets, reduction="sum", label_smoothing=smoothing)
    (theirs / 50).backward()
    torch.testing.assert_close(mine, theirs)
    for a, b in zip(own, [features.grad, *(p.grad for p in output.parameters())], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_huge_scores_stay_finite() -> None:
    output = nn.Linear(4, 20)
    features = 1e4 * torch.randn(8, 4)
    assert torch.isfinite(
        module.cross_entropy(output, features.requires_grad_(), torch.zeros(8, dtype=torch.long), 0.0)
    )
