"""Plasticity: its measures by hand and against singular values, in a stack without touching it, and between arms."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lth_core.analysis.plasticity import plasticity as compared
from lth_core.analysis.questions import findings
from lth_core.analysis.trials import Trial
from lth_core.experiment.experiment import Experiment
from lth_core.models.board import BoardActorCritic
from lth_core.models.soft import SoftActorCritic
from lth_core.settings.networks import Board
from lth_core.settings.soft import SAC
from lth_core.training.families import make_stack
from lth_core.training.reinforcement import plasticity
from lth_core.training.reinforcement.parameters import Parameters
from lth_core.training.reinforcement.playing import PlayingStack
from tests.small import digest, experiment, stack, starts
from tests.training import test_soft, test_values


def test_dormant_units_by_hand() -> None:
    # Means 1, 0.025 x mean, 0: of a layer whose mean is 1.
    activations = torch.zeros(1, 4, 4)
    activations[0, :, 0] = torch.tensor([2.0, -2.0, 2.0, -2.0])
    activations[0, :, 1] = 1.975
    activations[0, :, 2] = 0.025
    found = plasticity.dormant(activations)
    assert found.tolist() == [[False, False, True, True]]
    assert plasticity.dormant(torch.zeros(1, 3, 2)).all()


def test_the_effective_rank_is_that_of_singular_values() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, 20, 5, generator=generator) @ torch.randn(3, 5, 12, generator=generator)
    features[2] = 0
    values = torch.linalg.svdvals(features[:2].double())
    shares = values.cumsum(1) / values.sum(1, keepdim=True)
    wanted = [int((one < 0.99).sum()) + 1 for one in shares]
    assert plasticity.effective_rank(features).tolist() == [*wanted, 0] and max(wanted) <= 5
    assert plasticity.effective_rank(torch.eye(8)[None]).tolist() == [8]  # seven have 7/8 of the sum


def test_at_most_seven_records_are_measured() -> None:
    due = [k for k in range(1, 61) if plasticity.is_due(2_000 * k, 2_000, 120_000)]
    assert due == list(range(9, 55, 9))  # and the last, see of_stack
    assert all(plasticity.is_due(6_000 * k, 6_000, 42_000) for k in range(1, 8))


@pytest.mark.parametrize("unit", ["steps", "games"])
def test_when_a_ticket_is_measured_depends_on_itself_alone(unit: str) -> None:
    length = 512 if unit == "steps" else 4
    own = experiment(training={"plasticity": True, "record_every": 32, "unit": unit, "length": length})
    model, (short, long) = starts(own, 2)
    one = stack(own, [replace(short, last=96 if unit == "steps" else 1), long], model)
    seen = []
    while (one.counter < one.last).any():
        one.update()
        seen.append(["dormant/all" in metrics for metrics in one.metrics()])
    first, second = zip(*seen, strict=True)
    if unit == "steps":  # 16 records of the longer training, of which each third and the last are measured
        assert first[:3] == (True, True, True) and second == (*(False, False, True) * 5, True)
    else:  # of as many steps as four games may take
        assert sum(second) <= 7 and second[-1]


def test_a_stack_is_measured_without_touching_it() -> None:
    made = []
    for measured in (False, True):
        own = experiment(training={"plasticity": measured, "max_gradient_norm": 0.01, "record_every": 128})
        model, both = starts(own, 2)
        one = stack(own, both, model)
        one.update()
        metrics = one.metrics()
        one.keep([1])
        one.update()
        made.append((digest(one), metrics, one.metrics()[0], one))
    (plain, without, _, _), (looked, metrics, alone, one) = made
    assert plain == looked and not any("dormant" in name for name in without[0])
    names = {"dormant/trunk.0", "dormant/all", "rank/features", "weight_norm/policy_head", "gradient_norm/trunk.0"}
    assert names <= metrics[0].keys() and names <= alone.keys()
    weights = torch.cat([w.flatten() for w in one.weights(0).values()])
    assert alone["weight_norm/all"] == pytest.approx(float(weights.norm()))
    alive = one.parameters.mask[0] * one.parameters.dense[0]  # type: ignore[index]
    assert alone["gradient_norm/all"] == pytest.approx(float(alive.norm()))
    assert alone["gradient_norm/all"] > 0.01  # before clipping


KINDS = {
    "dqn": (
        test_values.KINDS["dqn"],
        {"dormant/trunk.0", "dormant/trunk.1", "weight_norm/policy_head", "gradient_norm/all"},
    ),
    "dqn on boards": (test_values.KINDS["dueling on boards"], {"dormant/convolution.0", "gradient_norm/convolution.0"}),
    "ppo on boards": (
        Experiment.from_fields({
            "name": "boards", "seeds": [0, 1], "task": {"kind": "minatar", "time_limit": 9},
            "model": {"kind": "board", "filters": 2, "hidden": [4]},
            "training": {
                "algorithm": "ppo", "length": 128, "environments": 2, "n_steps": 16, "minibatches": 2,
                "record_every": 64, "evaluation_episodes": 1, "score_episodes": 2,
            },
        }),
        {"dormant/convolution.0", "dormant/trunk.0", "weight_norm/convolution.0"},
    ),
    "sac": (
        test_soft.settings({"length": 64, "learning_starts": 24}),
        {"dormant/actor.1", "dormant/critic.0", "dormant/second_critic.1", "rank/features", "gradient_norm/critic.1"},
    ),
    "a2c with two trunks": (
        experiment(model={"hidden": [5, 4], "trunk": "separate"}, training={"sparse": "never"}),
        {"dormant/actor.0", "dormant/critic.1", "rank/features", "weight_norm/value_head"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(KINDS))
def test_other_algorithms_and_boards_are_measured_without_touching_them(kind: str) -> None:
    plain, names = KINDS[kind]
    found = []
    for measured in (False, True):
        training = plain.training.model_copy(update={"plasticity": measured, "record_every": 64})
        own = plain.model_copy(update={"training": training})
        model, both = starts(own, 2)
        one, alone = (make_stack(own, model, some, "cpu") for some in (both, both[1:]))
        assert isinstance(one, PlayingStack) and isinstance(alone, PlayingStack)
        while (one.counter < one.last).any():
            one.update(), alone.update()
            seen, by_itself = one.metrics(), alone.metrics()
        found.append((digest(one), digest(one, 1)))
    assert found[0] == found[1]
    assert names <= seen[0].keys() and by_itself[0] == seen[1]
    assert all(0 <= value <= 1 for name, value in seen[0].items() if name.startswith("dormant"))


def test_a_filter_is_a_unit() -> None:
    model = BoardActorCritic(Board(filters=3, hidden=(5,)), (4, 10, 10), 6)
    weights = model.initialise(0)
    weights["convolution.0.weight"][1] = 0.0
    weights["convolution.0.bias"][1] = 0.0
    flat = model.packed(torch.cat([w.flatten() for w in weights.values()])[None])
    boards = torch.randint(0, 2, (1, 7, 4, 10, 10), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    (found,) = plasticity.features(model, flat, plasticity.States(boards))
    assert list(found) == ["convolution.0", "trunk.0"] and found["trunk.0"].shape == (1, 7, 5)
    wanted = torch.nn.functional.conv2d(
        boards[0].float(), weights["convolution.0.weight"], weights["convolution.0.bias"]
    ).relu()
    torch.testing.assert_close(found["convolution.0"].abs().mean(1)[0], wanted.mean((0, 2, 3)))
    assert plasticity.dormant(found["convolution.0"]).tolist() == [[False, True, False]]


def test_each_network_is_measured_by_itself() -> None:
    """Actor and critics of soft actor-critic, and their effective rank, from their weights by hand."""
    own = test_soft.settings()
    model, both = starts(own, 2)
    assert isinstance(model, SoftActorCritic) and isinstance(own.training, SAC)
    parameters = Parameters.of(own.training, model, both, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    states = plasticity.States(*(torch.randn(2, 9, n, generator=generator) for n in (model.inputs, model.actions)))
    assert states.actions is not None
    names = ("actor", "critic", "second_critic")
    networks = dict(zip(names, plasticity.features(model, parameters.flat, states), strict=True))
    weights = parameters.weights(1)
    for name, hidden in networks.items():
        assert list(hidden) == [f"{name}.0", f"{name}.1"]
        x = states.seen[1] if name == "actor" else torch.cat([states.seen[1], states.actions[1]], -1)
        for layer, found in hidden.items():
            x = torch.relu(x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"])
            torch.testing.assert_close(found[1], x)
    ranks = [plasticity.effective_rank(networks[name][f"{name}.1"]) for name in names[1:]]
    measured = plasticity.measured(parameters, states)
    assert [one["rank/features"] for one in measured] == ((ranks[0] + ranks[1]) / 2).tolist()


@pytest.mark.parametrize("trunk", ["shared", "separate"])
@pytest.mark.parametrize("kind", ["mlp", "board"])
def test_hidden_layers_have_the_names_of_their_weights(kind: str, trunk: str) -> None:
    own = Experiment.from_fields({
        "name": "boards", "seeds": [0], "task": {"kind": "minatar"},
        "model": {"kind": kind, "hidden": [4, 3], "trunk": trunk} | ({"filters": 2} if kind == "board" else {}),
    })  # fmt: skip
    model, both = starts(own, 1)
    parameters = Parameters.of(own.training, model, both, torch.device("cpu"))  # type: ignore[arg-type]
    boards = torch.zeros(1, 3, 4, 10, 10, dtype=torch.uint8)
    seen = boards if kind == "board" else boards.flatten(2).float()
    networks = plasticity.features(model, parameters.flat, plasticity.States(seen))
    layers = {name.rpartition(".")[0] for name in model.shapes()}
    assert {layer for one in networks for layer in one} == {layer for layer in layers if "head" not in layer}


def test_states_are_spread_evenly() -> None:
    assert plasticity.spread(3).tolist() == [0, 1, 2] and len(plasticity.spread(0)) == 0
    own = plasticity.spread(1_000)
    assert len(own) == plasticity.STATES and own[0] == 0 and own[-1] == 996 and set(np.diff(own)) == {3, 4}


def test_arms_are_compared_by_their_ends_with_intervals() -> None:
    own = experiment(arms=["winning", "random"], seeds=[0, 1, 2], pruning={"rounds": 2})
    trials = [Trial("dense", 0, seed, "done", 1.0, 1.0, (("dormant/all", 0.5),)) for seed in own.seeds]
    trials += [
        Trial(arm, round, seed, "done", 1.0, 0.5, (("dormant/all", level + 0.1 * round),))
        for arm, level in (("winning", 0.0), ("random", 0.2))
        for round in (1, 2)
        for seed in own.seeds
    ]
    first, second = compared(own, trials)
    assert first.value.value == pytest.approx(0.15) and first.dense.value == 0.5 and first.difference is None
    assert second.difference is not None and second.difference.value == pytest.approx(-0.2)
    (finding,) = [one for one in findings(own, trials) if one.question == "Do networks stay plastic?"]
    assert "share of dormant units: winning 0.15, random 0.35" in finding.text
    assert "winning minus random -0.2 [-0.2, -0.2]" in finding.text
    assert not list(compared(own, [Trial("winning", 1, 0, "done", 1.0)]))


@pytest.mark.parametrize("algorithm", ["a2c", "dqn"])
def test_only_perceptrons_and_boards_are_measured(algorithm: str) -> None:
    with pytest.raises(ValueError, match=r'training.plasticity true: expected model.kind "mlp" or "board", not "conv"'):
        Experiment.from_fields({
            "name": "games", "seeds": [0], "task": {"kind": "atari", "game": "breakout"},
            "training": {"algorithm": algorithm, "plasticity": True},
        })  # fmt: skip
