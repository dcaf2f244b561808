"""Each check of the audit against a planted bug, the healthy case beside it."""

import dataclasses
from typing import Any

import pytest
import torch

from lth_core.experiment.arms import Arm
from lth_core.experiment.plan import TrialKey
from lth_core.tickets import audit, criteria, derive
from lth_core.tickets import mask as masks
from lth_core.tickets.check import Check
from lth_core.tickets.derive import Family, Ticket, Trained
from lth_core.tickets.mask import Weights
from tests.small import SHARED, experiment, family

ARMS = ["winning", "one_shot", "random", "random_global", "reinit", "shuffled_mask", "shuffled_weights"]


def made(scope: str = "global", arms: list[str] | None = None, **more: Any) -> Family:
    return family(
        experiment(
            pruning={"scope": scope, "rounds": 3, "fraction": 0.3},
            arms=arms or ARMS,
            model={"hidden": [16, 12]},
            **more,
        )
    )


def before(
    of: Family, arm: str, round: int, ticket: Ticket | None = None, start: Weights | None = None
) -> dict[str, Check]:
    """The audit of a ticket, by name of the check; `ticket` and `start` stand in for the derived ones."""
    one = ticket or derive.derive(of, TrialKey(round, arm, of.seed))
    other = of.experiment.compared_with(arm)
    winning = derive.derive(of, TrialKey(round, other, of.seed)) if other else None
    checks = audit.before_training(
        of, TrialKey(round, arm, of.seed), one, one.start if start is None else start, winning
    )
    return {check.name: check for check in checks}


def failed(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if not check.passed}


def ticket_of(of: Family, arm: str, round: int) -> Ticket:
    return derive.derive(of, TrialKey(round, arm, of.seed))


def test_the_rewound_dense_network_is_whole_and_starts_where_tickets_do() -> None:
    of = made("layerwise", arms=["winning", "dense_rewound"], rewinding={"weights": 100})
    one = ticket_of(of, "dense_rewound", 1)
    assert failed(before(of, "dense_rewound", 1)) == set()
    assert all(bool(m.all()) for m in one.mask.values())
    init = of.dense.init
    assert init is not None and failed(before(of, "dense_rewound", 1, start=init)) == {"start_weights"}
    pruned = ticket_of(of, "winning", 1)
    assert "density" in failed(before(of, "dense_rewound", 1, dataclasses.replace(one, mask=pruned.mask)))


@pytest.mark.parametrize("round", [1, 2, 3])
@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("arm", ARMS)
def test_healthy_tickets_pass(arm: str, scope: str, round: int) -> None:
    checks = before(made(scope), arm, round)
    assert failed(checks) == set(), checks
    assert {"density", "nested", "start_weights", "start_alive"} <= checks.keys()
    assert ("differs" in checks) == (arm != "winning")


@pytest.mark.parametrize("round", [1, 2, 3])
def test_healthy_tickets_of_a_late_rewind_point_pass(round: int) -> None:
    arms = SHARED
    of = made(arms=arms, rewinding={"weights": 100}, training={"learning_rate_schedule": "linear"})
    for arm in arms:
        assert failed(before(of, arm, round)) == set(), arm


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("wrong", [True, False])
def test_one_entry_too_many_or_too_few_is_seen(scope: str, wrong: bool) -> None:
    of = made(scope)
    one = ticket_of(of, "winning", 2)
    mask = {n: m.clone() for n, m in one.mask.items()}
    flat = mask["trunk.1.weight"].view(-1)
    candidates = (one.parent["trunk.1.weight"].view(-1) & ~flat) if wrong else flat.clone()
    flat[candidates.nonzero()[0]] = wrong
    planted = dataclasses.replace(one, mask=mask, start=masks.apply(mask, one.source))
    checks = before(of, "winning", 2, planted)
    assert "density" in failed(checks)
    assert "expected" in checks["density"].detail


def test_an_entry_moved_to_another_layer_is_seen_under_layerwise_scope() -> None:
    of = made("layerwise")
    one = ticket_of(of, "winning", 2)
    mask = {n: m.clone() for n, m in one.mask.items()}
    for name, value in (("trunk.0.weight", False), ("trunk.1.weight", True)):
        flat = mask[name].view(-1)
        where = flat.clone() if not value else one.parent[name].view(-1) & ~flat
        flat[where.nonzero()[0]] = value
    planted = dataclasses.replace(one, mask=mask, start=masks.apply(mask, one.source))
    assert masks.total(mask) == masks.total(one.mask)
    assert "density" in failed(before(of, "winning", 2, planted))


def test_an_entry_that_grew_again_is_seen() -> None:
    of = made()
    one = ticket_of(of, "winning", 3)
    mask = {n: m.clone() for n, m in one.mask.items()}
    name = "trunk.1.weight"
    flat = mask[name].view(-1)
    flat[flat.nonzero()[0]] = False
    flat[(~one.parent[name]).view(-1).nonzero()[0]] = True
    planted = dataclasses.replace(one, mask=mask, start=masks.apply(mask, one.source))
    checks = before(of, "winning", 3, planted)
    assert "nested" in failed(checks)
    assert checks["nested"].detail.startswith("1 kept entries")


def test_a_mask_of_other_layers_is_not_nested() -> None:
    of = made()
    one = ticket_of(of, "random", 2)
    parent = {n: m for n, m in one.parent.items() if n != "value_head.bias"}
    assert "nested" in failed(before(of, "random", 2, dataclasses.replace(one, parent=parent)))


@pytest.mark.parametrize("arm", ["winning", "reinit"])
def test_one_wrong_bit_of_one_start_weight_is_seen(arm: str) -> None:
    of = made()
    one = ticket_of(of, arm, 2)
    start = {n: w.clone() for n, w in one.start.items()}
    position = one.mask["trunk.1.weight"].view(-1).nonzero()[3]
    start["trunk.1.weight"].view(-1).view(torch.int32)[position] ^= 1
    checks = before(of, arm, 2, one, start)
    assert failed(checks) == {"start_weights"}
    assert "trunk.1.weight 1" in checks["start_weights"].detail


def test_a_dead_weight_that_starts_alive_or_as_minus_zero_is_seen() -> None:
    of = made()
    one = ticket_of(of, "winning", 2)
    for value in (1e-30, -0.0, float("nan")):
        start = {n: w.clone() for n, w in one.start.items()}
        start["trunk.1.weight"][~one.mask["trunk.1.weight"]] = value
        assert "start_weights" in failed(before(of, "winning", 2, one, start))


def test_a_wrong_weight_outside_the_prunable_scope_is_seen() -> None:
    settings = experiment(pruning={"keep": ["biases"], "rounds": 2}, arms=["winning", "random"])
    of = family(settings)
    one = ticket_of(of, "winning", 1)
    start = {n: w.clone() for n, w in one.start.items()}
    start["trunk.0.bias"][0] += 1
    assert failed(before(of, "winning", 1, one, start)) == {"start_weights"}


def test_training_that_forgot_to_apply_the_mask_is_seen() -> None:
    of = made()
    one = ticket_of(of, "winning", 2)
    assert "start_weights" in failed(before(of, "winning", 2, one, one.source))


def test_a_control_that_trains_already_masked_weights_is_seen() -> None:
    # open_lth: the mask is right, but most of it meets weights that an earlier mask has zeroed.
    of = made()
    one = ticket_of(of, "random", 3)
    masked_before = masks.apply(one.mask, masks.apply(ticket_of(of, "winning", 3).mask, one.source))
    checks = before(of, "random", 3, one, masked_before)
    assert {"start_alive", "start_weights"} <= failed(checks)


def test_a_control_derived_from_already_masked_weights_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    of = made()
    real = derive._source

    def masked(of: Family, arm: Arm, key: TrialKey, mask: masks.Mask) -> Weights:
        source = real(of, arm, key, mask)
        return source if key.arm == "winning" else masks.apply(derive.derive_mask(of, "winning", key.round), source)

    monkeypatch.setattr(derive, "_source", masked)
    assert failed(before(of, "random", 3))


@pytest.mark.parametrize(
    "arm",
    [
        "reinit",
        "shuffled_weights",
        "winning",
        "random",
        "one_shot",
    ],
)
def test_a_derivation_that_does_not_rewind_is_seen(arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = made()
    monkeypatch.setattr(derive, "_source", lambda of, arm, key, mask: of.dense.final)
    assert failed(before(of, arm, 2))


def test_a_random_arm_that_is_never_reset_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    of = made()
    once = of.initialise(0)
    monkeypatch.setattr(derive, "_source", lambda of, arm, key, mask: once)
    assert failed(before(of, "random", 2))


@pytest.mark.parametrize("arm", ["shuffled_mask", "shuffled_weights"])
def test_a_shuffle_that_does_nothing_is_seen(arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "permuted", lambda mask, order: mask)
    monkeypatch.setattr(derive, "permute_survivors", lambda weights, alive, order: weights)
    checks = before(made(), arm, 2)
    assert failed(checks) == {"differs"} | ({"mask_source"} if arm == "shuffled_mask" else set())
    assert checks["differs"].detail == "mask differs in 0 entries, start weights in 0"


def test_a_one_shot_arm_that_is_the_ticket_itself_is_seen_from_round_two(monkeypatch: pytest.MonkeyPatch) -> None:
    of = made()
    for round in (2, 3):
        winning = ticket_of(of, "winning", round)
        assert "differs" in failed(before(of, "one_shot", round, winning))
    first = before(of, "one_shot", 1)["differs"]
    assert first.passed
    assert "by definition" in first.detail


def test_a_one_shot_arm_whose_own_ranking_keeps_the_tickets_entries_is_sound() -> None:
    of = made()
    once = of.trained["winning", 1]
    still = masks.apply(once.mask, of.dense.final)  # trained for so short a time that nothing has moved
    of = dataclasses.replace(of, trained={**of.trained, ("winning", 1): Trained(once.mask, still, still)})
    check = before(of, "one_shot", 2)["differs"]
    assert check.passed and "both rankings keep the same entries" in check.detail


def test_the_audit_says_by_how_much_a_control_differs() -> None:
    of = made()
    one, winning = ticket_of(of, "random", 2), ticket_of(of, "winning", 2)
    detail = before(of, "random", 2)["differs"].detail
    assert f"mask differs in {masks.distance(one.mask, winning.mask)} entries" in detail


def test_a_random_mask_with_other_counts_per_layer_is_seen() -> None:
    of = made()
    planted = ticket_of(of, "random_global", 2)
    assert "layer_counts" in failed(before(of, "random", 2, planted))


def test_a_reinit_arm_with_a_mask_of_its_own_size_but_another_shape_is_seen() -> None:
    of = made()
    one = ticket_of(of, "random_global", 2)
    assert "layer_counts" in failed(before(of, "reinit", 2, one))


def test_arms_that_differ_in_their_schedule_only_are_no_copies() -> None:
    # lr_rewind and finetune start round 1 from the same pruned dense network, and train it differently.
    of = made(arms=["finetune", "lr_rewind"], rewinding={"weights": 100}, training={"learning_rate_schedule": "linear"})
    assert failed(before(of, "lr_rewind", 1)) == set()


def test_layers_with_one_survivor_cannot_be_shuffled_and_are_no_fault() -> None:
    of = family(
        experiment(
            pruning={"scope": "layerwise", "rounds": 2, "fraction": 0.94, "keep": ["weights", "value_head"]},
            arms=["winning", "shuffled_weights"],
            model={"hidden": [16]},
        )
    )
    assert failed(before(of, "shuffled_weights", 1)) == set()


# After training


def trained() -> tuple[masks.Mask, Weights, dict[str, Weights]]:
    mask = {"a": torch.tensor([True, False, True, False]), "b": torch.tensor([True, True])}
    final = {"a": torch.tensor([1.0, 0.0, 0.0, -0.0]), "b": torch.tensor([1.0, -1.0]), "kept": torch.tensor([3.0])}
    state = {e: {n: torch.zeros_like(w) for n, w in final.items()} for e in ("mean", "square")}
    return mask, final, state


def after(planted: str = "") -> set[str]:
    mask, final, state = trained()
    place, value = {
        "": (torch.zeros(4), 0.0),
        "momentum": (final["a"], 1e-20),
        "mean": (state["mean"]["a"], 1e-20),
        "square": (state["square"]["a"], 1e-20),
        "dead nan": (final["a"], float("nan")),
    }[planted]
    place[1] = value
    return {c.name for c in audit.after_training(mask, final, state) if not c.passed}


def test_training_that_kept_the_dead_dead_passes_whatever_the_living_do() -> None:
    assert after() == set()


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("momentum", {"dead_weights"}),
        ("mean", {"dead_mean"}),
        ("square", {"dead_square"}),
        ("dead nan", {"dead_weights", "finite"}),
    ],
)
def test_what_lives_outside_the_mask_after_training_is_seen(planted: str, found: set[str]) -> None:
    assert after(planted) == found


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["a", "b", "kept"])
def test_weights_that_are_not_finite_are_seen_in_any_layer(name: str, value: float) -> None:
    mask, final, state = trained()
    final[name][0] = value
    assert {c.name for c in audit.after_training(mask, final, state) if not c.passed} == {"finite"}


def test_a_dense_run_must_start_from_its_seeds_initialisation_bit_for_bit() -> None:
    initial = {"a": torch.tensor([1.0, -0.0])}
    assert all(c.passed for c in audit.before_dense({"a": torch.tensor([1.0, -0.0])}, initial))
    assert not all(c.passed for c in audit.before_dense({"a": torch.tensor([1.0, 0.0])}, initial))
    assert not all(c.passed for c in audit.before_dense({"a": torch.tensor([1.0])}, initial))


def test_a_criterion_that_prunes_the_largest_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    of = made()
    monkeypatch.setattr(criteria, "magnitude", lambda weights: {n: -w.abs() for n, w in weights.items()})
    for arm in ("winning", "one_shot"):
        assert "criterion" in failed(before(of, arm, 1))


def test_an_iterative_arm_that_always_prunes_the_dense_run_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    of = made()
    assert not failed(before(of, "winning", 2))
    monkeypatch.setattr(derive, "pruned_run", lambda of, name, round: of.dense)
    assert {"criterion", "nested"} & failed(before(of, "winning", 2))
