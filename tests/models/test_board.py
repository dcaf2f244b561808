"""The network of boards against torch's convolution and autograd; a ticket has the same bits in every stack."""

import torch
from torch.nn import functional

from lth_core.models.board import BoardActorCritic, BoardPerceptron
from lth_core.models.flat import flatten, unflatten
from lth_core.settings.networks import MLP, Board

NETWORK = BoardActorCritic(Board(filters=5, hidden=(12, 6)), (4, 10, 10), 6)


def plain(w: dict[str, torch.Tensor], boards: torch.Tensor) -> torch.Tensor:
    x = functional.conv2d(boards, w["convolution.0.weight"], w["convolution.0.bias"]).relu().flatten(1)
    for i in range(2):
        x = functional.linear(x, w[f"trunk.{i}.weight"], w[f"trunk.{i}.bias"]).relu()
    heads = (functional.linear(x, w[f"{one}.weight"], w[f"{one}.bias"]) for one in ("policy_head", "value_head"))
    return torch.cat(list(heads), 1)


def test_heads_and_gradients_are_those_of_torch() -> None:
    boards = (torch.rand(3, 7, 4, 10, 10, generator=torch.Generator().manual_seed(0)) < 0.2).to(torch.uint8)
    given = [NETWORK.initialise(seed) for seed in range(3)]
    flat = torch.stack([flatten(one, NETWORK.shapes()) for one in given])
    packed = NETWORK.packed(flat)
    assert torch.equal(NETWORK.unpacked(packed), flat)
    layers = NETWORK.layers(packed)
    activations = NETWORK.traced(layers, boards)
    gradient = torch.randn(3, 7, 7, generator=torch.Generator().manual_seed(1))
    found = NETWORK.unpacked(NETWORK.backward(layers, activations, gradient))
    for row, own in enumerate(given):
        leaves = {name: one.double().requires_grad_() for name, one in own.items()}
        heads = plain(leaves, boards[row].double())
        torch.testing.assert_close(activations[-1][row].double(), heads, rtol=1e-5, atol=1e-5)
        wanted = torch.autograd.grad((heads * gradient[row]).sum(), list(leaves.values()))
        for one, name in zip(wanted, leaves, strict=True):
            mine = unflatten(found[row], NETWORK.shapes())[name]
            torch.testing.assert_close(mine.double(), one, rtol=1e-4, atol=1e-5)


def test_bits_do_not_depend_on_the_stack() -> None:
    boards = (torch.rand(5, 32, 4, 10, 10, generator=torch.Generator().manual_seed(0)) < 0.2).to(torch.uint8)
    for network in (BoardActorCritic(Board(), (4, 10, 10), 6), BoardPerceptron(MLP(hidden=(64,)), 400, 6)):
        flat = torch.stack([flatten(network.initialise(seed), network.shapes()) for seed in range(5)])
        gradient = torch.randn(5, 32, 7, generator=torch.Generator().manual_seed(1))

        def run(rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
            packed = network.packed(flat[rows].clone())  # noqa: B023 called in this turn
            layers = network.layers(packed)  # noqa: B023
            activations = network.traced(layers, boards[rows].clone())  # noqa: B023
            return activations[-1], network.backward(layers, activations, gradient[rows].clone())  # noqa: B023

        whole = run(slice(0, 5))
        for row in (0, 3):
            alone = run(slice(row, row + 1))
            assert all(torch.equal(one[row : row + 1], other) for one, other in zip(whole, alone, strict=True))
