"""Tickets computed from their living weights alone learn as whole ones do: returns of eight seeds in both forms."""

import dataclasses

import numpy as np
import pytest

from lth_core.analysis.statistics import sign_flip_p
from lth_core.settings.reinforcement import RETURNS
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Start
from tests.small import experiment, random_mask

SEEDS, STEPS, KEPT = 8, 60_000, 0.15


def returns(algorithm: str, how: str) -> list[float]:
    """What each seed's ticket of CartPole returns after training, over 20 episodes."""
    own = experiment(
        model={"hidden": [64, 64, 64], "activation": "tanh"},
        training={
            "algorithm": algorithm, "sparse": how, "length": STEPS, "environments": 8, "n_steps": 16,
            "max_gradient_norm": 0.5, "evaluation_episodes": 20,
        } | ({"epochs": 4, "minibatches": 2} if algorithm == "ppo" else {}),
    )  # fmt: skip
    model = make_model(own)
    starts = [Start(seed, model.initialise(seed), {}, 0, STEPS) for seed in range(SEEDS)]
    starts = [dataclasses.replace(one, mask=random_mask(model, one.seed, KEPT)) for one in starts]
    stack = make_stack(own, model, starts, "cpu")
    while stack.trained < STEPS:
        stack.update()
    assert stack.parameters.is_sparse == [how == "always"] * SEEDS
    return [one[RETURNS[0]] for one in stack.evaluate(range(SEEDS), lambda: True)]


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["a2c", "ppo"])
def test_both_forms_learn_the_same_over_eight_seeds(algorithm: str, capsys: pytest.CaptureFixture[str]) -> None:
    whole, sparse = (np.array(returns(algorithm, how)) for how in ("never", "always"))
    p = sign_flip_p(list(sparse - whole))
    with capsys.disabled():
        print(f"\n{algorithm}: whole {whole.mean():.0f} +- {whole.std(ddof=1):.0f}, sparse {sparse.mean():.0f} +- "
              f"{sparse.std(ddof=1):.0f}; paired sign-flip p = {p:.2f}")  # fmt: skip
    assert p > 0.05
    assert min(whole.mean(), sparse.mean()) > 100  # of about 20 untrained
