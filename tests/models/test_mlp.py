"""The stacked network against torch.nn and autograd; its groups and initialisations."""

import math

import pytest
import torch

from lth_core.models.flat import flatten, unflatten
from lth_core.models.mlp import Perceptron, weight_gradient
from lth_core.models.mlp_steps import PerceptronSteps, can_step
from lth_core.settings.networks import MLP
from lth_core.settings.pruning import Pruning
from lth_core.tickets.scope import prunable
from tests.small import experiment, gradient, random_weights, stack, starts


def _ordinary(model: Perceptron, weights: dict[str, torch.Tensor]) -> tuple[torch.nn.Module, ...]:
    """The same network from torch.nn."""

    def linear(name: str) -> torch.nn.Linear:
        w, b = weights[f"{name}.weight"], weights[f"{name}.bias"]
        made = torch.nn.Linear(w.shape[1], w.shape[0])
        made.weight.data, made.bias.data = w.clone(), b.clone()
        return made

    activation = torch.nn.Tanh() if model.settings.activation == "tanh" else torch.nn.ReLU()
    trunk = torch.nn.Sequential()
    for i in range(len(model.settings.hidden)):
        trunk.extend([linear(f"trunk.{i}"), activation])
    return trunk, linear("policy_head"), linear("value_head")


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("hidden", [(2,), (5,), (7, 3), (16, 12, 8)])
def test_forward_of_a_stack_equals_each_network_alone(hidden: tuple[int, ...], activation: str) -> None:
    model = Perceptron(MLP(hidden=hidden, activation=activation), 4, 3)
    weights = [random_weights(model, seed) for seed in range(3)]
    flat = model.packed(torch.stack([flatten(w, model.shapes()) for w in weights]))
    observations = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(9))
    heads = model.forward(model.layers(flat), observations)[-1]
    for row, w in enumerate(weights):
        trunk, policy, value = _ordinary(model, w)
        x = trunk(observations[row])
        torch.testing.assert_close(heads[row, :, :-1], policy(x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(heads[row, :, -1:], value(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_gradient_written_by_hand_equals_autograds(activation: str, reduction: str) -> None:
    settings = experiment(
        model={"hidden": [9, 7], "activation": activation},
        training={"loss_reduction": reduction, "entropy_weight": 0.3, "value_weight": 0.7},
    )
    model, own = starts(settings, 3)
    one = stack(settings, own, model)
    rollout = one._collect()
    by_hand = model.unpacked(gradient(one, rollout))
    for row in range(3):
        weights = {n: w.clone().requires_grad_() for n, w in one.weights(row).items()}
        x = rollout.activations[0][row]
        activate = torch.tanh if activation == "tanh" else torch.relu
        for i in range(2):
            x = activate(torch.nn.functional.linear(x, weights[f"trunk.{i}.weight"], weights[f"trunk.{i}.bias"]))
        logits = torch.nn.functional.linear(x, weights["policy_head.weight"], weights["policy_head.bias"])
        values = torch.nn.functional.linear(x, weights["value_head.weight"], weights["value_head.bias"]).squeeze(-1)
        policy = torch.distributions.Categorical(logits=logits)
        loss = (
            -policy.log_prob(rollout.actions[row]) * rollout.advantages[row]
            + 0.7 * (values - rollout.targets[row]) ** 2
            - 0.3 * policy.entropy()
        )
        (loss.mean() if reduction == "mean" else loss.sum()).backward()
        autograd = flatten({n: w.grad for n, w in weights.items()}, model.shapes())
        scale = float(autograd.abs().max())
        torch.testing.assert_close(by_hand[row], autograd, rtol=1e-4, atol=1e-6 * scale)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("environment", ["Pendulum-v1", "MountainCarContinuous-v0"])
def test_the_gaussian_gradient_written_by_hand_equals_autograds(environment: str, reduction: str) -> None:
    settings = experiment(
        task={"environment": environment},
        model={"hidden": [9, 7]},
        training={"loss_reduction": reduction, "entropy_weight": 0.3, "value_weight": 0.7, "n_steps": 4},
    )
    model, own = starts(settings, 2, density=1.1)
    for start in own:
        start.weights["log_std"] += 0.4 * start.seed - 0.3
    one = stack(settings, own, model)
    rollout = one._collect()
    by_hand = model.unpacked(gradient(one, rollout))
    for row in range(2):
        weights = {n: w.clone().requires_grad_() for n, w in one.weights(row).items()}
        x = rollout.activations[0][row]
        for i in range(2):
            x = torch.tanh(torch.nn.functional.linear(x, weights[f"trunk.{i}.weight"], weights[f"trunk.{i}.bias"]))
        means = torch.nn.functional.linear(x, weights["policy_head.weight"], weights["policy_head.bias"])
        values = torch.nn.functional.linear(x, weights["value_head.weight"], weights["value_head.bias"]).squeeze(-1)
        policy = torch.distributions.Normal(means, weights["log_std"].exp())
        loss = (
            -policy.log_prob(rollout.actions[row]).sum(-1) * rollout.advantages[row]
            + 0.7 * (values - rollout.targets[row]) ** 2
            - 0.3 * policy.entropy().sum(-1)
        )
        (loss.mean() if reduction == "mean" else loss.sum()).backward()
        autograd = flatten({n: w.grad for n, w in weights.items()}, model.shapes())
        assert autograd[-1] != 0
        scale = float(autograd.abs().max())
        torch.testing.assert_close(by_hand[row], autograd, rtol=1e-4, atol=1e-6 * scale)


def test_one_observation_entry_makes_no_product_with_a_single_column() -> None:
    model = Perceptron(MLP(hidden=(5,)), 1, 2)
    flat = model.packed(torch.randn(7, model.parameters))
    seen, of_heads = torch.randn(7, 33, 1), torch.randn(7, 33, 3)
    layers = model.layers(flat)
    together = model.backward(layers, model.forward(layers, seen), of_heads)
    for row in range(7):
        layers = model.layers(flat[row : row + 1])
        alone = model.backward(layers, model.forward(layers, seen[row : row + 1]), of_heads[row : row + 1])
        assert torch.equal(alone[0], together[row])


@pytest.mark.parametrize("everything", [True, False])
def test_steps_into_the_rollouts_memory_have_the_bits_of_the_forward_pass(everything: bool) -> None:
    model = Perceptron(MLP(hidden=(16, 8), activation="tanh"), 3, 2)
    layers = model.layers(
        model.packed(torch.stack([flatten(random_weights(model, s), model.shapes()) for s in range(3)]))
    )
    assert can_step(model, 3, 8) and not can_step(model, 3, 7) and not can_step(model, 1, 1)
    acting, seen = PerceptronSteps(model, layers, (3, 2, 8), everything), torch.randn(2, 2, 3, 8, 3)
    rollouts = []
    for own in seen:
        heads = [torch.from_numpy(acting.step(one.numpy()).copy()) for one in own]
        rollouts.append((heads, acting.kept()))
    for own, (heads, kept) in zip(seen, rollouts, strict=True):  # the second has not changed the first
        each = [model.forward(layers, one) for one in own]
        assert all(torch.equal(one, wanted[-1]) for one, wanted in zip(heads, each, strict=True))
        wanted = [torch.stack(one, 1).flatten(1, 2) for one in zip(*each, strict=True)]
        chosen = wanted if everything else [wanted[0], wanted[-1]]
        assert all(torch.equal(*pair) for pair in zip(kept, chosen, strict=True))


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 16), (16, 3), (16, 1), (40, 40)])
def test_gradients_of_weights_are_each_tickets_own_product_with_the_bits_of_the_ticket_alone(
    inputs: int, outputs: int
) -> None:
    x, gradient = torch.randn(3, 33, inputs), torch.randn(3, 33, outputs)

    def found(tickets: slice, *, heads: bool) -> torch.Tensor:
        own = x[tickets].clone(), gradient[tickets].clone()
        rows = torch.empty(len(own[0]), inputs * outputs + 5)
        out = rows[:, 5:].view(-1, outputs, inputs).transpose(1, 2) if heads else rows[:, :-5].view(-1, inputs, outputs)
        weight_gradient(own[1], own[0], out)
        return out

    for heads in (False, True):
        together = found(slice(3), heads=heads)
        torch.testing.assert_close(together, x.transpose(1, 2) @ gradient)
        for part in (slice(1), slice(1, 2), slice(2, 3), slice(1, 3)):
            assert torch.equal(together[part], found(part, heads=heads))


def test_log_standard_deviations_are_parameters_of_their_own_and_never_pruned() -> None:
    model = Perceptron(MLP(hidden=(5, 3)), 4, 2, True)
    assert list(model.shapes())[-1] == "log_std"
    assert model.groups()["log_std"] == {"log_std"}
    assert "log_std" not in prunable(model.groups(), Pruning())
    for initialisation in ("uniform", "orthogonal"):
        fresh = Perceptron(MLP(hidden=(5,), initialisation=initialisation), 4, 2, True).initialise(0)
        assert fresh["log_std"].tolist() == [0, 0]
    other = Perceptron(MLP(hidden=(5, 3)), 4, 2)
    assert all(torch.equal(model.initialise(3)[n], w) for n, w in other.initialise(3).items())


@pytest.mark.parametrize("continuous", [True, False])
def test_flattening_and_packing_and_back_is_exact(continuous: bool) -> None:
    model = Perceptron(MLP(hidden=(5, 3)), 4, 2, continuous)
    weights = random_weights(model, 1)
    back = unflatten(model.unpacked(model.packed(flatten(weights, model.shapes())[None]))[0], model.shapes())
    assert list(back) == list(model.shapes())
    assert all(torch.equal(back[n], weights[n]) for n in weights)


def test_every_parameter_is_in_its_groups_and_every_group_has_parameters() -> None:
    model = Perceptron(MLP(hidden=(5, 3)), 4, 2)
    groups = model.groups()
    assert list(groups) == list(model.shapes())
    assert {tag for tags in groups.values() for tag in tags} == set(MLP.groups)
    assert groups["trunk.0.weight"] == {"encoder", "trunk", "first_layer", "weights"}
    assert groups["trunk.1.bias"] == {"encoder", "trunk", "biases"}
    assert groups["value_head.bias"] == {"critic", "value_head", "biases"}


def test_uniform_initialisation_has_torchs_bounds_for_weights_and_biases() -> None:
    model = Perceptron(MLP(hidden=(400, 300)), 4, 2)
    weights = model.initialise(1)
    for name, inputs in (("trunk.0", 4), ("trunk.1", 400), ("policy_head", 300), ("value_head", 300)):
        bound = 1 / math.sqrt(inputs)
        for kind in ("weight", "bias"):
            w = weights[f"{name}.{kind}"]
            assert float(w.abs().max()) <= bound
            assert w.numel() < 100 or float(w.abs().max()) > 0.95 * bound
            assert w.dtype == torch.float32


def test_orthogonal_initialisation_has_its_gains_and_zero_biases() -> None:
    model = Perceptron(MLP(hidden=(16, 16), initialisation="orthogonal"), 4, 2)
    weights = model.initialise(1)
    for name, gain in (("trunk.1", math.sqrt(2)), ("policy_head", 0.01), ("value_head", 1.0)):
        w = weights[f"{name}.weight"]
        torch.testing.assert_close(w @ w.T, gain**2 * torch.eye(w.shape[0]), rtol=1e-4, atol=1e-5)
    assert all(not w.any() for n, w in weights.items() if n.endswith("bias"))


@pytest.mark.parametrize("initialisation", ["uniform", "orthogonal"])
def test_initialisation_depends_on_its_seed_alone(initialisation: str) -> None:
    model = Perceptron(MLP(hidden=(8,), initialisation=initialisation), 4, 2)
    first = model.initialise(2**62)
    torch.manual_seed(123)
    torch.rand(5)
    again, other = model.initialise(2**62), model.initialise(2**62 + 1)
    assert all(torch.equal(first[n], again[n]) for n in first)
    assert not torch.equal(first["trunk.0.weight"], other["trunk.0.weight"])
