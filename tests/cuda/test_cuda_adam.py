"""Adam in kernels: the weights and entries of masks, clipping and torch's fused Adam one after the other."""

import pytest
import torch
from torch import nn

from lth_core.settings.supervised import Supervised
from lth_core.training.supervised.masked_step import MaskedStep

SHAPES = {"pruned": (130, 70), "whole": (5_000,), "small": (33,)}


def after(
    kernels: bool, settings: Supervised, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, nn.Parameter], MaskedStep]:
    """Parameters and step after twelve steps with random gradients; kernels take the two large ones."""
    monkeypatch.setattr(
        pytest.importorskip("lth_core.training.supervised.adam_kernel"), "LARGE", 1_000 if kernels else 10**9
    )
    random = torch.Generator("cuda").manual_seed(0)
    parameters = {n: nn.Parameter(torch.randn(s, generator=random, device="cuda")) for n, s in SHAPES.items()}
    mask = {n: torch.rand(s, generator=random, device="cuda") < 0.5 for n, s in SHAPES.items() if n != "whole"}
    step = MaskedStep(settings, parameters, mask)
    step.masks.start()
    assert (step._large is not None) == kernels
    for _ in range(12):
        for parameter in parameters.values():
            parameter.grad = torch.randn(parameter.shape, generator=random, device="cuda")
        step()
    return parameters, step


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("limit", [None, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_kernel_does_what_the_passes_do(
    optimizer: str, limit: float | None, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Supervised(
        optimizer=optimizer, max_gradient_norm=limit, weight_decay=decay, epsilon=1e-3, learning_rate=0.01
    )  # type: ignore[arg-type]
    (passes, usual), (kernels, own) = (after(on, settings, monkeypatch) for on in (False, True))
    for name, weight in kernels.items():
        torch.testing.assert_close(weight, passes[name], rtol=1e-4, atol=1e-6)
        for entry in ("step", "exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(
                own.optimizer.state[weight][entry], usual.optimizer.state[passes[name]][entry], rtol=1e-4, atol=1e-6
            )
    for name, alive in own.masks.alive.items():
        for tensor in (kernels[name].detach(), own.optimizer.state[kernels[name]]["exp_avg"]):
            assert float(tensor[~alive.bool()].abs().max()) == 0
            assert float(tensor[alive.bool()].abs().min()) > 0
