"""A stack trains each ticket as if it were alone, to the bit, and its saved state is all that the future needs."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.training.reinforcement.policy import Categorical
from lth_core.training.stack import Stack, Start
from tests.small import digest, experiment, random_weights, stack, starts

pytestmark = pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")

UPDATES = 12

PPO = {"algorithm": "ppo", "epochs": 3, "minibatches": 4, "optimizer": "adam"}

SETTINGS = {
    "tanh, adam": experiment(training={"length": 10_000}),
    "relu, rmsprop, clipped": experiment(
        model={"activation": "relu", "hidden": [24, 16]},
        training={"optimizer": "rmsprop", "max_gradient_norm": 0.5, "gae_lambda": 0.9, "length": 10_000},
    ),
    "one environment": experiment(training={"environments": 1, "n_steps": 5, "length": 10_000}),
    "continuous": experiment(
        task={"environment": "Pendulum-v1"},
        training={"length": 10_000, "entropy_weight": 0.1, "max_gradient_norm": 0.5, "gae_lambda": 0.9},
    ),
    "ppo": experiment(training={**PPO, "length": 10_000}),
    "ppo, continuous, one environment": experiment(
        task={"environment": "Pendulum-v1"},
        model={"hidden": [24, 16]},
        training={
            **PPO,
            "length": 10_000,
            "environments": 1,
            "n_steps": 30,
            "minibatches": 3,
            "value_clip": 0.1,
            "learning_rate_schedule": "constant",
            "entropy_weight": 0.1,
        },
    ),
    "wide, linear schedule": experiment(
        model={"hidden": [64, 64]}, training={"learning_rate_schedule": "linear", "length": 10_000}
    ),
}

all_settings = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())


def trained(settings: Experiment, own: list[Start], updates: int = UPDATES) -> Stack:
    one = stack(settings, own)
    for _ in range(updates):
        one.update()
    return one


@all_settings
def test_a_ticket_in_a_stack_of_thirteen_gets_the_bits_that_it_gets_alone_or_elsewhere(settings: Experiment) -> None:
    _, own = starts(settings, 13)
    together = trained(settings, own)
    assert digest(together, 0) != digest(together, 1)
    for chosen in ([0], [4], [7], [12], [3, 9], [12, 11, 0, 5, 2], list(reversed(range(13)))):
        other = trained(settings, [own[i] for i in chosen])
        for place, ticket in enumerate(chosen):
            assert digest(other, place) == digest(together, ticket)


@all_settings
def test_dropping_tickets_half_way_changes_no_bit_of_the_others(settings: Experiment) -> None:
    _, own = starts(settings, 6)
    together = trained(settings, own)
    dropped = trained(settings, own, UPDATES // 2)
    dropped.keep([1, 4, 5])
    for _ in range(UPDATES // 4):
        dropped.update()
    dropped.keep([1, 2])
    for _ in range(UPDATES - UPDATES // 2 - UPDATES // 4):
        dropped.update()
    assert [digest(dropped, t) for t in range(2)] == [digest(together, t) for t in (4, 5)]
    assert dropped.tickets == 2


def test_the_narrowest_layer_keeps_the_bits_too() -> None:
    settings = experiment(model={"hidden": [2]}, training={"environments": 32, "n_steps": 16, "length": 100_000})
    _, own = starts(settings, 13)
    together = trained(settings, own, 8)
    assert all(digest(together, t) == digest(trained(settings, [own[t]], 8)) for t in range(13))


def test_tickets_of_one_seed_share_environments_and_the_draws_of_actions() -> None:
    settings = experiment(training={"length": 10_000})
    model, own = starts(settings, 2)
    other = dataclasses.replace(own[0], weights=random_weights(model, 5))
    one = stack(settings, [own[0], own[0], other, own[1]])
    np.testing.assert_array_equal(one.collector.observations[0], one.collector.observations[2])
    assert (one.collector.observations[0] != one.collector.observations[3]).all()
    assert one.collector._actions[0].bit_generator.state == one.collector._actions[2].bit_generator.state
    assert one.collector._actions[0].bit_generator.state != one.collector._actions[3].bit_generator.state
    for _ in range(UPDATES):
        one.update()
    assert digest(one, 0) == digest(one, 1) != digest(one, 2)


@all_settings
def test_dead_entries_are_zero_at_the_start_and_after_every_update(settings: Experiment) -> None:
    _, own = starts(settings, 3, density=0.3)
    one = stack(settings, own)
    for _ in range(5):
        for ticket, start in enumerate(own):
            entries = {e: w for e, w in one.optimizer_state(ticket).items() if e != "count"}
            for tensors in (one.weights(ticket), *entries.values()):
                assert all(not tensors[n][~m].any() for n, m in start.mask.items())
        one.update()
    assert all(one.weights(t)[n][m].any() for t, s in enumerate(own) for n, m in s.mask.items() if m.sum() > 3)


def test_optimizer_state_that_is_rewound_is_masked_and_then_used() -> None:
    settings = experiment(training={"length": 10_000})
    model, own = starts(settings, 1)
    state = {e: random_weights(model, i) for i, e in enumerate(("mean", "square"))}
    state["square"] = {n: w.abs() for n, w in state["square"].items()}
    state["count"] = {"count": torch.tensor([40.0])}
    fresh, rewound = stack(settings, own), stack(settings, [dataclasses.replace(own[0], optimizer=state)])
    found = rewound.optimizer_state(0)
    for entry in ("mean", "square"):
        for name, m in own[0].mask.items():
            assert torch.equal(found[entry][name], state[entry][name] * m.float())
    assert found["count"]["count"].tolist() == [40.0]
    fresh.update()
    rewound.update()
    assert digest(fresh) != digest(rewound)


# Saved state


def saved(one: Stack) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state as it comes back from a file."""
    arrays, values = one.state()
    return {n: a.copy() for n, a in arrays.items()}, json.loads(json.dumps(values))


@all_settings
def test_a_restored_stack_goes_on_as_if_it_had_never_stopped(settings: Experiment) -> None:
    _, own = starts(settings, 3)
    whole = trained(settings, own, 7)
    arrays, values = saved(whole)
    for _ in range(12):  # several episodes end in them
        whole.update()
    resumed = stack(settings, own)
    resumed.restore(arrays, values)
    for _ in range(12):
        resumed.update()
    assert [digest(resumed, t) for t in range(3)] == [digest(whole, t) for t in range(3)]
    assert resumed.trained == whole.trained
    final, final_values = saved(resumed)
    others, other_values = saved(whole)
    assert final_values == other_values
    assert final.keys() == others.keys()
    assert all(np.array_equal(final[n], others[n]) for n in final)


def test_saving_disturbs_nothing_and_shares_no_memory() -> None:
    settings = SETTINGS["tanh, adam"]
    _, own = starts(settings, 2)
    whole, watched = trained(settings, own, 6), stack(settings, own)
    for _ in range(6):
        arrays, _ = watched.state()
        for array in arrays.values():
            array[...] = 0
        watched.update()
    assert [digest(watched, t) for t in range(2)] == [digest(whole, t) for t in range(2)]


PARTS = {
    "weights": lambda a, v, first: a.update(flat=first[0]["flat"]),
    "first moments": lambda a, v, first: a.update({"optimizer/mean": first[0]["optimizer/mean"]}),
    "second moments": lambda a, v, first: a.update({"optimizer/square": first[0]["optimizer/square"]}),
    "step count of the optimizer": lambda a, v, first: a.update({"optimizer/count": first[0]["optimizer/count"]}),
    "action streams": lambda a, v, first: v.update(actions=first[1]["actions"]),
    "observations": lambda a, v, first: a.update(observations=first[0]["observations"]),
    "environment streams": lambda a, v, first: v.update(environments=first[1]["environments"]),
    "environment states": lambda a, v, first: a.update({"environments/state": first[0]["environments/state"]}),
    "environment steps": lambda a, v, first: a.update({"environments/steps": first[0]["environments/steps"]}),
    "running returns": lambda a, v, first: a.update({"episodes/running": first[0]["episodes/running"]}),
    "finished games": lambda a, v, first: a.update({"episodes/finished": first[0]["episodes/finished"]}),
    "window of scores": lambda a, v, first: v.update(episodes=first[1]["episodes"]),
    "place in the schedule": lambda a, v, first: v.update(trained=first[1]["trained"]),
}


def test_the_rate_of_a_ticket_below_zero_is_the_dense_runs_and_then_starts_again() -> None:
    settings = experiment(training={"length": 128, "learning_rate_schedule": "linear"})
    model, (own,) = starts(settings, 1)
    one, rates = stack(settings, [dataclasses.replace(own, first=-64)], model), []
    while one.counter[0] < one.last[0]:
        rates.append(float(one._rate()))
        one.update()
    full = [settings.training.learning_rate * (1 - 0.9 * step / 128) for step in range(0, 128, 32)]
    assert rates == pytest.approx([*full[:2], *full])


@pytest.mark.parametrize("part", PARTS)
def test_leaving_one_part_of_the_state_behind_can_be_seen(part: str) -> None:
    # The control of the test above: were it blind to this part, restoring it would prove nothing.
    settings = experiment(
        training={"length": 10_000, "learning_rate_schedule": "linear", "score_episodes": 1000},
        task={"environment": "CartPole-v0"},
    )
    _, own = starts(settings, 1)
    # Balanced for a while by a rule of thumb, so that the limit of 200 steps is reached and `steps` matters.
    if part == "environment steps":
        own = [_balancing(settings, own[0])]
    whole = stack(settings, own)
    first = saved(whole)
    for _ in range(10):
        whole.update()
    arrays, values = saved(whole)
    PARTS[part](arrays, values, first)
    resumed = stack(settings, own)
    resumed.restore(arrays, values)
    for _ in range(30):
        whole.update()
        resumed.update()
    assert digest(resumed) != digest(whole)


PPO_PARTS = {
    "shuffles": lambda a, v, first: v.update(minibatches=first[1]["minibatches"]),
    **{
        name: lambda a, v, first, name=name: a.update({name: first[0][name]})
        for name in ("seen/mean", "seen/variance", "seen/count", "earned/variance", "earned/count", "earned/running")
    },
}


@pytest.mark.parametrize("part", PPO_PARTS)
def test_leaving_one_part_of_ppos_state_behind_can_be_seen(part: str) -> None:
    settings = experiment(training={**PPO, "length": 10_000}, task={"environment": "Pendulum-v1"})
    _, own = starts(settings, 1)
    whole = stack(settings, own)
    first = saved(whole)
    for _ in range(10):
        whole.update()
    arrays, values = saved(whole)
    PPO_PARTS[part](arrays, values, first)
    resumed = stack(settings, own)
    resumed.restore(arrays, values)
    whole.update()
    resumed.update()
    assert digest(resumed) != digest(whole)


def _balancing(settings: Experiment, start: Start) -> Start:
    """Weights of a policy that pushes towards where the pole falls."""
    weights = {n: torch.zeros_like(w) for n, w in start.weights.items()}
    weights["trunk.0.weight"][0] = torch.tensor([0.05, 0.15, 0.6, 0.6])
    weights["policy_head.weight"][:, 0] = torch.tensor([-60.0, 60.0])
    return dataclasses.replace(start, weights=weights, mask={})


def test_sampling_inverts_the_cumulative_distribution() -> None:
    logits = np.log(np.array([[[0.2, 0.5, 0.3]] * 6], np.float32))
    uniform = np.array([[0.0, 0.19, 0.21, 0.69, 0.71, 0.999999]], np.float32)
    assert Categorical.sample(logits, uniform).tolist() == [[0, 0, 1, 1, 2, 2]]
    huge = np.array([[[1e4, -1e4], [-1e4, 1e4]]], np.float32)
    assert Categorical.sample(huge, np.array([[0.5, 0.5]], np.float32)).tolist() == [[0, 1]]


def test_sampled_frequencies_are_the_probabilities() -> None:
    logits = np.tile(np.log(np.array([0.1, 0.6, 0.3], np.float32)), (1, 20_000, 1))
    uniform = np.random.default_rng(0).random((1, 20_000), np.float32)
    found = np.bincount(Categorical.sample(logits, uniform).ravel(), minlength=3) / 20_000
    np.testing.assert_allclose(found, [0.1, 0.6, 0.3], atol=0.015)


def test_a_broken_ticket_is_found_and_its_neighbours_are_not() -> None:
    settings = SETTINGS["tanh, adam"]
    _, own = starts(settings, 3)
    own[1].weights["trunk.0.bias"][0] = float("inf")
    own[1].mask["trunk.0.bias"][0] = True
    one = stack(settings, own)
    assert one.broken() == [1]
