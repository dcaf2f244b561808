"""Policies against torch.distributions: log-probabilities, entropies, gradients, and what is drawn."""

import numpy as np
import pytest
import torch

from lth_core.training.policy import Categorical, Gaussian


def _drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("actions", [2, 3, 6])
def test_categorical_equals_torchs(actions: int) -> None:
    logits = (3 * _drawn(2, 7, actions)).requires_grad_()
    taken = torch.randint(0, actions, (2, 7), generator=torch.Generator().manual_seed(1))
    weight = _drawn(2, 7, seed=2)
    theirs = torch.distributions.Categorical(logits=logits)
    (-(weight * theirs.log_prob(taken)) - 0.3 * theirs.entropy()).sum().backward()
    with torch.no_grad():
        ours = Categorical().terms(logits, taken)
        torch.testing.assert_close(ours.log_p, theirs.log_prob(taken))
        torch.testing.assert_close(ours.entropy, theirs.entropy())
        of_logits, of_log_std = ours.gradient(weight, 0.3)
    torch.testing.assert_close(of_logits, logits.grad, rtol=1e-4, atol=1e-5)
    assert of_log_std is None


@pytest.mark.parametrize("actions", [1, 2, 6])
def test_gaussian_equals_torchs(actions: int) -> None:
    means, log_std = _drawn(2, 7, actions).requires_grad_(), (0.5 * _drawn(2, actions, seed=3)).requires_grad_()
    taken, weight = 2 * _drawn(2, 7, actions, seed=1), _drawn(2, 7, seed=2)
    theirs = torch.distributions.Independent(torch.distributions.Normal(means, log_std.exp().unsqueeze(1)), 1)
    (-(weight * theirs.log_prob(taken)) - 0.3 * theirs.entropy()).sum().backward()
    with torch.no_grad():
        ours = Gaussian(log_std).terms(means, taken)
        torch.testing.assert_close(ours.log_p, theirs.log_prob(taken))
        torch.testing.assert_close(ours.entropy, theirs.entropy().expand(2, 7))
        of_means, of_log_std = ours.gradient(weight, 0.3)
    torch.testing.assert_close(of_means, means.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(of_log_std, log_std.grad, rtol=1e-4, atol=1e-4)


def test_gaussian_draws_have_its_mean_and_deviation() -> None:
    policy = Gaussian(torch.log(torch.tensor([[0.5, 2.0]])))
    noise = policy.noise(np.random.default_rng(0), 40_000)[None]
    means = np.tile(np.array([1.0, -1.0], np.float32), (1, 40_000, 1))
    drawn = policy.sample(means, noise)
    np.testing.assert_allclose(drawn.mean((0, 1)), [1, -1], atol=0.03)
    np.testing.assert_allclose(drawn.std((0, 1)), [0.5, 2], rtol=0.02)
    assert drawn.dtype == policy.empty(1).dtype == np.float32
    np.testing.assert_array_equal(policy.greedy(means), means)


def test_the_greedy_choice_is_the_likeliest() -> None:
    assert Categorical.greedy(np.array([[[0.1, 0.7, 0.2], [3, 1, 3]]])).tolist() == [[1, 0]]
