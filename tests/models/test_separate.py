"""Actor and critic with trunks of their own, against torch's autograd; a ticket has the same bits in every stack."""

from typing import Any

import pytest
import torch

from lth_core.models.board import BoardActorCritic
from lth_core.models.flat import flatten, unflatten
from lth_core.models.flow import flow_gradient
from lth_core.models.mlp import Perceptron
from lth_core.models.separate import SeparateActorCritic
from lth_core.settings.networks import MLP, Board
from lth_core.training.reinforcement.reference import Network

WIDE = MLP(hidden=(7, 5), activation="tanh", trunk="separate")
BOARD = Board(filters=3, hidden=(6,), trunk="separate")
NETWORKS = {
    "continuous": (SeparateActorCritic(WIDE, Perceptron(WIDE, 4, 2, continuous=True)), (4,)),
    "board": (SeparateActorCritic(BOARD, BoardActorCritic(BOARD, (2, 5, 5), 3)), (2, 5, 5)),
}


@pytest.mark.parametrize("kind", list(NETWORKS))
def test_heads_and_gradients_are_those_of_torch_in_any_stack(kind: str) -> None:
    network, shape = NETWORKS[kind]
    generator = torch.Generator().manual_seed(0)
    seen: Any = (torch.randn(3, 6, *shape, generator=generator) > 0).float()
    seen = seen if kind == "continuous" else seen.to(torch.uint8)
    given = [network.initialise(seed) for seed in range(3)]
    flat = torch.stack([flatten(one, network.shapes()) for one in given])
    packed = network.packed(flat)
    assert torch.equal(network.unpacked(packed), flat)
    gradient = torch.randn(3, 6, network.actions + 1, generator=generator)

    def run(rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        layers = network.layers(packed[rows].clone())
        activations = network.traced(layers, seen[rows].clone())
        return activations[-1], network.backward(layers, activations, gradient[rows].clone())

    outputs, found = run(slice(0, 3))
    assert all(torch.equal(one[1:2], other) for one, other in zip((outputs, found), run(slice(1, 2)), strict=True))
    for row, own in enumerate(given):
        leaves = {name: one.double().requires_grad_() for name, one in own.items()}
        means, values = Network(network.settings, None).heads(leaves, seen[row])
        heads = torch.cat([means, values[:, None]], 1)
        torch.testing.assert_close(outputs[row].double(), heads, rtol=1e-5, atol=1e-5)
        wanted = torch.autograd.grad((heads * gradient[row]).sum(), list(leaves.values()), allow_unused=True)
        mine = unflatten(network.unpacked(found)[row], network.shapes())
        for one, name in zip(wanted, leaves, strict=True):
            torch.testing.assert_close(
                mine[name].double(), one if one is not None else leaves[name] * 0, rtol=1e-4, atol=1e-5
            )
    if (deviations := network.log_std(packed)) is not None:
        assert torch.equal(deviations, torch.stack([one["log_std"] for one in given]))


def test_groups_name_each_side_alone() -> None:
    network, _ = NETWORKS["board"]
    groups = network.groups()
    assert groups["actor_convolution.0.weight"] == {"actor", "convolution", "trunk", "first_layer", "weights"}
    assert groups["critic.0.bias"] == {"critic", "trunk", "biases"}
    assert groups["value_head.weight"] == {"critic", "value_head", "weights"}
    shared = BoardActorCritic(Board(filters=3, hidden=(6,)), (2, 5, 5), 3).groups()
    assert shared["trunk.0.weight"] == {"encoder", "trunk", "weights"}
    assert shared["policy_head.bias"] == {"actor", "policy_head", "biases"}


def test_flow_runs_through_both() -> None:
    network, _ = NETWORKS["continuous"]
    found = flow_gradient(network.flow, network.initialise(0))
    assert all(bool((one != 0).any()) for name, one in found.items() if name != "log_std")
