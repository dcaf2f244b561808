"""The gradients of losses that an algorithm states in closed form are autograd's."""

from typing import Any

import pytest
import torch

from lth_core.training.reinforcement.algorithm import Algorithm, Heads, Transitions
from lth_core.training.reinforcement.algorithms import ALGORITHMS
from tests.small import experiment, stack, starts

CASES: list[dict[str, Any]] = [
    {"algorithm": "a2c", "importance_clip": None, "entropy_weight": 0.0},
    {"algorithm": "a2c", "minibatches": 2, "importance_clip": 1.2, "advantage_clip": 0.7},
    {"algorithm": "a2c", "value_loss": "huber"},
    {"algorithm": "ppo", "length": 10_000, "minibatches": 4, "value_loss": "huber", "value_clip": 0.9},
    {"algorithm": "ppo", "length": 10_000, "minibatches": 4, "normalise_advantages": False, "entropy_weight": 0.0},
    {"algorithm": "ppo", "length": 10_000, "minibatches": 4, "normalise_advantages": True, "value_clip": 0.2},
]


def test_each_algorithm_with_a_closed_form_is_compared() -> None:
    stated = {one for one in ALGORITHMS if one.head_gradients is not Algorithm.head_gradients}
    assert {one.kind.model_fields["algorithm"].default for one in stated} == {case["algorithm"] for case in CASES}


@pytest.mark.parametrize("case", CASES)
def test_gradients_in_closed_form_have_the_bits_of_autograds(case: dict[str, Any]) -> None:
    one = stack(*_made({"value_weight": 0.7, "entropy_weight": 0.3, **case})).algorithm
    g = torch.Generator().manual_seed(0)
    log_p, entropy, values, *_ = (torch.randn(3, 200, generator=g) for _ in range(3))
    aside = [0.4 * torch.randn(3, 200, generator=g) for _ in range(4)]
    heads = Heads(log_p, entropy, values)
    taken = Transitions(log_p, log_p + aside[0], values + aside[1], values + 3 * aside[2], 3 * aside[3] + 0.5)
    for own, theirs in zip(one.head_gradients(heads, taken), Algorithm.head_gradients(one, heads, taken), strict=True):
        assert (own is None) == (theirs is None) == (own is None or theirs is None)
        assert own is None or torch.equal(own, theirs)


def _made(training: dict[str, Any]) -> Any:
    settings = experiment(training=training)
    model, own = starts(settings, 1)
    return settings, own, model
