"""Policies against torch.distributions: log-probabilities, entropies, gradients, and what is drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributions

from lth_core.training.reinforcement.policy import Bits, Categorical, Choices, Gaussian, Policy


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
        of_logits, of_log_std = ours.gradient(-weight, torch.full(weight.shape, -0.3))
    torch.testing.assert_close(of_logits, logits.grad, rtol=1e-4, atol=1e-5)
    assert of_log_std is None


@pytest.mark.parametrize("actions", [2, 3, 4, 5])
@pytest.mark.parametrize("transitions", [32, 7])
def test_columns_have_the_bits_of_rows(actions: int, transitions: int) -> None:
    taken = torch.zeros(2, transitions, dtype=torch.int64)
    for seed in range(60):
        logits = 3 * _drawn(2, transitions, actions + 1, seed=seed)[..., :-1]
        ours, theirs = Categorical.terms(logits, taken), logits.log_softmax(-1)
        assert torch.equal(ours.log_p, theirs[..., 0])
        assert torch.equal(ours.entropy, -(theirs.exp() * theirs).sum(-1))


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
        of_means, of_log_std = ours.gradient(-weight, torch.full(weight.shape, -0.3))
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


KINDS = st.one_of(
    st.integers(1, 6).map(lambda a: (Categorical(), (a,))),
    st.lists(st.integers(1, 5), min_size=1, max_size=4).map(lambda sizes: (Choices(sizes), tuple(sizes))),
    st.integers(1, 5).map(lambda a: (Bits(a), (2,) * a)),
)


def _valid(sizes: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Masks (2, 3, A) that leave every part a value."""
    parts = [rng.random((2, 3, size)) < 0.6 for size in sizes]
    for part in parts:
        np.put_along_axis(part, rng.integers(0, part.shape[-1], (2, 3, 1)), True, -1)
    return np.concatenate(parts, -1)


def _taken(actions: np.ndarray, sizes: tuple[int, ...], valid: np.ndarray) -> np.ndarray:
    """Whether each part of the actions is valid."""
    each = actions.reshape(2, 3, -1)
    first = np.cumsum([0, *sizes[:-1]])
    return np.take_along_axis(valid, each + first, -1)


@given(KINDS, st.integers(0, 10_000), st.booleans(), st.sampled_from([0.1, 3, 40]))
@settings(max_examples=40, deadline=None)
def test_choices_and_bits_equal_torchs_over_what_is_valid(
    kind: tuple[Policy, tuple[int, ...]], seed: int, masked: bool, scale: float
) -> None:
    policy, sizes = kind
    rng = np.random.default_rng(seed)
    width = len(sizes) if isinstance(policy, Bits) else sum(sizes)
    logits = torch.from_numpy(scale * rng.standard_normal((2, 3, width), np.float32)).requires_grad_()
    valid = _valid(sizes, rng) if masked else None
    may = None if valid is None else torch.from_numpy(valid)
    with torch.no_grad():
        actions = policy.sample(logits.numpy(), np.stack([policy.noise(rng, 3) for _ in range(2)]), valid)
    assert valid is None or _taken(actions, sizes, valid).all()
    assert valid is None or _taken(policy.greedy(logits.detach().numpy(), valid), sizes, valid).all()
    # Of each part, the distribution of those that are valid alone, by torch.
    pairs = torch.stack([torch.zeros_like(logits), logits], -1).flatten(-2) if isinstance(policy, Bits) else logits
    parts = pairs.split(sizes, -1)
    allowed = [None] * len(parts) if may is None else may.split(sizes, -1)
    each = torch.from_numpy(actions).reshape(2, 3, -1).unbind(-1)
    log_p, entropy = torch.zeros(2, 3), torch.zeros(2, 3)
    for row, column in np.ndindex(2, 3):
        for part, own, taken in zip(parts, allowed, each, strict=True):
            places = torch.arange(part.shape[-1]) if own is None else own[row, column].nonzero().flatten()
            theirs = distributions.Categorical(logits=part[row, column, places])
            place = (places == taken[row, column]).nonzero().flatten()[0]
            log_p = log_p.index_put((torch.tensor(row), torch.tensor(column)), theirs.log_prob(place), True)
            entropy = entropy.index_put((torch.tensor(row), torch.tensor(column)), theirs.entropy(), True)
    weight = _drawn(2, 3, seed=2)
    (-(weight * log_p) - 0.3 * entropy).sum().backward()
    with torch.no_grad():
        ours = policy.terms(logits, torch.from_numpy(actions), may)
        torch.testing.assert_close(ours.log_p, log_p, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours.entropy, entropy, rtol=1e-4, atol=1e-5)
        of_logits, of_log_std = ours.gradient(-weight, torch.full(weight.shape, -0.3))
    torch.testing.assert_close(of_logits, logits.grad, rtol=1e-4, atol=1e-4)
    assert of_log_std is None
    if may is not None and not isinstance(policy, Bits):
        assert not of_logits[~may].any()


def test_bits_equal_torchs_bernoulli() -> None:
    logits = _drawn(2, 7, 3).requires_grad_()
    taken, weight = (_drawn(2, 7, 3, seed=1) > 0).long(), _drawn(2, 7, seed=2)
    theirs = distributions.Independent(distributions.Bernoulli(logits=logits), 1)
    (-(weight * theirs.log_prob(taken.float())) - 0.3 * theirs.entropy()).sum().backward()
    with torch.no_grad():
        ours = Bits(3).terms(logits, taken)
        torch.testing.assert_close(ours.log_p, theirs.log_prob(taken.float()))
        torch.testing.assert_close(ours.entropy, theirs.entropy())
        found, _ = ours.gradient(-weight, torch.full(weight.shape, -0.3))
        torch.testing.assert_close(found, logits.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", [Categorical(), Choices([4]), Bits(2)], ids=["choice", "choices", "bits"])
def test_what_is_invalid_has_probability_zero_whatever_is_drawn_and_however_the_network_diverged(
    policy: Policy,
) -> None:
    valid = np.array([[[False, True, True, False]]])
    noise = np.zeros_like(policy.noise(np.random.default_rng(0), 1, 1))
    for logit in (0.0, 80.0, float("nan")):
        logits = np.full((1, 1, 2 if isinstance(policy, Bits) else 4), logit, np.float32)
        for drawn in (noise, noise + np.float32(1 - 2**-24)):
            actions = policy.sample(logits, drawn, valid).flatten().tolist()
            assert actions == [1, 0] if isinstance(policy, Bits) else actions[0] in (1, 2)
    terms = Categorical.terms(torch.full((1, 1, 4), 80.0), torch.tensor([[1]]), torch.from_numpy(valid))
    assert terms._p.flatten().tolist() == [0, 0.5, 0.5, 0]


def test_draws_of_choices_and_bits_have_their_probabilities() -> None:
    choices, bits, rng = Choices([2, 3]), Bits(2), np.random.default_rng(0)
    logits = np.tile(np.log(np.array([0.3, 0.7, 0.2, 0.2, 0.6], np.float32)), (1, 40_000, 1))
    drawn = choices.sample(logits, choices.noise(rng, 40_000)[None])
    np.testing.assert_allclose([drawn[..., 0].mean(), drawn[..., 1].mean()], [0.7, 1.4], atol=0.02)
    odds = np.tile(np.array([0.0, np.log(4)], np.float32), (1, 40_000, 1))
    drawn = bits.sample(odds, bits.noise(rng, 40_000)[None])
    np.testing.assert_allclose(drawn.mean((0, 1)), [0.5, 0.8], atol=0.01)
    assert drawn.dtype == bits.empty(1).dtype == choices.empty(1).dtype == np.int64
