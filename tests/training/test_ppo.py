"""PPO's gradient against autograd, its clipping case by case, minibatches, and that it learns."""

import numpy as np
import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.models.flat import flatten
from lth_core.models.mlp import Perceptron
from lth_core.training.reinforcement.algorithm import HeadGradients, Heads, Transitions
from lth_core.training.reinforcement.ppo import standardised
from lth_core.training.reinforcement.rollout import Rollout
from lth_core.training.reinforcement.stack import ActorCriticStack
from tests.small import experiment, gradient, stack, starts

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")

SMALL = {"algorithm": "ppo", "epochs": 2, "minibatches": 4, "length": 10_000}


def _made(settings: Experiment, tickets: int = 2) -> ActorCriticStack:
    model, own = starts(settings, tickets, density=1.1)
    return stack(settings, own, model)


def _minibatch(one: ActorCriticStack, size: int = 40) -> tuple[Rollout, torch.Tensor]:
    """Transitions whose ratios and values lie on all sides of the clipping, and the log-probabilities of the past."""
    g = torch.Generator().manual_seed(0)
    model = one.model
    assert isinstance(model, Perceptron)
    observations = torch.randn(one.tickets, size, model.inputs, generator=g)
    activations = model.forward(one.parameters.layers(), observations)
    heads = activations[-1]
    if model.continuous:
        actions = heads[..., :-1] + torch.randn(heads[..., :-1].shape, generator=g)
    else:
        actions = torch.randint(0, model.actions, (one.tickets, size), generator=g)
    log_p = one.parameters.policy().terms(heads[..., :-1], actions).log_p

    def random() -> torch.Tensor:
        return torch.randn(one.tickets, size, generator=g)

    log_p = log_p + 0.4 * random()
    values = heads[..., -1] + 0.3 * random()
    return Rollout(activations, actions, values, values + random(), 2 * random() + 1), log_p


@pytest.mark.parametrize("value_clip", [None, 0.2])
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("environment", ["CartPole-v1", "Pendulum-v1"])
def test_the_gradient_equals_autograds(environment: str, normalised: bool, value_clip: float | None) -> None:
    more = {"value_clip": value_clip} if value_clip else {}
    settings = experiment(
        task={"environment": environment},
        model={"hidden": [9, 7]},
        training={**SMALL, "entropy_weight": 0.3, "value_weight": 0.7, "normalise_advantages": normalised, **more},
    )
    one = _made(settings)
    part, log_p = _minibatch(one)
    by_hand = one.model.unpacked(gradient(one, part, log_p))
    for row in range(2):
        weights = {n: w.clone().requires_grad_() for n, w in one.weights(row).items()}
        x = part.activations[0][row]
        for i in range(2):
            x = torch.tanh(torch.nn.functional.linear(x, weights[f"trunk.{i}.weight"], weights[f"trunk.{i}.bias"]))
        head = torch.nn.functional.linear(x, weights["policy_head.weight"], weights["policy_head.bias"])
        values = torch.nn.functional.linear(x, weights["value_head.weight"], weights["value_head.bias"]).squeeze(-1)
        if one.model.continuous:
            normal = torch.distributions.Normal(head, weights["log_std"].exp())
            policy: torch.distributions.Distribution = torch.distributions.Independent(normal, 1)
        else:
            policy = torch.distributions.Categorical(logits=head)
        advantages = part.advantages[row]
        if normalised:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        ratio = (policy.log_prob(part.actions[row]) - log_p[row]).exp()
        surrogate = torch.max(-advantages * ratio, -advantages * ratio.clamp(0.8, 1.2))
        off = (values - part.targets[row]) ** 2
        if value_clip:
            held = part.values[row] + (values - part.values[row]).clamp(-value_clip, value_clip)
            off = torch.max(off, (held - part.targets[row]) ** 2)
        (surrogate + 0.7 * off - 0.3 * policy.entropy()).mean().backward()
        autograd = flatten({n: w.grad for n, w in weights.items()}, one.model.shapes())
        torch.testing.assert_close(by_hand[row], autograd, rtol=1e-4, atol=1e-5 * float(autograd.abs().max()))


@pytest.mark.parametrize(
    ("ratio", "advantage", "learns"),
    [
        (1.1, 1, True),
        (1.3, 1, False),
        (0.5, 1, True),
        (0.9, -1, True),
        (0.7, -1, False),
        (1.5, -1, True),
        (1.0, 1, True),
    ],
)
def test_a_step_that_went_far_enough_in_its_direction_is_not_taken_further(
    ratio: float, advantage: float, learns: bool
) -> None:
    one = _made(experiment(training={**SMALL, "normalise_advantages": False, "value_weight": 0.0}), 1)
    part, _ = _minibatch(one, 2)
    part = part._replace(advantages=torch.full((1, 2), float(advantage)))
    log_p = one.parameters.policy().terms(part.activations[-1][..., :-1], part.actions).log_p
    assert bool(gradient(one, part, log_p - np.log(ratio)).any()) == learns
    said = Heads(log_p, log_p, part.values)
    taken = Transitions(part.actions, log_p - np.log(ratio), *part[2:])
    found = {name: float(each.mean()) for name, each in one.algorithm.losses(said, taken).items()}
    assert found["loss/policy"] == pytest.approx(-min(advantage * ratio, advantage * min(max(ratio, 0.8), 1.2)))
    assert found["clipped"] == float(abs(ratio - 1) > 0.2)


def test_what_is_reported_of_values_is_what_is_minimised() -> None:
    one = _made(experiment(training={**SMALL, "value_clip": 0.2}), 1)
    zero, values = torch.zeros(1, 3), torch.tensor([[0.1, 0.9, 0.5]])
    taken = Transitions(zero, zero, zero, torch.tensor([[1.0, 1.0, 0.1]]), zero + 1)
    found = one.algorithm.losses(Heads(zero, zero, values), taken)["loss/value"]
    assert found.flatten().tolist() == pytest.approx([0.81, 0.64, 0.16])  # the second: of 0.2, as far as it may go


def test_advantages_are_standardised_for_each_ticket_by_itself() -> None:
    found = standardised(torch.tensor([[1.0, 2, 3], [10, 10, 40]]))
    assert found[0].tolist() == pytest.approx([-1, 0, 1])
    assert found[1].tolist() == pytest.approx([-0.57735, -0.57735, 1.1547], rel=1e-4)
    assert standardised(torch.full((1, 4), 3.0)).tolist() == [[0] * 4]


def test_every_epoch_visits_every_transition_once_in_an_order_of_each_tickets_own() -> None:
    one = _made(experiment(training=SMALL))
    seen: list[torch.Tensor] = []
    given = one.algorithm.head_gradients

    def watched(heads: Heads, taken: Transitions) -> HeadGradients:
        seen.append(taken.targets.clone())
        return given(heads, taken)

    one.algorithm.head_gradients = watched  # type: ignore[method-assign]
    one.update()
    assert len(seen) == 8
    assert {part.shape for part in seen} == {(2, 8)}
    first, second = torch.cat(seen[:4], 1), torch.cat(seen[4:], 1)
    assert torch.equal(first.sort(1)[0], second.sort(1)[0])
    assert not torch.equal(first, second)
    assert int(one.parameters.optimizer["count"][0]) == 8


def test_it_learns_to_balance() -> None:
    settings = experiment(
        model={"hidden": [32, 32], "initialisation": "orthogonal"},
        training={
            "algorithm": "ppo", "length": 30_000, "environments": 8, "n_steps": 64, "minibatches": 4, "epochs": 4,
            "learning_rate": 3e-3, "score_episodes": 20, "epsilon": 1e-5,
        },
    )  # fmt: skip
    one = _made(settings, 2)
    while one.trained < 30_000:
        one.update()
    assert min(one.episodes.score(t) for t in range(2)) > 150
