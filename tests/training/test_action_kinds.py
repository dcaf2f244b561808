"""Actions of several choices, bits, whole numbers, and masked ones: trained, stacked, resumed and evaluated."""

from typing import Any

import gymnasium
import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.tasks.families import family_of
from lth_core.training.reinforcement.stack import ActorCriticStack
from tests.small import Memory, digest, experiment, stack, stack_run, starts
from tests.tasks.choice_environments import KINDS, LENGTH, SPECS
from tests.thorough import pairs, some

TRAININGS: dict[str, dict[str, Any]] = {
    "a2c": {"length": 10_000},
    "a2c in parts": {"length": 10_000, "minibatches": 2, "importance_clip": 1.0},
    "ppo": {"algorithm": "ppo", "length": 10_000, "epochs": 2, "minibatches": 4, "optimizer": "adam"},
}
all_kinds = pytest.mark.parametrize("environment", some(KINDS, "MaskedParts-v0", "Switches-v0"))
MASKED = [kind for kind in KINDS if kind.startswith("Masked")]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, spec in SPECS.items():
        monkeypatch.setitem(gymnasium.registry, name, spec)


def _settings(environment: str, training: str, **more: Any) -> Experiment:
    fields = {"entropy_weight": 0.05, **TRAININGS[training], **more}
    return experiment(task={"environment": environment}, training=fields)


def _trained(settings: Experiment, tickets: list[int], updates: int = 5) -> ActorCriticStack:
    _, own = starts(settings, max(tickets) + 1)
    one = stack(settings, [own[t] for t in tickets])
    for _ in range(updates):
        one.update()
    assert one.faults() == {}
    return one


@pytest.mark.parametrize(
    ("environment", "training"), pairs(KINDS, TRAININGS, ("MaskedParts-v0", "a2c"), ("Switches-v0", "ppo"))
)
def test_a_tickets_bits_do_not_depend_on_its_stack_and_it_resumes_exactly(environment: str, training: str) -> None:
    settings = _settings(environment, training)
    together, alone = _trained(settings, [0, 1, 2, 3, 4]), _trained(settings, [3])
    assert digest(together, 3) == digest(alone, 0) != digest(together, 2)
    together.keep([1, 3])
    arrays, values = together.state()
    resumed = _trained(settings, [1, 3], 0)
    resumed.restore({name: array.copy() for name, array in arrays.items()}, values)
    for one in (together, resumed, alone):
        one.update()
        assert one.faults() == {}
    assert [digest(resumed, t) for t in (0, 1)] == [digest(together, t) for t in (0, 1)]
    assert digest(resumed, 1) == digest(alone, 0)
    found = together.evaluate([0, 1], lambda: True)
    assert together.faults() == {}, "an invalid action in evaluation"
    assert found[1:] == alone.evaluate([0], lambda: True)


@pytest.mark.parametrize(
    ("environment", "training"), pairs(KINDS, ["a2c", "ppo"], ("MaskedParts-v0", "ppo"), ("Switches-v0", "a2c"))
)
def test_it_learns(environment: str, training: str) -> None:
    more = {"environments": 8, "n_steps": 16, "learning_rate": 0.01, "entropy_weight": 0.0, "score_episodes": 40,
            "gamma": 0.0, "length": 20_000}  # fmt: skip
    settings = _settings(environment, training, **more)
    _, own = starts(settings, 1, density=1.1)
    one = stack(settings, own)
    one.update()
    untrained = one.episodes.score(0)  # as good as random
    enough = untrained + 0.35 * (LENGTH - untrained)
    while one.episodes.score(0) <= enough and one.trained < (9_000 if training == "a2c" else 4_000):
        one.update()
    assert one.faults() == {}
    assert one.episodes.score(0) > enough


@pytest.mark.parametrize("training", TRAININGS)
def test_what_is_never_valid_is_never_learnt_from(training: str) -> None:
    settings = _settings("Masked-v0", training)
    _, own = starts(settings, 2, density=1.1)
    one = stack(settings, own)
    for _ in range(3):
        one.update()
    for ticket, start in enumerate(own):
        after = one.weights(ticket)
        for name in ("policy_head.weight", "policy_head.bias"):
            assert torch.equal(after[name][0], start.weights[name][0])
            assert not torch.equal(after[name][1:], start.weights[name][1:])


@all_kinds
@pytest.mark.parametrize("training", ["a2c", "ppo"])
def test_the_gradient_of_the_loss_is_the_gradient_by_hand(environment: str, training: str) -> None:
    settings = _settings(environment, training, **({"minibatches": 1, "epochs": 1} if training == "ppo" else {}))
    model, own = starts(settings, 1, density=1.1)
    one = stack(settings, own, model)
    rollout = one.experience()
    assert bool(rollout.valid) == (environment in MASKED)
    flat = model.unpacked(one.parameters.flat).double().requires_grad_()
    (expected,) = torch.autograd.grad(one.loss(flat, rollout), flat)
    steps: list[torch.Tensor] = []
    one.parameters.step = lambda gradient, rate: steps.append(gradient.clone())  # type: ignore[method-assign]
    with torch.no_grad():
        one._learn(rollout, torch.ones(1, 1), one._orders(rollout.size))
    torch.testing.assert_close(model.unpacked(steps[0]), expected.float(), rtol=2e-3, atol=1e-6)


def test_a_state_without_a_valid_action_ends_its_own_ticket_with_a_sentence() -> None:
    settings = _settings("Stuck-v0", "a2c", environments=1, n_steps=4, length=400)
    _, own = starts(settings, 3)
    sink = Memory()
    stack_run(settings, own, sink).run()
    assert sink.failures
    for said in sink.failures.values():
        assert "Stuck-v0, environment 0, episode" in said
        assert "step 3: the action mask leaves no valid action" in said
    one = stack(settings, own)
    while not one.faults():
        one.update()
    assert len(one.faults()) == 1


@pytest.mark.parametrize("environment", ["Switches-v0", "Dials-v0", *MASKED])
def test_a_game_that_is_watched_is_told_valid_actions_in_the_shape_of_its_space(environment: str) -> None:
    settings = _settings(environment, "a2c")
    _, own = starts(settings, 1)
    one = stack(settings, own)
    choose, game, over = one.parameters.policy(), family_of(settings.task).watched(settings.task, 3), False
    while not over:
        heads = one.model.forward(one.parameters.layers(), torch.from_numpy(game.seen()))[-1].numpy()
        assert (game.valid is not None) == (environment in MASKED)
        _, over = game.step(choose.greedy(heads[..., :-1], game.valid))
