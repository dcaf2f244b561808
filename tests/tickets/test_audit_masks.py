"""The audit of masks gives no false alarm: sizes of all scopes, overlaps of masks that are drawn independently."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lth_core.settings.pruning import Pruning
from lth_core.tickets import audit_masks, scope
from lth_core.tickets import mask as masks
from lth_core.tickets.audit_masks import Drawn

SHAPES = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=3), min_size=1, max_size=5)
LAYERS = st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5)


@given(SHAPES, st.sampled_from(["global", "layerwise", "erk"]), st.floats(0.01, 0.99), st.integers(1, 30))
@settings(max_examples=80, deadline=None)
def test_exactly_the_sizes_that_are_pruned_to_are_expected(
    shapes: list[list[int]], name: str, fraction: float, round: int
) -> None:
    own = {f"layer {i}": torch.Size(shape) for i, shape in enumerate(shapes)}
    groups = {n: frozenset({"first"} if n == "layer 0" else {"rest"}) for n in own}
    fractions = {"first": fraction / 2} if name == "layerwise" else {}
    pruning = Pruning.model_validate({"scope": name, "fraction": fraction, "fractions": fractions})
    full = masks.full(own)
    scores = {n: torch.rand(shape) for n, shape in own.items()}
    mask = scope.prune(scores, full, groups, pruning, round)
    check = audit_masks.density(own, groups, pruning, round, mask)
    assert check.passed, check
    more = scope.keep_overall(scores, full, min(masks.size(full), masks.total(mask) + 1))
    if masks.total(more) != masks.total(mask):
        assert not audit_masks.density(own, groups, pruning, round, more).passed


@given(LAYERS, st.booleans(), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_masks_that_are_drawn_independently_pass(
    layers: list[tuple[int, float, float]], one_pooled: bool, fixed: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)

    def drawn(which: int, pooled: bool) -> Drawn:
        kept = [round(share[which] * n) for n, *share in layers]
        entries = [rng.permutation(n) < k for (n, *_), k in zip(layers, kept, strict=True)]
        if pooled:
            size = sum(n for n, *_ in layers)
            entries = np.split(rng.permutation(size) < sum(kept), np.cumsum([n for n, *_ in layers])[:-1])
        return Drawn.of("other", {str(i): torch.from_numpy(one) for i, one in enumerate(entries)}, pooled)

    first = drawn(0, one_pooled)
    if fixed:  # any mask at all that is not drawn, against one over the pooled layers
        order = [np.arange(n) < round(a * n) for n, a, _ in layers]
        first = Drawn.of("other", {str(i): torch.from_numpy(one) for i, one in enumerate(order)}, True)
        one_pooled = True
    assert audit_masks.independent(drawn(1, one_pooled), [first]).passed


def test_the_same_mask_twice_and_a_mask_that_avoids_another_are_not_independent() -> None:
    mask = {"layer": torch.from_numpy(np.random.default_rng(0).random(400) < 0.5)}
    own = Drawn.of("own", mask, False)
    for other in (mask, {"layer": ~mask["layer"]}):
        check = audit_masks.independent(own, [Drawn.of("random seed 1", other, False)])
        assert not check.passed
        assert "entries that random seed 1 keeps too" in check.detail
