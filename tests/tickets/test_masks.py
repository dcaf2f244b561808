"""Exact-k selection, nesting, counting, packing, scopes and groups."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_core.models.mlp import Perceptron
from lth_core.settings.networks import MLP
from lth_core.settings.pruning import Pruning
from lth_core.tickets import mask as masks
from lth_core.tickets.criteria import magnitude
from lth_core.tickets.mask import keep_largest, permute_survivors, permuted
from lth_core.tickets.scope import layer_counts, prunable, prune, remaining
from tests.small import is_nested, random_weights

MODEL = Perceptron(MLP(hidden=(16, 12)), 4, 2)

# Few distinct values, so that ties and zeros are the rule.
tied_scores = st.lists(st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, 3.5, 1e-45]), min_size=1, max_size=40)


@st.composite
def selections(draw: st.DrawFn) -> tuple[list[float], list[bool], int]:
    scores = draw(tied_scores)
    alive = draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    return scores, alive, draw(st.integers(0, sum(alive)))


@given(selections())
def test_exactly_k_of_the_living_stay_and_ties_fall_to_the_earlier_position(case: tuple) -> None:
    scores, alive, k = case
    kept = keep_largest(torch.tensor(scores), torch.tensor(alive), k)
    ranked = sorted((i for i, lives in enumerate(alive) if lives), key=lambda i: (-scores[i], i))
    assert sorted(kept.nonzero().flatten().tolist()) == sorted(ranked[:k])
    assert kept.dtype == torch.bool


def test_a_tie_at_the_threshold_prunes_no_more_than_was_asked() -> None:
    kept = keep_largest(torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0, 0.5]), torch.ones(6, dtype=torch.bool), 3)
    assert kept.tolist() == [True, True, False, False, True, False]


def test_a_tie_longer_than_any_vector_unit_falls_by_position() -> None:
    kept = keep_largest(torch.zeros(5000), torch.ones(5000, dtype=torch.bool), 1234)
    assert kept.nonzero().flatten().tolist() == list(range(1234))


def test_a_dead_entry_with_a_huge_score_never_comes_back() -> None:
    alive = torch.tensor([True, False, True, True, False])
    kept = keep_largest(torch.tensor([0.1, 1e30, 0.0, 0.2, float("inf")]), alive, 3)
    assert torch.equal(kept, alive)


def test_a_score_that_is_no_number_is_refused_unless_its_entry_is_dead() -> None:
    scores = torch.tensor([float("nan"), 1.0])
    with pytest.raises(ValueError, match="not-a-number"):
        keep_largest(scores, torch.tensor([True, True]), 1)
    assert keep_largest(scores, torch.tensor([False, True]), 1).tolist() == [False, True]


@pytest.mark.parametrize("k", [-1, 3])
def test_more_than_live_or_less_than_none_cannot_be_kept(k: int) -> None:
    with pytest.raises(ValueError, match="cannot keep"):
        keep_largest(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, True]), k)


def test_a_living_weight_that_is_zero_is_alive() -> None:
    weights = {"a": torch.tensor([0.0, 0.0, -3.0, 1.0])}
    mask = {"a": torch.tensor([True, False, True, False])}
    assert masks.total(mask) == 2
    kept = prune(magnitude(weights), mask, {"a": frozenset()}, Pruning(fraction=0.5), 1)
    assert kept["a"].tolist() == [True, False, True, False]


def test_magnitude_ranks_negative_weights_as_their_size() -> None:
    weights = {"a": torch.tensor([-5.0, 1.0, -2.0, 3.0])}
    kept = prune(magnitude(weights), masks.full({"a": torch.Size([4])}), {"a": frozenset()}, Pruning(fraction=0.5), 1)
    assert kept["a"].tolist() == [True, False, False, True]
    assert weights["a"][0] == -5.0


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_twenty_rounds_nest_and_follow_the_formula_without_drift(scope: str) -> None:
    pruning = Pruning(fraction=0.2, rounds=20, scope=scope)
    groups = MODEL.groups()
    full = mask = masks.full(MODEL.shapes())
    size = masks.total(full)
    for round in range(1, 21):
        child = prune(magnitude(random_weights(MODEL, round)), mask, groups, pruning, round)
        assert is_nested(child, mask)
        if scope == "global":
            assert masks.total(child) == round_half_even(size * 0.8**round)
        else:
            assert masks.counts(child) == {n: round_half_even(m.numel() * 0.8**round) for n, m in full.items()}
        mask = child
    assert 0 < masks.total(mask) < size // 50


def round_half_even(value: float) -> int:
    return round(value)


@given(st.integers(0, 10**7), st.floats(0.01, 0.99), st.integers(1, 30))
def test_counts_never_rise_and_never_leave_what_there_is(size: int, fraction: float, round: int) -> None:
    pruning = Pruning(fraction=fraction)
    now, next = remaining(size, pruning.density(round)), remaining(size, pruning.density(round + 1))
    assert 0 <= next <= now <= size


def test_global_scope_pools_all_layers_and_layerwise_does_not() -> None:
    weights = {"large": torch.full((4,), 10.0), "small": torch.full((4,), 0.1)}
    groups = dict.fromkeys(weights, frozenset[str]())
    full = masks.full({n: w.shape for n, w in weights.items()})
    pooled = prune(magnitude(weights), full, groups, Pruning(fraction=0.5, scope="global"), 1)
    apart = prune(magnitude(weights), full, groups, Pruning(fraction=0.5, scope="layerwise"), 1)
    assert masks.counts(pooled) == {"large": 4, "small": 0}
    assert masks.counts(apart) == {"large": 2, "small": 2}


def test_global_scope_ranks_by_value_across_layers_of_the_real_network() -> None:
    weights = random_weights(MODEL, 3)
    kept = prune(magnitude(weights), masks.full(MODEL.shapes()), MODEL.groups(), Pruning(fraction=0.3), 1)
    alive = torch.cat([w.abs()[kept[n]] for n, w in weights.items()])
    dead = torch.cat([w.abs()[~kept[n]] for n, w in weights.items()])
    assert alive.min() > dead.max()


def test_a_group_with_its_own_fraction_is_pruned_at_it_and_the_gentlest_holds() -> None:
    pruning = Pruning(
        fraction=0.5, scope="layerwise", fractions={"policy_head": 0.1, "weights": 0.4, "first_layer": 0.3}
    )
    counts = layer_counts(masks.full(MODEL.shapes()), MODEL.groups(), pruning, 2)
    sizes = {n: s.numel() for n, s in MODEL.shapes().items()}
    assert counts["policy_head.weight"] == round(sizes["policy_head.weight"] * 0.9**2)
    assert counts["policy_head.bias"] == round(2 * 0.9**2)
    assert counts["value_head.weight"] == round(sizes["value_head.weight"] * 0.6**2)
    assert counts["trunk.0.weight"] == round(sizes["trunk.0.weight"] * 0.7**2)
    assert counts["trunk.1.weight"] == round(sizes["trunk.1.weight"] * 0.6**2)
    assert counts["trunk.1.bias"] == round(sizes["trunk.1.bias"] * 0.5**2)


def test_kept_groups_are_in_no_mask_and_biases_are_pruned_unless_kept() -> None:
    groups = MODEL.groups()
    assert set(prunable(groups, Pruning())) == set(MODEL.shapes())
    weights_only = prunable(groups, Pruning(keep=("biases",)))
    assert weights_only == tuple(n for n in MODEL.shapes() if n.endswith("weight"))
    assert prunable(groups, Pruning(keep=("biases", "trunk"))) == ("policy_head.weight", "value_head.weight")


shapes = st.dictionaries(
    st.sampled_from(["b", "a", "c"]), st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1
)


@given(shapes, st.integers(0, 2**32))
def test_packing_to_bits_and_back_gives_the_same_mask_in_the_same_order(sizes: dict, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask = {n: torch.rand(*shape, generator=generator) < 0.5 for n, shape in sizes.items()}
    packed = masks.pack(mask)
    entries = sum(m.numel() for m in mask.values())
    assert packed.dtype == np.uint8
    assert packed.size == -(-entries // 8)
    back = masks.unpack(packed, {n: m.shape for n, m in mask.items()})
    assert list(back) == list(mask)
    assert all(torch.equal(back[n], mask[n]) for n in mask)


def test_the_bit_layout_is_the_documented_one() -> None:
    mask = {"w": torch.tensor([[True, False], [False, True], [True, True]]), "b": torch.tensor([True, False, True])}
    # w in C order 1 0 0 1 1 1, then b 1 0 | 1: first entry in the highest bit.
    assert masks.pack(mask).tolist() == [0b10011110, 0b10000000]


def test_a_packed_mask_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 2 bytes, found 1"):
        masks.unpack(np.zeros(1, np.uint8), {"a": torch.Size([9])})


def test_applying_a_mask_turns_anything_dead_into_plus_zero_and_keeps_the_living_bits() -> None:
    weights = {
        "a": torch.tensor([float("nan"), float("inf"), -1.0, -0.0, float("nan"), 2.5]),
        "kept": torch.tensor([float("nan"), -0.0]),
    }
    mask = {"a": torch.tensor([False, False, False, True, True, True])}
    out = masks.apply(mask, weights)
    bits = out["a"].view(torch.int32)
    assert bits[:3].tolist() == [0, 0, 0]
    assert torch.equal(bits[3:], weights["a"].view(torch.int32)[3:])
    assert torch.equal(out["kept"].view(torch.int32), weights["kept"].view(torch.int32))
    out["kept"][1] = 7.0
    assert weights["kept"][1] == 0.0


def test_nesting_is_seen_entry_by_entry_and_layer_by_layer() -> None:
    parent = {"a": torch.tensor([True, False, True])}
    assert is_nested({"a": torch.tensor([True, False, False])}, parent)
    assert not is_nested({"a": torch.tensor([True, True, False])}, parent)
    assert not is_nested({"b": torch.tensor([True, False, False])}, parent)
    assert masks.distance({"a": torch.tensor([False, False, True])}, parent) == 1


@given(st.integers(0, 1000))
def test_permuting_survivors_moves_the_living_only(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights, alive = torch.randn(5, 6, generator=generator), torch.rand(5, 6, generator=generator) < 0.6
    order = torch.randperm(int(alive.sum()), generator=generator)
    moved = permute_survivors(weights, alive, order)
    assert torch.equal(moved[~alive], weights[~alive])
    assert torch.equal(moved[alive], weights[alive][order])


def test_permuting_a_mask_keeps_each_layers_count() -> None:
    mask = {"a": torch.rand(6, 7, generator=torch.Generator().manual_seed(0)) < 0.3}
    order = torch.randperm(42, generator=torch.Generator().manual_seed(1))
    moved = permuted(mask, {"a": order})
    assert masks.counts(moved) == masks.counts(mask)
    assert torch.equal(moved["a"].flatten(), mask["a"].flatten()[order])
