"""Training from pixels: masks, interruption, stacks, clipped advantages and ratios, faults, what is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.tickets.mask import Mask
from lth_core.training.families import make_model, make_stack
from lth_core.training.reinforcement.rollout import Rollout
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Start
from tests import small
from tests.small import Memory, digest


def _experiment(algorithm: str = "a2c", training: dict[str, Any] | None = None, **task: Any) -> Experiment:
    fields: dict[str, Any] = {
        "algorithm": algorithm, "length": 96, "environments": 2, "n_steps": 8, "record_every": 32,
        "checkpoint_every": 32, "score": "training", "evaluation_episodes": 0,
    }  # fmt: skip
    if algorithm == "ppo":
        fields |= {"epochs": 2, "minibatches": 2}
    return Experiment.from_fields(
        {
            "name": "atari", "seeds": [0, 1], "pruning": {"rounds": 2}, "training": {**fields, **(training or {})},
            "task": {"kind": "atari", "game": "breakout", "size": [36, 36], "max_frames": 40, **task},
            "model": {"architecture": "small"},
        }
    )  # fmt: skip


def _starts(
    settings: Experiment, count: int, density: float = 0.5
) -> tuple[ConvolutionalActorCritic, list[Start]]:  # fmt: skip
    model = make_model(settings)
    assert isinstance(model, ConvolutionalActorCritic)
    generator = torch.Generator().manual_seed(0)
    masks: list[Mask] = [
        {name: torch.rand(shape, generator=generator) < density for name, shape in model.shapes().items()}
        for _ in range(count)
    ]
    length = settings.training.length
    return model, [Start(seed, model.initialise(seed), masks[seed], 0, length) for seed in range(count)]


def _run(settings: Experiment, own: list[Start], sink: Memory) -> StackRun:
    trials = [RunningTrial(i, TrialKey(0, "dense", s.seed), s.mask) for i, s in enumerate(own)]
    return StackRun(settings, make_stack(settings, make_model(settings), own, "cpu"), trials, sink)


def test_a2c_learns_from_what_acting_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _experiment()
    model, own = _starts(settings, 2)
    stack = make_stack(settings, model, own, "cpu")
    assert isinstance(stack, ActorCriticStack)
    rollout = stack.experience()
    flat = stack.parameters.model.unpacked(stack.parameters.flat).clone().requires_grad_()
    with torch.enable_grad():
        (expected,) = torch.autograd.grad(stack.loss(flat, rollout), flat)
    found: list[torch.Tensor] = []
    monkeypatch.setattr(stack.parameters, "step", lambda gradient, rate: found.append(gradient))
    monkeypatch.setattr(ConvolutionalActorCritic, "traced", None)
    stack._learn(rollout, torch.ones(2, 1))
    # The loss is the mean over both tickets.
    torch.testing.assert_close(found[0], 2 * expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("algorithm", "training"),
    [("a2c", {"minibatches": 2, "importance_clip": 1.5, "advantage_clip": 1.0}), ("a2c", {}), ("ppo", {})],
)
def test_an_interrupted_run_ends_with_the_same_bits(algorithm: str, training: dict[str, Any]) -> None:
    settings = _experiment(algorithm, {"length": 64, **training})
    _, own = _starts(settings, 1)
    whole, first, second = Memory(), Memory(stop_at=3), Memory()
    assert _run(settings, own, whole).run()
    assert not _run(settings, own, first).run()
    step, arrays, values = first.checkpoints[-1]
    assert step == 32
    resumed = _run(settings, own, second)
    resumed.restore(arrays, values)
    assert resumed.run()
    assert second.same_results(whole, 0)
    later = [record for record in whole.records if record[1] > step]
    assert repr(second.records) == repr(later)


@pytest.mark.parametrize("algorithm", ["a2c", "ppo"])
def test_dead_weights_stay_dead_and_living_ones_learn(algorithm: str) -> None:
    settings = _experiment(algorithm)
    model, own = _starts(settings, 1)
    stack = make_stack(settings, model, own, "cpu")
    before = stack.weights(0)
    for _ in range(3):
        stack.update()
    for name, w in stack.weights(0).items():
        assert not w[~own[0].mask[name]].any(), name
        assert not torch.equal(w, before[name]), name


@pytest.mark.parametrize("algorithm", ["a2c", "ppo"])
def test_what_a_ticket_of_a_dense_stack_loses_later_stays_dead(algorithm: str) -> None:
    settings = _experiment(algorithm)
    model, dense = _starts(settings, 2, density=1.0)
    lost = _starts(settings, 2)[1][1].mask
    stack, untouched = (make_stack(settings, model, dense, "cpu") for _ in range(2))
    for both in (stack, untouched):
        both.update()
    stack.narrow(1, lost)
    for _ in range(2):
        stack.update()
        untouched.update()
        entries = {entry: own for entry, own in stack.optimizer_state(1).items() if entry != "count"}
        for tensors in (stack.weights(1), *entries.values()):
            assert all(not tensors[name][~alive].any() for name, alive in lost.items())
    assert digest(stack, 0) == digest(untouched, 0)


@pytest.mark.parametrize("algorithm", ["a2c", "ppo"])
def test_a_ticket_has_the_same_bits_alone_and_in_a_stack(algorithm: str) -> None:
    settings = _experiment(algorithm, {"environments": 1})
    model, own = _starts(settings, 3)
    together = make_stack(settings, model, own, "cpu")
    alone = make_stack(settings, model, own[1:2], "cpu")
    for i in range(4):
        if i == 2:
            together.keep([1, 2])
        together.update()
        alone.update()
    assert digest(together, 0) == digest(alone, 0)  # type: ignore[arg-type]


def _a2c(training: dict[str, Any]) -> tuple[ActorCriticStack, Rollout]:
    settings = small.experiment(training={"algorithm": "a2c", **training})
    model, own = small.starts(settings, 2)
    stack = small.stack(settings, own, model)
    return stack, stack._collect()


def test_a_ratio_is_clamped_and_held_constant() -> None:
    stack, rollout = _a2c({"minibatches": 2, "importance_clip": 1.5, "entropy_weight": 0.0})
    heads = stack.model.forward(stack.parameters.layers(), rollout.activations[0])
    log_p = stack.parameters.policy().terms(heads[-1][..., :-1], rollout.actions).log_p
    part = Rollout(heads, rollout.actions, rollout.values, rollout.targets, rollout.advantages)
    torch.testing.assert_close(small.gradient(stack, part, log_p), small.gradient(stack, part))

    # Actions that were half as likely then count 1.5 times, not twice; those twice as likely half.
    def of_policy(then: torch.Tensor) -> torch.Tensor:
        """The gradients of the biases of the policy's head."""
        return stack.model.unpacked(small.gradient(stack, part, then))[:, -3:-1]

    torch.testing.assert_close(of_policy(log_p - np.log(2)), 1.5 * of_policy(log_p))
    torch.testing.assert_close(of_policy(log_p + np.log(2)), 0.5 * of_policy(log_p))


def test_without_a_clamp_ratios_do_not_count() -> None:
    stack, rollout = _a2c({"minibatches": 2})
    heads = stack.model.forward(stack.parameters.layers(), rollout.activations[0])
    part = Rollout(heads, rollout.actions, rollout.values, rollout.targets, rollout.advantages)
    far = torch.full(rollout.actions.shape, -9.0)
    assert torch.equal(small.gradient(stack, part, far), small.gradient(stack, part))


def test_advantages_are_clipped_for_the_policy_and_not_for_the_value() -> None:
    free, rollout = _a2c({"reward_scale": 10.0})
    clipped, same = _a2c({"reward_scale": 10.0, "advantage_clip": 1.0})
    assert torch.equal(rollout.advantages, same.advantages)
    assert float(rollout.advantages.abs().max()) > 1
    rate = free._rate()
    for stack, one in ((free, rollout), (clipped, same)):
        log_p = stack.parameters.policy().terms(one.activations[-1][..., :-1], one.actions).log_p
        with torch.no_grad():
            stack._learnt = stack._learn(one, rate)
        limit = 1.0 if stack is clipped else 1e9
        weighed = stack.algorithm.losses(*stack._learnt[0])["loss/policy"] / -log_p
        torch.testing.assert_close(weighed, one.advantages.clamp(-limit, limit), rtol=1e-4, atol=1e-4)
    assert clipped.losses()["loss/value"].tolist() == free.losses()["loss/value"].tolist()


def test_several_minibatches_are_several_steps() -> None:
    stack, _ = _a2c({"minibatches": 4})
    stack.update()
    assert stack.optimizer_state(0)["count"]["count"].item() == 4


def test_minibatches_of_one_transition_each_and_ratios_without_them_are_refused() -> None:
    with pytest.raises(ValueError, match="expected divisors of environments"):
        small.experiment(training={"algorithm": "a2c", "minibatches": 5})
    with pytest.raises(ValueError, match="accepted with minibatches of 2 and more"):
        small.experiment(training={"algorithm": "a2c", "importance_clip": 1.5})


def test_normalising_pixels_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"training\.normalise_observations true: expected false with pixels"):
        _experiment("ppo", {"normalise_observations": True})
    assert _experiment("ppo").training.normalise_observations is False  # type: ignore[union-attr]


def test_a_game_that_raises_ends_its_own_trial_alone() -> None:
    settings = _experiment()
    _, own = _starts(settings, 2)
    sink = Memory()
    run = _run(settings, own, sink)
    games = run.stack.collector.environments  # type: ignore[attr-defined]

    class Broken:
        def step(self, actions: object) -> None:
            raise RuntimeError("the emulator gave up")

    games._games[0] = Broken()
    assert run.run()
    assert list(sink.failures) == [0]
    assert "the emulator gave up" in sink.failures[0]
    assert list(sink.results) == [1]


def test_evaluation_scores_whole_unclipped_games() -> None:
    settings = _experiment(training={"evaluation_episodes": 1}, game="space_invaders", max_frames=2_000)
    model, own = _starts(settings, 1)
    stack = make_stack(settings, model, own, "cpu")
    (found,) = stack.evaluate([0], lambda: True)
    assert found["return/eval-sampled"] % 5 == 0  # invaders are worth 5 to 30 points
    assert found["return/eval-sampled"] > 10
