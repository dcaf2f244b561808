"""The convolutional networks: shapes, groups, both ways of computing a stack, gradients, dead weights."""

import pytest
import torch
from torch import Tensor, nn

from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.convolutional_steps import ConvolutionalSteps
from lth_core.models.flat import flatten, unflatten
from lth_core.settings.convolutions import ARCHITECTURES
from lth_core.settings.networks import Convolutional


def _model(architecture: str = "small", image: tuple[int, int, int] = (2, 40, 36)) -> ConvolutionalActorCritic:
    return ConvolutionalActorCritic(Convolutional(architecture=architecture, initialisation="uniform"), image, 3)  # type: ignore[arg-type]


def _stack(model: ConvolutionalActorCritic, tickets: int, batch: int = 5) -> tuple[Tensor, Tensor]:
    flat = torch.stack([flatten(model.initialise(seed), model.shapes()) for seed in range(tickets)])
    generator = torch.Generator().manual_seed(1)
    return flat, torch.randint(0, 256, (tickets, batch, *model.image), generator=generator, dtype=torch.uint8)


def _ordinary(model: ConvolutionalActorCritic, flat: Tensor, seen: Tensor) -> Tensor:
    """The heads of one network built from torch's own modules."""
    weights = unflatten(flat, model.shapes())
    filters, hidden = ARCHITECTURES[model.settings.architecture]
    x = seen.float() / 255
    for i, one in enumerate(filters):
        w = weights[f"convolution.{i}.weight"]
        layer = nn.Conv2d(w.shape[1], w.shape[0], one.size, one.stride, one.padding)
        layer.load_state_dict({"weight": w, "bias": weights[f"convolution.{i}.bias"]})
        x = torch.relu(layer(x))
        x = nn.MaxPool2d(2)(x) if one.pooled else x
    x = x.flatten(1)
    for i in range(len(hidden)):
        x = torch.relu(nn.functional.linear(x, weights[f"trunk.{i}.weight"], weights[f"trunk.{i}.bias"]))
    heads = [
        nn.functional.linear(x, weights[f"{h}.weight"], weights[f"{h}.bias"]) for h in ("policy_head", "value_head")
    ]
    return torch.cat(heads, dim=1)


def test_the_networks_have_the_published_sizes() -> None:
    nature = ConvolutionalActorCritic(Convolutional(), (4, 84, 84), 4).shapes()
    assert nature["trunk.0.weight"] == (512, 3136)
    assert sum(shape.numel() for shape in nature.values()) == 1_686_693
    paper = ConvolutionalActorCritic(Convolutional(architecture="paper"), (12, 105, 80), 6).shapes()
    assert paper["trunk.0.weight"] == (512, 1920)
    assert paper["trunk.1.weight"] == (512, 512)
    assert sum(shape.numel() for shape in paper.values()) == pytest.approx(1.44e6, rel=0.01)


def test_groups_name_what_can_be_pruned_or_kept() -> None:
    groups = _model().groups()
    assert groups["convolution.0.weight"] == {"convolution", "encoder", "trunk", "first_layer", "weights"}
    assert groups["convolution.1.bias"] == {"convolution", "encoder", "trunk", "biases"}
    assert groups["trunk.0.weight"] == {"encoder", "trunk", "weights"}
    assert groups["value_head.bias"] == {"critic", "value_head", "biases"}
    assert set().union(*groups.values()) == set(Convolutional.groups)
    assert list(groups) == list(_model().shapes())


@pytest.mark.parametrize("architecture", ["nature", "small", "paper"])
def test_both_ways_of_computing_a_stack_equal_ordinary_modules(architecture: str) -> None:
    model = _model(architecture)
    flat, seen = _stack(model, 3)
    found = model.forward(model.layers(flat), seen)[-1]
    grouped = model._grouped(flat, seen)
    for row in range(3):
        expected = _ordinary(model, flat[row], seen[row])
        torch.testing.assert_close(found[row], expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(grouped[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("architecture", ["nature", "small", "paper"])
def test_gradients_are_those_of_ordinary_autograd(architecture: str, batch: int) -> None:
    model = _model(architecture)
    flat, seen = _stack(model, 2, batch)
    layers = model.layers(flat)
    of_heads = torch.randn(2, batch, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = model.backward(layers, model.traced(layers, seen), of_heads)
    leaf = flat.clone().requires_grad_()
    (model._grouped(leaf, seen) * of_heads).sum().backward()
    assert leaf.grad is not None
    torch.testing.assert_close(found, leaf.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 16])
def test_on_a_cpu_a_ticket_has_the_same_bits_alone_and_in_a_stack(batch: int) -> None:
    model = _model("nature")
    flat, seen = _stack(model, 3, batch)
    of_heads = torch.randn(3, batch, 4, generator=torch.Generator().manual_seed(2))
    layers = model.layers(flat)
    together, gradient = model.forward(layers, seen)[-1], model.backward(layers, model.traced(layers, seen), of_heads)
    for row in range(3):
        own, alone = slice(row, row + 1), model.layers(flat[row : row + 1])
        assert torch.equal(model.forward(alone, seen[own])[-1], together[own])
        assert torch.equal(model.backward(alone, model.traced(alone, seen[own]), of_heads[own]), gradient[own])


@pytest.mark.parametrize("environments", [1, 4])
def test_steps_keep_what_learning_would_compute_again(environments: int) -> None:
    model = _model("paper")
    flat, seen = _stack(model, 3, batch=2 * environments)
    layers, played = model.layers(flat), seen.view(3, 2, environments, *model.image)
    steps = ConvolutionalSteps(model, layers, (3, 2, environments))
    heads = [torch.from_numpy(steps.step(played[:, i].numpy()).copy()) for i in range(2)]
    kept = steps.kept()
    steps.step(255 - played[:, 0].numpy())  # what was kept is the caller's
    again = model.traced(layers, seen)
    assert torch.equal(kept[0], seen)
    assert torch.equal(torch.stack(heads, 1).flatten(1, 2), kept[-1])
    for own, expected in zip(kept, again, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-5)
    alone = ConvolutionalSteps(model, model.layers(flat[1:2]), (1, 2, environments))
    assert torch.equal(torch.from_numpy(alone.step(played[1:2, 0].numpy())), heads[0][1:2])


def test_pixels_are_scaled_to_between_zero_and_one() -> None:
    model = _model()
    flat, seen = _stack(model, 1)
    white = torch.full_like(seen, 255)
    torch.testing.assert_close(model.forward(model.layers(flat), white)[-1][0], _ordinary(model, flat[0], white[0]))


def test_orthogonal_initialisation_has_its_gains_and_follows_the_seed() -> None:
    model = ConvolutionalActorCritic(Convolutional(architecture="small"), (4, 84, 84), 4)
    weights = model.initialise(3)
    filters = weights["convolution.1.weight"].flatten(1)
    torch.testing.assert_close(filters @ filters.T, 2 * torch.eye(32), rtol=1e-4, atol=1e-4)
    assert float(weights["policy_head.weight"].norm(dim=1).max()) == pytest.approx(0.01, rel=1e-3)
    assert not any(weights[name].any() for name in weights if name.endswith("bias"))
    assert all(torch.equal(w, model.initialise(3)[name]) for name, w in weights.items())
    assert not torch.equal(weights["trunk.0.weight"], model.initialise(4)["trunk.0.weight"])
