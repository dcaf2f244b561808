"""Criteria, layer distributions and signed start weights against their published formulas, by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_core.experiment.plan import TrialKey
from lth_core.settings.pruning import Pruning
from lth_core.tickets import audit, derive
from lth_core.tickets.criteria import BY_NAME, scores
from lth_core.tickets.mask import full, keep_largest
from lth_core.tickets.saliency import DERIVATIVES, SYNFLOW
from lth_core.tickets.scope import erk_densities, layer_counts
from tests.small import experiment, family

W = {"a": torch.tensor([0.1, -0.9, 0.5, -0.4])}
W0 = {"a": torch.tensor([0.2, -0.3, -0.6, -0.1])}


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("magnitude", [0.1, 0.9, 0.5, 0.4]),
        ("inverse", [-0.1, -0.9, -0.5, -0.4]),
        ("magnitude_init", [0.2, 0.3, 0.6, 0.1]),
        ("magnitude_increase", [-0.1, 0.6, -0.1, 0.3]),
        ("movement", [0.1, 0.6, 1.1, 0.3]),
    ],
)
def test_scores_by_hand(criterion: str, expected: list[float]) -> None:
    assert scores(criterion, W, W0, np.random.default_rng(0))["a"].tolist() == pytest.approx(expected)


def test_what_is_kept_differs_by_criterion() -> None:
    alive = torch.ones(4, dtype=torch.bool)
    kept = {name: keep_largest(f(W, W0)["a"], alive, 2).nonzero().flatten().tolist() for name, f in BY_NAME.items()}
    assert kept == {
        "magnitude": [1, 2], "inverse": [0, 3], "magnitude_init": [1, 2], "magnitude_increase": [1, 3],
        "movement": [1, 2],
    }  # fmt: skip


def test_random_scores_look_at_no_weight_and_are_one_draw_per_chain() -> None:
    one = scores("random", W, None, np.random.default_rng(7))["a"]
    assert torch.equal(one, scores("random", {"a": 9 * W["a"]}, None, np.random.default_rng(7))["a"])
    assert not torch.equal(one, scores("random", W, None, np.random.default_rng(8))["a"])


def test_a_criterion_without_its_initialisation_says_so() -> None:
    with pytest.raises(ValueError, match="movement needs the dense run's initialisation"):
        scores("movement", W, None, np.random.default_rng(0))


def test_every_criterion_of_the_file_has_a_formula() -> None:
    import typing

    known = typing.get_args(Pruning.model_fields["criterion"].annotation)
    assert set(known) == {*BY_NAME, "random", *DERIVATIVES, SYNFLOW}


@pytest.mark.parametrize("criterion", [*BY_NAME, "random"])
def test_chains_of_every_criterion_nest_and_pass_the_audit_and_a_wrong_mask_does_not(criterion: str) -> None:
    arms = ["winning"] if criterion == "magnitude_init" else ["winning", "one_shot"]
    settings = experiment(arms=arms, pruning={"criterion": criterion, "rounds": 3})
    made = family(settings)
    for arm in settings.arms:
        for round in (1, 2, 3):
            key = TrialKey(round, arm, 0)
            ticket = derive.derive(made, key)
            found = {check.name: check for check in audit.before_training(made, key, ticket, ticket.start, None)}
            assert all(check.passed for check in found.values()), found
            other = {name: m.flip(0) for name, m in ticket.mask.items()}
            wrong = derive.Ticket(other, ticket.start, ticket.source, ticket.parent)
            broken = {c.name: c for c in audit.before_training(made, key, wrong, ticket.start, None)}
            assert not broken["criterion"].passed


SIZES = {"w": (10, 20), "v": (4, 10), "b": (10,)}


def test_erk_by_hand() -> None:
    # Quotients: (10+20)/200 = 0.15, (4+10)/40 = 0.35, 10/10 = 1. Asked: 100 of 250. The bias is full: e x 0.15 x 200 +
    # e x 0.35 x 40 + 10 = 100, so e = 90 / 44, which leaves v at 0.716 and w at 0.307.
    found = erk_densities(SIZES, 0.4)
    assert found == pytest.approx({"w": 0.15 * 90 / 44, "v": 0.35 * 90 / 44, "b": 1.0})
    convolution = erk_densities({"c": (8, 4, 3, 3), "d": (100, 100)}, 0.1)
    assert convolution["c"] / convolution["d"] == pytest.approx(((8 + 4 + 3 + 3) / 288) / (200 / 10_000))


@given(st.floats(0.001, 1.0))
def test_erk_gives_what_is_asked_in_all_and_no_layer_more_than_everything(density: float) -> None:
    found = erk_densities(SIZES, density)
    total = sum(math.prod(shape) * found[name] for name, shape in SIZES.items())
    assert total == pytest.approx(density * 250)
    assert all(0 < d <= 1 + 1e-12 for d in found.values())


def test_counts_under_erk_never_rise_from_round_to_round() -> None:
    mask = full({name: torch.Size(shape) for name, shape in SIZES.items()})
    groups = {name: frozenset[str]() for name in SIZES}
    pruning = Pruning(scope="erk", rounds=20)
    counts = [layer_counts(mask, groups, pruning, k) for k in range(21)]
    assert counts[0] == {"w": 200, "v": 40, "b": 10}
    for earlier, later in pairwise(counts):
        assert all(later[name] <= earlier[name] for name in SIZES)


def test_signed_start_weights_have_fresh_magnitudes_and_the_old_signs() -> None:
    fresh, source = {"a": torch.tensor([0.5, -0.6, 0.7])}, {"a": torch.tensor([-2.0, 3.0, 0.0])}
    assert derive.signed(fresh, source)["a"].tolist() == pytest.approx([-0.5, 0.6, 0.0])


def test_constant_start_weights_have_one_magnitude_a_layer() -> None:
    initial = {"a": torch.tensor([1.0, -1.0, 1.0, -1.0]), "b": torch.zeros(2)}
    source = {"a": torch.tensor([5.0, -6.0, -7.0, 0.0]), "b": torch.tensor([0.2, -0.4])}
    found = derive.constant(initial, source)
    assert found["a"].tolist() == [1.0, -1.0, -1.0, 0.0]
    assert found["b"].tolist() == pytest.approx([0.3, -0.3])


@pytest.mark.parametrize("arm", ["signed_reinit", "signed_constant"])
@pytest.mark.parametrize("initialisation", ["uniform", "orthogonal"])
def test_signed_arms_pass_the_audit_and_wrong_signs_do_not(arm: str, initialisation: str) -> None:
    settings = experiment(
        arms=["winning", arm], rewinding={"weights": 100}, model={"initialisation": initialisation}
    )  # fmt: skip
    made, key = family(settings), TrialKey(2, arm, 0)
    ticket, winning = derive.derive(made, key), derive.derive(made, TrialKey(2, "winning", 0))
    checks = audit.before_training(made, key, ticket, ticket.start, winning)
    assert all(check.passed for check in checks), [c for c in checks if not c.passed]
    for name, w in ticket.start.items():  # orthogonal initialisation draws no biases: what is zero has no sign
        assert torch.equal(torch.sign(w)[w != 0], torch.sign(winning.start[name])[w != 0])
    flipped = {name: -w for name, w in ticket.start.items()}
    found = {check.name: check.passed for check in audit.before_training(made, key, ticket, flipped, winning)}
    assert not found["start_weights"]


def test_one_shot_is_refused_where_the_criterion_makes_it_a_copy_of_the_iterative_arm() -> None:
    with pytest.raises(ValueError, match='"one_shot" and "winning" are the same arm'):
        experiment(arms=["winning", "one_shot"], pruning={"criterion": "magnitude_init"})
