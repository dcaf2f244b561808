"""The stacked optimizers against torch.optim, a ticket at a time."""

import pytest
import torch

from lth_core.settings.reinforcement import A2C
from lth_core.training.reinforcement import optimizer


def _reference(settings: A2C, weights: torch.Tensor, rate: float) -> torch.optim.Optimizer:
    if settings.optimizer == "adam":
        return torch.optim.Adam([weights], lr=rate, betas=settings.adam_betas, eps=settings.epsilon)
    return torch.optim.RMSprop([weights], lr=rate, alpha=settings.rmsprop_alpha, eps=settings.epsilon)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize(
    "settings",
    [
        A2C(optimizer="adam"),
        A2C(optimizer="adam", adam_betas=(0.5, 0.95), epsilon=1e-5),
        A2C(optimizer="rmsprop"),
        A2C(optimizer="rmsprop", rmsprop_alpha=0.9, epsilon=1e-3),
    ],
)
def test_every_step_equals_torchs_to_one_part_in_a_million(settings: A2C, scale: float) -> None:
    generator = torch.Generator().manual_seed(1)
    flat = torch.randn(3, 17, generator=generator)
    rates = [1e-3, 3e-3, 1e-2]
    alone = [row.clone().requires_grad_() for row in flat]
    references = [_reference(settings, w, rate) for w, rate in zip(alone, rates, strict=True)]
    state = optimizer.new_state(settings, flat)
    for _ in range(60):
        gradient = scale * torch.randn(3, 17, generator=generator)
        gradient[:, 5] = 0.0  # a dead entry
        for row, (w, reference) in enumerate(zip(alone, references, strict=True)):
            w.grad = gradient[row].clone()
            reference.step()
        optimizer.step(settings, flat, gradient, state, torch.tensor(rates).unsqueeze(1))
        for row, w in enumerate(alone):
            torch.testing.assert_close(flat[row], w.detach(), rtol=1e-6, atol=1e-7)
    for row, (w, reference) in enumerate(zip(alone, references, strict=True)):
        theirs = reference.state[w]
        square = theirs["exp_avg_sq"] if settings.optimizer == "adam" else theirs["square_avg"]
        torch.testing.assert_close(state["square"][row], square, rtol=1e-6, atol=0.0)
        if settings.optimizer == "adam":
            torch.testing.assert_close(state["mean"][row], theirs["exp_avg"], rtol=1e-6, atol=scale * 1e-8)
    assert state["count"].flatten().tolist() == [60.0] * 3


def test_a_dead_entry_without_gradient_stays_where_it_is() -> None:
    for name in ("adam", "rmsprop"):
        settings = A2C(optimizer=name)
        flat, gradient = torch.zeros(1, 4), torch.tensor([[1.0, 0.0, -1.0, 0.0]])
        state = optimizer.new_state(settings, flat)
        for _ in range(5):
            optimizer.step(settings, flat, gradient, state, torch.tensor([[0.1]]))
        assert flat[0, 1] == flat[0, 3] == 0.0
        assert flat[0, 0] < 0 < flat[0, 2]


def test_each_ticket_has_its_own_step_count_and_rate() -> None:
    settings = A2C(optimizer="adam")
    flat = torch.zeros(2, 1)
    state = optimizer.new_state(settings, flat)
    state["count"][1] = 1000.0
    optimizer.step(settings, flat, torch.ones(2, 1), state, torch.tensor([[0.1], [0.0]]))
    assert flat[0, 0] == pytest.approx(-0.1, rel=1e-5)
    assert flat[1, 0] == 0.0
    assert state["count"].flatten().tolist() == [1.0, 1001.0]


@pytest.mark.parametrize("width", [31, 48])
@pytest.mark.parametrize("settings", [A2C(optimizer="adam"), A2C(optimizer="rmsprop")], ids=["adam", "rmsprop"])
def test_a_ticket_has_the_same_bits_alone_and_in_a_stack(settings: A2C, width: int) -> None:
    generator = torch.Generator().manual_seed(2)
    together, gradients = torch.randn(5, width, generator=generator), torch.randn(20, 5, width, generator=generator)
    each = [one[None].clone() for one in together]
    states = [optimizer.new_state(settings, one) for one in each]
    state, rate = optimizer.new_state(settings, together), torch.full((5, 1), 3e-3)
    for gradient in gradients:
        optimizer.step(settings, together, gradient.clone(), state, rate)
        for one, own, part in zip(each, states, gradient, strict=True):
            optimizer.step(settings, one, part[None].clone(), own, rate[:1])
    assert torch.equal(together, torch.cat(each))
    assert all(torch.equal(state[entry], torch.cat([own[entry] for own in states])) for entry in state)


def test_rmsprop_has_the_same_bits_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large network is updated part by part; the last part is short, and does not fill its last vector register."""
    settings, generator = A2C(optimizer="rmsprop"), torch.Generator().manual_seed(3)
    start, gradients = torch.randn(2, 1_003, generator=generator), torch.randn(5, 2, 1_003, generator=generator)
    found = []
    for parts in (2**17, 64):
        monkeypatch.setattr(optimizer, "_CACHED", parts)
        flat, sizes = start.clone(), set[int]()
        state = optimizer.new_state(settings, flat)
        root = optimizer._root
        with monkeypatch.context() as patch:
            patch.setattr(optimizer, "_root", lambda x, root=root, sizes=sizes: (sizes.add(x.shape[1]), root(x))[1])
            for gradient in gradients:
                optimizer.step(settings, flat, gradient.clone(), state, torch.full((2, 1), 3e-3))
        found.append((flat, state["square"], sizes))
    assert [sizes for *_, sizes in found] == [{1_003}, {64, 1_003 % 64}]
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])
