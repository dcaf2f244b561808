"""Every arm's mask and start weights, on a family of invented training results."""

import itertools
from dataclasses import replace

import pytest
import torch

from lth_core.experiment.arms import DENSE
from lth_core.experiment.plan import TrialKey
from lth_core.randomness import stream_seed
from lth_core.tickets import derive as derivation
from lth_core.tickets import mask as masks
from lth_core.tickets.derive import Family, Ticket, derive, derive_mask, derive_parent
from lth_core.tickets.mask import Mask, Weights
from tests.small import SHARED, experiment, family, is_nested

ROUNDS = 3
ARMS = [arm for arm in SHARED if arm not in ("winning_init", "one_shot_init", "lr_rewind")]
LATE_ARMS = SHARED

cases = pytest.mark.parametrize(("scope", "late"), list(itertools.product(["global", "layerwise"], [0, 100])))


def made(scope: str, late: int, seed: int = 0, salt: int = 0, **more: object) -> Family:
    settings = experiment(
        pruning={"scope": scope, "rounds": ROUNDS, "fraction": 0.3},
        rewinding={"weights": late},
        arms=LATE_ARMS if late else ARMS,
        training={"learning_rate_schedule": "linear"},
        model={"hidden": [16, 12]},
        **more,
    )
    return family(settings, seed, salt)


def ticket(of: Family, arm: str, round: int) -> Ticket:
    return derive(of, TrialKey(round, arm, of.seed))


def by_hand(ranked: Weights, alive: Mask, scope: str, round: int) -> Mask:
    """The largest magnitudes among the living, without the code under test: by a threshold, no ties here."""
    density = 0.7**round
    kept = {}
    if scope == "layerwise":
        for name, w in ranked.items():
            k = round_(w.numel() * density)
            living = w.abs()[alive[name]].sort(descending=True).values
            kept[name] = alive[name] & (w.abs() >= living[k - 1]) if k else torch.zeros_like(alive[name])
        return kept
    k = round_(sum(w.numel() for w in ranked.values()) * density)
    living = torch.cat([w.abs()[alive[n]] for n, w in ranked.items()]).sort(descending=True).values
    return {n: alive[n] & (w.abs() >= living[k - 1]) for n, w in ranked.items()}


def round_(value: float) -> int:
    return round(value)


def equal(a: Weights | Mask, b: Weights | Mask) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def starts_from(one: Ticket, source: Weights) -> bool:
    """Start is mask x source, dead entries exactly zero."""
    return all(
        torch.equal(one.start[n], source[n] * one.mask[n].float() if n in one.mask else source[n]) for n in source
    )


@cases
def test_the_winning_ticket_keeps_the_largest_of_its_own_previous_round_and_is_reset_to_the_dense_run(
    scope: str, late: int
) -> None:
    of = made(scope, late)
    assert of.dense.rewind is not None
    for round in range(1, ROUNDS + 1):
        parent = of.dense if round == 1 else of.trained[("winning", round - 1)]
        one = ticket(of, "winning", round)
        assert equal(one.mask, by_hand(parent.ranked, parent.mask, scope, round))
        assert is_nested(one.mask, parent.mask)
        assert equal(one.parent, parent.mask)
        assert starts_from(one, of.dense.rewind)


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_init_arms_start_from_the_initialisation_even_with_a_later_rewind_point(scope: str) -> None:
    of = made(scope, 100)
    assert of.dense.init is not None
    for round, arm in itertools.product(range(1, ROUNDS + 1), ("winning_init", "one_shot_init")):
        assert starts_from(ticket(of, arm, round), of.dense.init)
        assert not starts_from(ticket(of, "winning", round), of.dense.init)


@cases
def test_one_shot_prunes_the_dense_run_once_and_differs_from_the_ticket_after_round_one(scope: str, late: int) -> None:
    of = made(scope, late)
    everything = of.everything()
    for round in range(1, ROUNDS + 1):
        one, winning = ticket(of, "one_shot", round), ticket(of, "winning", round)
        assert equal(one.mask, by_hand(of.dense.ranked, everything, scope, round))
        assert starts_from(one, of.dense.rewind or {})
        assert equal(one.mask, winning.mask) == (round == 1)
        assert is_nested(one.mask, one.parent)


@cases
def test_random_masks_have_the_tickets_counts_and_fresh_weights(scope: str, late: int) -> None:
    of = made(scope, late)
    for round in range(1, ROUNDS + 1):
        winning, random = ticket(of, "winning", round), ticket(of, "random", round)
        overall = ticket(of, "random_global", round)
        assert masks.counts(random.mask) == masks.counts(winning.mask)
        assert masks.total(overall.mask) == masks.total(winning.mask)
        assert masks.counts(overall.mask) != masks.counts(winning.mask)
        assert masks.distance(random.mask, winning.mask) > 20
        for arm, one in (("random", random), ("random_global", overall)):
            assert starts_from(one, of.initialise(stream_seed(of.seed, "fresh", arm, round)))
            # open_lth: a control built from already masked weights starts with too few non-zeros.
            assert all(bool((one.start[n][m] != 0).all()) for n, m in one.mask.items())
            assert all(bool((one.source[n] != 0).all()) for n in one.mask)
        for source in (of.dense.init, of.dense.rewind, of.dense.final):
            assert source is not None
            assert not torch.isclose(random.source["trunk.0.weight"], source["trunk.0.weight"]).any()


@cases
@pytest.mark.parametrize("arm", ["random", "random_global", "shuffled_mask", "one_shot", "reinit", "shuffled_weights"])
def test_masks_of_one_arm_nest_over_rounds(scope: str, late: int, arm: str) -> None:
    of = made(scope, late)
    for round in range(1, ROUNDS + 1):
        one = ticket(of, arm, round)
        expected = of.everything() if round == 1 else ticket(of, arm, round - 1).mask
        assert equal(one.parent, expected)
        assert is_nested(one.mask, expected)
        assert masks.total(one.mask) < masks.total(expected)


@cases
def test_random_and_shuffled_masks_differ_across_seeds_and_arms(scope: str, late: int) -> None:
    drawn = {
        (arm, seed): derive_mask(made(scope, late, seed), arm, 2)
        for arm in ("random", "random_global", "shuffled_mask")
        for seed in (0, 1, 2)
    }
    for a, b in itertools.combinations(drawn, 2):
        assert masks.distance(drawn[a], drawn[b]) > 20, (a, b)


@cases
def test_random_masks_do_not_look_at_the_weights(scope: str, late: int) -> None:
    a, b = made(scope, late), made("layerwise", late, salt=5)
    if scope == "layerwise":
        assert equal(derive_mask(a, "random", 2), derive_mask(b, "random", 2))
        assert not equal(derive_mask(a, "winning", 2), derive_mask(b, "winning", 2))


@cases
def test_a_shuffled_mask_keeps_each_layers_count_and_changes_the_mask(scope: str, late: int) -> None:
    of = made(scope, late)
    for round in range(1, ROUNDS + 1):
        one, winning = ticket(of, "shuffled_mask", round), ticket(of, "winning", round)
        assert masks.counts(one.mask) == masks.counts(winning.mask)
        assert masks.distance(one.mask, winning.mask) > 20
        assert starts_from(one, of.dense.rewind or {})


@cases
def test_shuffled_weights_are_the_survivors_of_each_layer_in_another_order(scope: str, late: int) -> None:
    of = made(scope, late)
    for round in range(1, ROUNDS + 1):
        one, winning = ticket(of, "shuffled_weights", round), ticket(of, "winning", round)
        assert equal(one.mask, winning.mask)
        moved = 0
        for name, m in one.mask.items():
            assert torch.equal(one.start[name][m].sort().values, winning.start[name][m].sort().values)
            assert bool((one.start[name][~m] == 0).all())
            moved += int((one.start[name] != winning.start[name]).sum())
        assert moved > 20


@cases
def test_reinit_has_the_tickets_mask_and_weights_of_its_own(scope: str, late: int) -> None:
    of = made(scope, late)
    drawn = []
    for round in range(1, ROUNDS + 1):
        one = ticket(of, "reinit", round)
        assert equal(one.mask, ticket(of, "winning", round).mask)
        assert starts_from(one, of.initialise(stream_seed(of.seed, "fresh", "reinit", round)))
        drawn.append(one.source["trunk.0.weight"])
    drawn.append(ticket(of, "random", 1).source["trunk.0.weight"])
    for a, b in itertools.combinations(drawn, 2):
        assert not torch.isclose(a, b).any()


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("arm", ["finetune", "lr_rewind"])
def test_finetuning_arms_go_on_from_their_own_trained_weights(scope: str, arm: str) -> None:
    of = made(scope, 100)
    for round in range(1, ROUNDS + 1):
        parent = of.dense if round == 1 else of.trained[(arm, round - 1)]
        one = ticket(of, arm, round)
        assert starts_from(one, parent.final)
        assert equal(one.mask, by_hand(parent.ranked, parent.mask, scope, round))


@cases
def test_derivation_is_the_same_again_and_in_any_order(scope: str, late: int) -> None:
    arms = LATE_ARMS if late else ARMS
    keys = list(itertools.product(arms, range(1, ROUNDS + 1)))
    forwards, backwards = made(scope, late), made(scope, late)
    first = {key: ticket(forwards, *key) for key in keys}
    second = {key: ticket(backwards, *key) for key in reversed(keys)}
    for key in keys:
        for part in ("mask", "start", "source", "parent"):
            assert equal(getattr(first[key], part), getattr(second[key], part)), (key, part)


@cases
def test_derivation_leaves_the_familys_tensors_as_they_were(scope: str, late: int) -> None:
    of, untouched = made(scope, late), made(scope, late)
    for arm, round in itertools.product(LATE_ARMS if late else ARMS, range(1, ROUNDS + 1)):
        one = ticket(of, arm, round)
        for tensors in (one.start, one.mask):
            for t in tensors.values():
                t.zero_()
    # Masks of a chain are handed on as they are, weights never.
    for key, trained in untouched.trained.items():
        assert equal(of.trained[key].final, trained.final)
    assert of.dense.init is not None
    assert equal(of.dense.init, untouched.dense.init or {})
    assert equal(of.dense.rewind or {}, untouched.dense.rewind or {})


def test_kept_groups_start_whole_and_stand_in_no_mask() -> None:
    of = family(experiment(pruning={"keep": ["biases"], "rounds": 2}, arms=["winning", "random"]))
    one = ticket(of, "winning", 2)
    assert set(one.mask) == {n for n in of.groups if n.endswith("weight")}
    assert of.dense.rewind is not None
    assert all(torch.equal(one.start[n], of.dense.rewind[n]) for n in of.groups if n.endswith("bias"))


def test_an_arm_of_the_users_own_borrows_from_the_arm_it_names() -> None:
    settings = experiment(
        pruning={"rounds": ROUNDS, "fraction": 0.3},
        arms=["winning", "one_shot", "shot_again"],
        arm={"shot_again": {"mask": "ticket", "weights": "fresh", "of": "one_shot"}},
        model={"hidden": [16, 12]},
    )
    of = family(settings)
    one, other = ticket(of, "shot_again", 2), ticket(of, "one_shot", 2)
    assert equal(one.mask, other.mask)
    assert not equal(one.mask, ticket(of, "winning", 2).mask)
    assert equal(one.parent, ticket(of, "one_shot", 1).mask)
    assert starts_from(one, of.initialise(stream_seed(0, "fresh", "shot_again", 2)))


def test_a_one_shot_arm_with_final_weights_starts_from_the_trained_dense_network() -> None:
    settings = experiment(
        arms=["shot"], arm={"shot": {"mask": "one_shot", "weights": "final", "schedule": "end"}}, pruning={"rounds": 2}
    )
    of = family(settings)
    assert starts_from(ticket(of, "shot", 2), of.dense.final)


def test_ranking_uses_the_weights_at_prune_from_and_not_the_final_ones() -> None:
    of = made("global", 0)
    dense = of.dense
    other = {n: w.flip(0) for n, w in dense.final.items()}
    swapped = Family(
        of.experiment, of.seed, of.groups,
        {**of.trained, (DENSE, 0): type(dense)(dense.mask, dense.final, other, dense.init, dense.rewind)},
        of.initialise,
    )  # fmt: skip
    assert equal(derive_mask(swapped, "winning", 1), by_hand(other, of.everything(), "global", 1))


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_dead_weights_that_came_back_to_life_are_not_ranked(scope: str) -> None:
    of = made(scope, 0)
    parent = of.trained[("winning", 1)]
    revived = {n: torch.where(parent.mask[n], w, torch.full_like(w, 1e9)) for n, w in parent.ranked.items()}
    trained = {**of.trained, ("winning", 1): type(parent)(parent.mask, revived, revived)}
    poisoned = Family(of.experiment, of.seed, of.groups, trained, of.initialise)
    assert equal(derive_mask(poisoned, "winning", 2), derive_mask(of, "winning", 2))


def test_a_dense_run_without_stored_weights_cannot_be_rewound_to() -> None:
    of = made("global", 0)
    dense = of.dense
    bare = Family(
        of.experiment, 0, of.groups,
        {(DENSE, 0): type(dense)(dense.mask, dense.final, dense.ranked, None, None)}, of.initialise,
    )  # fmt: skip
    with pytest.raises(ValueError, match="no stored weights"):
        derive(bare, TrialKey(1, "winning", 0))
    assert derive_parent(bare, "winning", 1).keys() == of.everything().keys()


def test_trained_weights_start_behind_the_statistics_that_they_were_trained_behind() -> None:
    of = family(experiment(arms=["winning", "finetune", "shuffled_weights", "reinit"], rewinding={"weights": 100}))
    early, late, own = ({"mean": torch.tensor([float(k)])} for k in range(3))
    trained = {
        **of.trained,
        (DENSE, 0): replace(of.dense, statistics=late, rewind_statistics=early),
        ("finetune", 1): replace(of.dense, statistics=own),
    }
    of = replace(of, trained=trained)
    found = {
        (arm, k): derivation.statistics(of, TrialKey(k, arm, of.seed)) for arm in of.experiment.arms for k in (1, 2)
    }
    assert found["winning", 1] is found["winning", 2] is found["shuffled_weights", 2] is early
    assert found["finetune", 1] is late and found["finetune", 2] is own
    assert found["reinit", 1] is None
