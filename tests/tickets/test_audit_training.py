"""The audit after real training of a stack in which masks were left out at one place or another."""

import dataclasses
from typing import Any

import pytest
import torch

from lth_core.tickets import audit
from lth_core.training.reinforcement import optimizer
from lth_core.training.reinforcement.stack import ActorCriticStack
from tests.small import digest, experiment, stack, starts


def _unmasked(one: ActorCriticStack, monkeypatch: pytest.MonkeyPatch, gradients: bool, weights: bool) -> None:
    """From now on a step of the stack multiplies its gradients, its weights afterwards, or both by ones for a mask."""
    kept, real = one.parameters, optimizer.step
    rows, ones = kept.mask, torch.ones_like(kept.mask)
    kept.mask = ones if gradients else rows

    def step(*arguments: Any) -> None:
        real(*arguments)
        kept.mask = ones if weights else rows

    def update() -> None:
        monkeypatch.setattr(optimizer, "step", step)
        real_update()
        kept.mask = ones if gradients else rows

    real_update = one.update
    monkeypatch.setattr(one, "update", update)


def _train(monkeypatch: pytest.MonkeyPatch, unmask: str | None, name: str = "adam") -> set[str]:
    """A few updates of a real stack, with `unmask` (weights or gradients) left unmasked; names of failed checks."""
    settings = experiment(training={"optimizer": name, "length": 4096})
    model, own = starts(settings, 2)
    one = stack(settings, own, model)
    with monkeypatch.context() as patch:
        if unmask is not None:
            _unmasked(one, patch, unmask in ("gradients", "both"), unmask in ("weights", "both"))
        for _ in range(6):
            one.update()
    found = set()
    for ticket, start in enumerate(own):
        entries = {e: w for e, w in one.optimizer_state(ticket).items() if e != "count"}
        checks = audit.after_training(start.mask, one.weights(ticket), entries)
        found |= {c.name for c in checks if not c.passed}
    return found


def test_real_training_passes_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _train(monkeypatch, None) == set()
    assert _train(monkeypatch, None, "rmsprop") == set()


def test_real_training_without_any_mask_after_the_start_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _train(monkeypatch, "both") == {"dead_weights", "dead_mean", "dead_square"}


def test_real_training_with_unmasked_gradients_is_seen_in_the_optimizers_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _train(monkeypatch, "gradients") == {"dead_mean", "dead_square"}
    assert _train(monkeypatch, "gradients", "rmsprop") == {"dead_square"}


def test_weights_left_unmasked_after_the_step_come_back_by_kept_momentum_and_are_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = experiment(training={"length": 4096})
    model, own = starts(settings, 1)
    momentum = {
        "mean": {n: torch.full(s, 0.01) for n, s in model.shapes().items()},
        "square": {n: torch.full(s, 0.01) for n, s in model.shapes().items()},
    }
    healthy = stack(settings, [dataclasses.replace(own[0], optimizer=momentum)], model)
    broken = stack(settings, [dataclasses.replace(own[0], optimizer=momentum)], model)
    for _ in range(3):
        healthy.update()
    broken.parameters.optimizer["mean"].fill_(0.01)  # momentum that survived pruning
    with monkeypatch.context() as patch:
        _unmasked(broken, patch, gradients=False, weights=True)
        for _ in range(3):
            broken.update()
    mask = own[0].mask
    assert all(c.passed for c in audit.after_training(mask, healthy.weights(0), {}))
    found = {c.name: c for c in audit.after_training(mask, broken.weights(0), {})}
    assert not found["dead_weights"].passed
    dead = sum(int((~m).sum()) for m in mask.values())
    assert found["dead_weights"].detail.startswith(f"{dead} nonzero weights")
    assert digest(healthy) != digest(broken)
