"""Networks for images: the published sizes, their groups, their flow, the paths through them, and smaller ones."""

from typing import Any

import numpy as np
import pytest
import torch

from lth_core.analysis.anatomy import effective
from lth_core.analysis.network_graphs import graph_of
from lth_core.errors import InputError
from lth_core.models.flow import flow_gradient
from lth_core.models.images import Shape, network
from lth_core.models.module import ModuleNetwork, fill_buffers
from lth_core.models.smaller import smaller
from lth_core.settings.image_networks import VGG, ConvSmall, LeNet, ResNet

MNIST: Shape = (1, 28, 28)
CIFAR: Shape = (3, 32, 32)
SMALL: dict[str, tuple[Any, Shape]] = {
    "lenet": (LeNet(hidden=(5, 4)), (1, 3, 3)), "conv_small": (ConvSmall(layers=4, width=0.05), (2, 8, 8)),
    "resnet": (ResNet(depth=8, width=0.2), (2, 8, 8)), "vgg": (VGG(depth=11, width=0.04), (2, 64, 64)),
}  # fmt: skip


def size(own: ModuleNetwork) -> int:
    return sum(shape.numel() for shape in own.shapes().values())


@pytest.mark.parametrize(
    ("settings", "shape", "published"),
    [
        (LeNet(), MNIST, 266_610), (ConvSmall(layers=2), CIFAR, 4_301_642), (ConvSmall(layers=4), CIFAR, 2_425_930),
        (ConvSmall(layers=6), CIFAR, 2_262_602), (ResNet(), CIFAR, 272_474), (VGG(), CIFAR, 14_724_042),
    ],
)  # fmt: skip
def test_networks_have_the_published_numbers_of_parameters(settings: Any, shape: Shape, published: int) -> None:
    # Frankle & Carbin 2019: 266K, 4.3M, 2.4M, 2.3M; He et al. 2016: 0.27M, here with projections; VGG-16: 14.7M.
    assert size(network(settings, shape, 10)) == published


@pytest.mark.parametrize("kind", SMALL)
def test_every_parameter_is_in_the_groups_of_its_settings(kind: str) -> None:
    settings, shape = SMALL[kind]
    own = network(settings, shape, 3)
    groups = own.groups()
    assert {name for found in groups.values() for name in found} == set(settings.groups)
    for everything in settings.everything:
        assert all(found & everything for found in groups.values())
    (first, *_) = (name for name in own.shapes() if name.endswith("weight"))
    firsts = [name for name, found in groups.items() if "first_layer" in found]
    assert firsts[0] == first and len(firsts) == (2 if f"{first[:-6]}bias" in groups else 1)


@pytest.mark.parametrize("kind", SMALL)
def test_the_flow_is_the_network_on_ones_with_positive_weights(kind: str) -> None:
    settings, shape = SMALL[kind]
    own = network(settings, shape, 3)
    weights = {name: w.double().abs() for name, w in own.initialise(1).items()}
    module = own.module().double().eval()
    for name, parameter in module.named_parameters():
        parameter.data.copy_(weights[name])
    fill_buffers(module, {n: torch.full_like(b, 1 - 1e-5) for n, b in own.buffers().items() if n.endswith("var")})
    with torch.no_grad():
        wanted = module(torch.ones(1, *shape, dtype=torch.float64)).sum()
    torch.testing.assert_close(own.flow(weights), wanted)


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("density", [0.15, 0.4])
def test_entries_on_a_path_are_those_that_move_the_flow(kind: str, density: float) -> None:
    settings, shape = SMALL[kind]
    own = network(settings, shape, 3)
    rng = np.random.default_rng(3)
    mask = {name: rng.random(tuple(size)) < density for name, size in own.shapes().items()}
    mask = {name: np.ones_like(m) if "norm" in name else m for name, m in mask.items()}
    weights = {name: torch.from_numpy(rng.uniform(1, 2, m.shape) * m) for name, m in mask.items()}

    def flow(own_weights: Any) -> Any:  # the input counts, biases are no input: only what depends on it
        return own.flow(own_weights)

    moved = {name: (g.numpy() != 0) & mask[name] for name, g in flow_gradient(flow, weights).items()}
    shapes = {name: tuple(one) for name, one in own.shapes().items()}
    graph = graph_of(settings.kind, shapes)
    assert graph is not None
    _, on_path = effective(mask, shapes, graph)
    for name in shapes:
        if name.endswith("bias"):
            assert (on_path[name] == moved[name]).all(), name
        else:  # a weight behind units that only a bias moves is on no path from an input
            assert not (on_path[name] & ~moved[name]).any(), name
    assert sum(int(m.sum()) for m in on_path.values()) > 0.2 * sum(int(m.sum()) for m in moved.values())


@pytest.mark.parametrize(
    ("settings", "shape"), [(LeNet(), MNIST), (ConvSmall(), MNIST), (ResNet(), CIFAR), (VGG(depth=11), CIFAR)]
)
def test_a_smaller_network_comes_near(settings: Any, shape: Shape) -> None:
    wanted = size(network(settings, shape, 10)) // 5
    found = smaller(settings, wanted, lambda one: size(network(one, shape, 10)))
    assert type(found) is type(settings) and abs(size(network(found, shape, 10)) / wanted - 1) < 0.06


def test_pictures_that_are_too_small_are_refused() -> None:
    with pytest.raises(InputError, match=r"Conv-6 halves pictures.*at least 8 x 8"):
        network(ConvSmall(layers=6), (1, 7, 28), 10)
    with pytest.raises(ValueError, match="depth 21: expected 6 n"):
        ResNet(depth=21)
