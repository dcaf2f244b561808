"""Plasticity: its measures by hand and against singular values, in a stack without touching it, and between arms."""

from dataclasses import replace

import pytest
import torch

from lth_core.analysis.plasticity import plasticity as compared
from lth_core.analysis.questions import findings
from lth_core.analysis.trials import Trial
from lth_core.experiment.experiment import Experiment
from lth_core.training.reinforcement import plasticity
from tests.small import digest, experiment, stack, starts


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


def test_at_most_ten_records_are_measured() -> None:
    due = [k for k in range(1, 61) if plasticity.is_due(2_000 * k, 2_000, 120_000)]
    assert due == list(range(6, 61, 6))
    assert all(plasticity.is_due(6_000 * k, 6_000, 60_000) for k in range(1, 11))


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
    if unit == "steps":  # 16 records of the longer training, of which each second is measured
        assert first[:3] == (True, True, True) and second == (False, True) * 8
    else:  # of as many steps as four games may take
        assert sum(second) <= 10 and second[-1]


def test_a_stack_is_measured_without_touching_it() -> None:
    made = []
    for measured in (False, True):
        own = experiment(training={"plasticity": measured, "max_gradient_norm": 0.01, "record_every": 64})
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


def test_only_perceptrons_are_measured() -> None:
    with pytest.raises(ValueError, match=r'training.plasticity true: expected model.kind "mlp", not "board"'):
        Experiment.from_fields({
            "name": "boards", "seeds": [0], "task": {"kind": "minatar", "game": "breakout"},
            "model": {"kind": "board"}, "training": {"plasticity": True},
        })  # fmt: skip
