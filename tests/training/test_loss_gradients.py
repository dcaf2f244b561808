"""Derivatives of the training loss: against what the training itself computes, and finite differences of the loss."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lth_core.models.flat import flatten
from lth_core.models.module import ModuleNetwork
from lth_core.randomness import stream_seed
from lth_core.tickets.mask import Mask, Weights, apply
from lth_core.training import loss_gradients
from lth_core.training.families import make_model
from lth_core.training.loss_gradients import LossGradients
from lth_core.training.stack import Start
from lth_core.training.supervised.lesson import Batch, Carry
from tests.small import experiment, stack
from tests.training import test_language, test_translation


def everything(weights: Weights) -> Mask:
    return {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}


@pytest.mark.parametrize(
    "training",
    [
        {"value_weight": 0.7, "advantage_clip": 0.05},
        {"loss_reduction": "sum"},
        {"algorithm": "ppo", "n_steps": 8, "minibatches": 1, "epochs": 1, "normalise_observations": True},
    ],
)
@pytest.mark.parametrize("task", ["CartPole-v1", "Pendulum-v1"])
def test_the_loss_of_a_rollout_has_the_gradient_that_the_training_computes_by_hand(
    training: dict[str, Any], task: str
) -> None:
    settings = experiment(task={"environment": task}, training=training)
    model = make_model(settings)
    weights = model.initialise(1)
    made = stack(settings, [Start(3, weights, {}, 0, 512)])
    rollout = made.experience()
    flat = flatten(weights, model.shapes())[None].double().requires_grad_()
    (ours,) = torch.autograd.grad(made.loss(flat, rollout), flat)
    steps: list[Tensor] = []
    made.parameters.step = lambda gradient, rate: steps.append(gradient.clone())  # type: ignore[method-assign]
    with torch.no_grad():
        made._learn(rollout, torch.ones(1, 1), made._orders(rollout.size))
    theirs = made.model.unpacked(steps[0])
    assert torch.allclose(ours.float(), theirs, rtol=2e-3, atol=1e-6)
    assert float(ours.abs().sum()) > 0


def test_the_loss_of_trained_weights_is_that_behind_their_own_statistics() -> None:
    settings = experiment(
        pruning={"batches": 1},
        training={"algorithm": "ppo", "minibatches": 1, "epochs": 1, "normalise_observations": True,
                  "normalise_returns": True},
    )  # fmt: skip
    model = make_model(settings)
    weights = model.initialise(1)
    trained = stack(settings, [Start(3, weights, {}, 0, 512)])
    for _ in range(4):
        trained.update()
    known = trained.statistics(0)
    found = LossGradients(settings, model, 0, "cpu")
    made = stack(settings, [Start(stream_seed(0, "slopes"), weights, {}, 0, 512, statistics=known)])
    flat = flatten(weights, model.shapes())[None].double().requires_grad_()
    rollout = made.experience()
    (wanted,) = torch.autograd.grad(made.loss(flat, rollout), flat)
    own = flatten(found("gradient", weights, {}, known), model.shapes())
    assert torch.equal(own, wanted[0])
    assert not torch.allclose(own, flatten(found("gradient", weights, {}), model.shapes()), rtol=0.1)


@pytest.mark.parametrize("training", [{}, {"algorithm": "ppo", "n_steps": 8, "minibatches": 1, "value_clip": 1.0}])
def test_the_curvature_of_a_rollouts_loss_is_the_difference_of_its_gradients(training: dict[str, Any]) -> None:
    settings = experiment(
        model={"activation": "tanh", "hidden": [6, 5]}, pruning={"batches": 3}, training={"length": 512, **training}
    )
    model = make_model(settings)
    found = LossGradients(settings, model, 0, "cpu")
    weights = model.initialise(2)
    mask = everything(weights)
    mask["trunk.0.weight"][0] = False
    weights = apply(mask, weights)
    gradient = found("gradient", weights, mask)
    curved = found("hessian_gradient", weights, mask)
    along = {name: gradient[name] * mask[name] for name in weights}

    # The same rollouts at other weights: what was acted stays, what is thought of it changes.
    made = stack(settings, [Start(stream_seed(0, "slopes"), weights, {}, 0, 512)])
    rollouts = [made.experience() for _ in range(3)]
    shapes, small = model.shapes(), 1e-4

    def gradient_at(sign: float) -> Tensor:
        moved = flatten({n: w.double() + sign * small * along[n] for n, w in weights.items()}, shapes)
        leaf = moved[None].requires_grad_()
        total = sum(made.loss(leaf, rollout) for rollout in rollouts) / 3
        return torch.autograd.grad(total, leaf)[0][0]  # type: ignore[arg-type]

    expected = (gradient_at(1.0) - gradient_at(-1.0)) / (2 * small)
    assert torch.allclose(flatten(curved, shapes).double(), expected, rtol=1e-3, atol=1e-6)
    assert float(expected.abs().max()) > 1e-4


class Straight(nn.Module):
    """w.x, for which mean squared error has the Hessian 2 X'X / n."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(3, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.line(x)
        return out.squeeze(1)


class Points:
    """Two batches of different sizes."""

    per_epoch = 2
    x = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [2.0, 0.0, 1.0]])
    y = torch.tensor([1.0, -1.0, 0.5])

    def batch(self, epoch: int, place: int) -> Batch:
        rows = slice(0, 2) if place == 0 else slice(2, 3)
        return Batch({"x": self.x[rows], "y": self.y[rows]}, 2 if place == 0 else 1)

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        return (module(batch.tensors["x"].double()) - batch.tensors["y"]).square().sum(), ()


def test_derivatives_of_examples_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_gradients, "make_lesson", lambda settings, seed: Points())
    network = ModuleNetwork(Straight, lambda name: set())
    weights = {"line.weight": torch.tensor([[0.5, -1.0, 2.0]])}
    mask = {"line.weight": torch.tensor([[True, False, True]])}
    found = LossGradients(experiment(), network, 0, "cpu")
    x, y, w = Points.x.double(), Points.y.double(), weights["line.weight"][0].double()
    share = torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64)  # each batch counts as much as the other
    gradient = 2 * x.T @ (share * (x @ w - y))
    hessian = 2 * x.T @ (share[:, None] * x)
    assert found("gradient", weights, mask)["line.weight"][0].tolist() == pytest.approx(gradient.tolist())
    along = gradient * mask["line.weight"][0]
    assert found("hessian_gradient", weights, mask)["line.weight"][0].tolist() == pytest.approx(
        (hessian @ along).tolist()
    )


LSTM = {"kind": "lstm", "embedding": 6, "hidden": 6, "layers": 2}
DECODER = {"kind": "transformer", "width": 8, "layers": 1, "heads": 2, "feed_forward": 12}


@pytest.mark.parametrize("kind", ["lstm", "transformer", "seq2seq"])
def test_the_curvature_of_texts_is_the_difference_of_gradients(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    if kind == "seq2seq":
        settings = test_translation.settings(tmp_path, pruning={"batches": 2})
    else:
        network = LSTM if kind == "lstm" else DECODER
        # What an LSTM carries from batch to batch counts as given, which differences of gradients cannot know.
        settings = test_language.settings(tmp_path, model=network, pruning={"batches": 1 if kind == "lstm" else 2})
    model = make_model(settings)
    found = LossGradients(settings, model, 0, "cpu")
    weights = model.initialise(0)
    mask = everything(weights)
    gradient = found("gradient", weights, mask)
    assert gradient.keys() == weights.keys() and all(bool(torch.isfinite(g).all()) for g in gradient.values())
    curved = found("hessian_gradient", weights, mask)
    small = 1e-7  # so small a step that no ReLU is switched on or off on the way: there a gradient jumps
    ends = [
        found("gradient", {n: w.double() + sign * small * gradient[n] for n, w in weights.items()}, mask)
        for sign in (1.0, -1.0)
    ]
    expected = torch.cat([((ends[0][n] - ends[1][n]) / (2 * small)).flatten() for n in weights])
    ours = torch.cat([curved[n].flatten() for n in weights])
    assert float((ours - expected).norm() / expected.norm()) < 1e-3
    assert float(expected.norm()) > 1e-3
