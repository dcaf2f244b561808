"""SAC: stacks and resumed runs to the last bit, gradients, the second look and what it catches, bad input."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.models.soft import SoftActorCritic
from lth_core.settings.networks import MLP
from lth_core.settings.soft import SAC
from lth_core.tasks import gym_spaces
from lth_core.training.families import make_model
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.soft import learning, squashed
from lth_core.training.soft.learning import Batch
from lth_core.training.soft.squashed import Squashed
from lth_core.training.soft.stack import SoftStack
from lth_core.training.soft.temperature import Temperature
from lth_core.training.stack import Start
from lth_core.training.values.learning import of_error
from tests.small import Memory, stack_run, starts
from tests.training.replay_runs import in_a_stack_and_alone, stopped_and_resumed

TRAINING = {
    "algorithm": "sac", "length": 240, "environments": 2, "train_every": 4, "gradient_steps": 2, "batch": 13,
    "replay": 100, "learning_starts": 48, "record_every": 80, "checkpoint_every": 40, "evaluation_episodes": 2,
    "greedy_episodes": 1, "score_episodes": 10, "learning_rate": 3e-3,
}  # fmt: skip
PENDULUM = {"environment": "Pendulum-v1", "time_limit": 12}


def settings(training: dict[str, Any] | None = None, **more: Any) -> Experiment:
    fields = {
        "seeds": [0, 1], "name": "small", "task": PENDULUM, "model": {"hidden": [8, 6]}, "pruning": {"rounds": 3},
        **more,
    }  # fmt: skip
    return Experiment.from_fields({**fields, "training": {**TRAINING, **(training or {})}})


KINDS: dict[str, Experiment] = {
    "sac": settings(),
    "huber, tanh, a fixed temperature, clipped": settings(
        {"value_loss": "huber", "learn_temperature": False, "temperature": 0.2, "max_gradient_norm": 1.0,
         "environments": 1, "train_every": 3, "reward_scale": 0.1},
        model={"hidden": [8], "activation": "tanh"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_tickets_bits_do_not_depend_on_its_stack(kind: str) -> None:
    together, alone = in_a_stack_and_alone(KINDS[kind], updates=18)
    assert isinstance(together, SoftStack) and isinstance(alone, SoftStack)
    assert together.temperature.log[0] == alone.temperature.log[0]
    assert together.metrics()[0] == alone.metrics()[0]


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_run_stopped_and_resumed_ends_with_the_same_bits_and_a_second_look_finds_nothing_wrong(kind: str) -> None:
    checks = stopped_and_resumed(KINDS[kind], stop_at=25)[0].checks
    assert [one.name for one in checks] == ["loss", "target", "actions", "draws"]
    assert all(one.passed for one in checks), checks


def test_a_step_follows_the_gradient_of_the_loss() -> None:
    network, generator = SoftActorCritic(MLP(hidden=(6, 5)), 3, 2), torch.Generator().manual_seed(0)
    own = settings({"max_gradient_norm": None}).training
    assert isinstance(own, SAC)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(2, *shape, generator=generator)

    begun = [Start(seed, network.initialise(seed), {}, 0, 1) for seed in (0, 1)]
    begun = [
        Start(s.seed, s.weights | {"policy_head.bias": torch.tensor([0.0, 0, 1, 5])}, {}, 0, 1) for s in begun
    ]  # the second deviation is at its bound
    parameters = Parameters.of(own, network, begun, torch.device("cpu"))
    batch = Batch(
        normal(7, 3), normal(7, 2).tanh(), normal(7), normal(7, 3), torch.full((2, 7), 0.9), normal(14, 2),
        torch.tensor([[0.3], [1.5]]),
    )  # fmt: skip
    target = network.layers(parameters.flat * 1.1)
    flat = network.unpacked(parameters.flat).clone().requires_grad_()
    (wanted,) = torch.autograd.grad(learning.loss(own, network, target, flat, batch) * 2, flat)  # a mean over two
    found: list[torch.Tensor] = []
    parameters.watch = lambda _, gradient: found.append(network.unpacked(gradient).clone())
    with torch.no_grad():
        learning.step(own, parameters, target, batch, torch.full((2, 1), 1e-3))
    torch.testing.assert_close(found[0], wanted, rtol=1e-4, atol=1e-5)


def test_log_probabilities_are_those_of_torchs_distributions() -> None:
    outputs = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(1)).double()
    noise = torch.randn(2, 50, 2, generator=torch.Generator().manual_seed(2)).double()
    found = squashed.drawn(outputs, noise)
    means, logs = outputs.chunk(2, -1)
    logs = logs.clamp(-20, 2)
    normal = torch.distributions.Normal(means, logs.exp())
    wanted = torch.distributions.TransformedDistribution(normal, [torch.distributions.TanhTransform(cache_size=1)])
    actions = (means + logs.exp() * noise).tanh()
    torch.testing.assert_close(found.actions, actions)
    told = found.actions.abs().amax(-1) < 1 - 1e-6  # torch inverts the tanh
    assert 0 < (~told).sum() < 10
    log_p = wanted.log_prob(actions).sum(-1)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found.log_p[told], log_p[told], rtol=1e-5, atol=1e-6)
    assert bool(torch.isfinite(found.log_p).all())
    acted = Squashed(2).sample(outputs.numpy(), noise.numpy())
    np.testing.assert_allclose(acted, actions.numpy(), rtol=1e-6)


def test_actions_before_learning_are_uniform() -> None:
    drawn = squashed.uniform(np.random.default_rng(0).standard_normal(4000, np.float32))
    assert np.abs(drawn).max() < 1
    np.testing.assert_allclose(np.quantile(drawn, [0.1, 0.25, 0.5, 0.75, 0.9]), [-0.8, -0.5, 0, 0.5, 0.8], atol=0.05)


def test_the_temperature_takes_the_steps_of_torchs_adam() -> None:
    own = settings({"temperature": 0.5, "target_entropy": -0.7}).training
    assert isinstance(own, SAC)
    one, log = Temperature(own, 1, 3), torch.tensor(np.log(0.5), requires_grad=True)
    adam = torch.optim.Adam([log], 0.01, own.adam_betas, own.epsilon)
    for log_p in (0.2, 1.5, -3.0):
        adam.zero_grad()
        torch.autograd.backward(-log * (log_p - 0.7))
        adam.step()
        one.step(np.array([log_p]), np.array([0.01]))
    assert one.log[0] == pytest.approx(float(log.detach()), rel=1e-12)


def test_both_critics_are_the_group_critic_and_the_actor_is_its_own() -> None:
    network = make_model(settings())
    groups = network.groups()
    critics = {name for name, tags in groups.items() if "critic" in tags}
    assert critics == {name for name in groups if "critic." in name or "value_head" in name}
    assert len(critics) == 12
    assert {name for name, tags in groups.items() if "actor" in tags} == set(groups) - critics
    firsts = {name.split(".weight")[0] for name, tags in groups.items() if {"first_layer", "weights"} <= tags}
    assert firsts == {"actor.0", "critic.0", "second_critic.0"}


def _failures(own: Experiment = KINDS["sac"]) -> set[str]:
    sink = Memory()
    _, begun = starts(own, 2)
    run = stack_run(own, begun, sink)
    trials = list(run.trials)
    run.run()
    return {*sink.failures.values(), *(one.detail for trial in trials for one in trial.checks if not one.passed)}


def _no_entropy(patch: pytest.MonkeyPatch) -> None:
    real = learning.targets_of
    patch.setattr(
        learning, "targets_of",
        lambda model, target, batch, drawn: real(model, target, batch, drawn._replace(log_p=drawn.log_p * 0)),
    )  # fmt: skip


def _larger_of_two(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch, "minimum", torch.maximum)


def _no_squash_in_log_p(patch: pytest.MonkeyPatch) -> None:
    real = squashed.gradient
    patch.setattr(
        squashed, "gradient",
        lambda own, of_actions, of_log_p: real(own, of_actions, of_log_p)
        - torch.cat([2 * of_log_p * own.actions, 0 * own.actions], -1),
    )  # fmt: skip


def _one_critic(patch: pytest.MonkeyPatch) -> None:
    real = of_error
    seen: list[int] = []

    def every_other(own: SAC, error: torch.Tensor) -> torch.Tensor:
        seen.append(1)
        return real(own, error) * (len(seen) % 2)

    patch.setattr(learning, "of_error", every_other)


def _temperature_the_other_way(patch: pytest.MonkeyPatch) -> None:
    real = Temperature.step
    patch.setattr(Temperature, "step", lambda self, log_p, rate: real(self, -log_p, rate))


def _target_of_the_actor(patch: pytest.MonkeyPatch) -> None:
    real = SoftStack._learn

    def learn(self: SoftStack, rate: Any) -> None:
        real(self, rate)
        self.target += 0.1 * (self.parameters.mask == 0)

    patch.setattr(SoftStack, "_learn", learn)


def _other_noise(patch: pytest.MonkeyPatch) -> None:
    real = SoftStack.numbers_drawn
    patch.setattr(SoftStack, "numbers_drawn", lambda self: (real(self), real(self))[1])


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (_no_entropy, "targets: those of update"),
        (_larger_of_two, "targets: those of update"),
        (_no_squash_in_log_p, "loss: a gradient of the actor of update"),
        (_one_critic, "loss: a gradient of the critics of update"),
        (_temperature_the_other_way, "temperature: update"),
        (_target_of_the_actor, "pruned weights of the target network are not zero: actor.0.weight"),
        (_other_noise, "drew other places than the seed gives"),
    ],
)
def test_a_planted_bug_fails_the_trial_in_a_sentence(
    plant: Callable[[pytest.MonkeyPatch], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    monkeypatch.setattr("lth_core.training.values.replay_stack.EVERY", 4)
    found = _failures()
    assert found
    assert all(said in one for one in found), found


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"training": {"replay": 10}}, "replay 10: expected at least batch = 13"),
        ({"training": {"train_every": 60}}, "replay 100: expected at least 120, environments * train_every"),
        ({"training": {"learning_starts": 240}}, "learning_starts 240: expected less than length = 240"),
        ({"model": {"trunk": "shared"}}, 'model.trunk "shared": expected "separate", because actor and critics'),
        ({"pruning": {"keep": ["encoder"]}}, 'pruning.keep "encoder": with model.trunk "separate" nothing is shared'),
        ({"pruning": {"keep": ["actor", "critic"]}}, "leaves nothing to prune"),
        ({"task": {"kind": "minatar"}}, 'training.algorithm "sac" does not fit task.kind "minatar"'),
    ],
)
def test_what_does_not_go_together_is_named(more: dict[str, Any], said: str) -> None:
    training = {**more.pop("training", {})} if "training" in more else {}
    with pytest.raises(ValidationError) as caught:
        settings(training, **more)
    assert said in str(caught.value)


def test_bounds_are_finite_in_every_number() -> None:
    for high, bounded in ((np.ones(2), True), (np.array([1.0, np.inf]), False)):
        box = gymnasium.spaces.Box(-high.astype(np.float32), high.astype(np.float32))
        assert gym_spaces.actions("x", box).bounded is bounded
    assert not gym_spaces.actions("x", gymnasium.spaces.Discrete(2)).bounded


def test_choices_are_refused_before_a_job_is_queued() -> None:
    fields = {"name": "x", "seeds": 2, "training": {"algorithm": "sac"}}
    with pytest.raises(InputError, match=r"^x\.toml: training\.algorithm .sac. learns numbers within bounds, and Cart"):
        resolve(fields, "x.toml")
