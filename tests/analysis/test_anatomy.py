"""Overlap, paths, signs and distances on small cases worked by hand, and against scipy."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_core.analysis import anatomy
from lth_core.analysis.anatomy import (
    Effective,
    distance,
    inputs_kept,
    overlap,
    pixels_seen,
    sign_agreement,
)  # fmt: skip
from lth_core.analysis.network_graphs import graph_of
from lth_core.bits import unpack

SHAPES = {
    "trunk.0.weight": (3, 2), "trunk.0.bias": (3,), "trunk.1.weight": (2, 3), "trunk.1.bias": (2,),
    "policy_head.weight": (2, 2), "value_head.weight": (1, 2), "policy_head.bias": (2,), "value_head.bias": (1,),
}  # fmt: skip


def effective(mask: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]) -> Effective:
    graph = graph_of("mlp", shapes)
    assert graph is not None
    return anatomy.effective(mask, shapes, graph)[0]


def full() -> dict[str, np.ndarray]:
    return {name: np.ones(shape, bool) for name, shape in SHAPES.items()}


def bits(*values: int) -> np.ndarray:
    return np.array(values, bool)


def test_the_overlap_of_two_masks_by_hand() -> None:
    found = overlap({"w": bits(1, 1, 0, 0)}, {"w": bits(1, 0, 1, 0)})
    assert found.jaccard == pytest.approx(1 / 3)
    assert found.chance == pytest.approx(1 / 3)  # one of four shared is what chance gives
    assert found.z == pytest.approx(0)
    same = overlap({"w": bits(1, 1, 0, 0)}, {"w": bits(1, 1, 0, 0)})
    assert same.jaccard == 1 and same.z > 1.5


@pytest.mark.filterwarnings("ignore:divide by zero")  # scipy, in moments that are not asked for
@given(st.integers(0, 12), st.integers(0, 12))
def test_chance_is_the_mean_and_spread_of_the_hypergeometric_distribution(a: int, b: int) -> None:
    rng = np.random.default_rng(a * 13 + b)
    one, other = (rng.permutation(np.arange(12) < k) for k in (a, b))
    found = overlap({"w": one}, {"w": other})
    law = scipy.stats.hypergeom(12, a, b)
    if a + b:
        assert found.chance == pytest.approx(law.mean() / (a + b - law.mean()) if a + b > law.mean() else 1.0)
    if law.std() > 0:
        assert found.z == pytest.approx(((one & other).sum() - law.mean()) / law.std())


def test_layers_are_drawn_each_by_itself() -> None:
    # All of the small layer lives in both: that is no coincidence of masks but of layer densities.
    one = {"small": np.ones(10, bool), "large": np.arange(100) < 10}
    other = {"small": np.ones(10, bool), "large": np.arange(100) >= 90}
    found = overlap(one, other)
    assert found.chance == pytest.approx(11 / (40 - 11))
    assert found.z < 0


def test_everything_is_effective_in_a_whole_network() -> None:
    found = effective(full(), SHAPES)
    size = sum(int(np.prod(shape)) for shape in SHAPES.values())
    assert (found.living, found.effective, found.units, found.dead_units) == (size, size, 5, 0)


def test_what_leads_nowhere_or_comes_from_nowhere_is_not_effective() -> None:
    mask = full()
    mask["trunk.1.weight"][:, 0] = False  # unit 0 of the first layer leads nowhere: 2 weights and its bias are lost
    mask["trunk.1.weight"][1, :] = False  # unit 1 of the second layer sees no input: 2 + 1 weights into the heads
    found = effective(mask, SHAPES)
    assert found.living - found.effective == 2 + 1 + 3
    assert found.dead_units == 2


def test_an_output_layer_that_is_gone_leaves_only_the_heads_biases() -> None:
    mask = full()
    mask["policy_head.weight"][:] = False
    mask["value_head.weight"][:] = False
    found = effective(mask, SHAPES)
    assert found.effective == 3 and found.dead_units == 5


def test_layers_that_are_not_pruned_live_and_are_not_counted() -> None:
    mask = {name: m for name, m in full().items() if "head" not in name}
    found = effective(mask, SHAPES)
    assert found.effective == found.living == 17


def test_networks_of_transformers_are_not_judged() -> None:
    for kind in ("causal", "pretrained_seq2seq"):
        assert graph_of(kind, SHAPES) is None
    assert graph_of("seq2seq", {"model.shared.weight": (4, 2)}) is None


def test_signs_and_distances_by_hand() -> None:
    mask = {"w": bits(1, 1, 1, 1, 0)}
    one = {"w": np.array([1, -2, 3, 0, 9], np.float32)}
    other = {"w": np.array([2, 2, 4, 5, -9], np.float32)}
    assert sign_agreement(mask, one, other) == pytest.approx(2 / 3)  # the zero and the dead entry are left out
    assert distance(mask, one, other) == pytest.approx(np.sqrt(1 + 16 + 1 + 25) / np.sqrt(4 + 4 + 16 + 25))
    assert distance(mask, other, other) == 0


def test_which_inputs_are_still_looked_at() -> None:
    mask = full()
    mask["trunk.0.weight"][:] = [[True, False], [True, False], [False, True]]
    kept = inputs_kept(mask, SHAPES)
    assert kept is not None and kept.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert inputs_kept({}, SHAPES) is None


def test_which_words_are_still_looked_at() -> None:
    mask = {"embedding.weight": np.array([[True, True], [False, True], [False, False]])}
    kept = inputs_kept(mask, {"embedding.weight": (3, 2)})
    assert kept is not None and kept.tolist() == [1.0, 0.5, 0.0]
    assert inputs_kept({"embedding": mask["embedding.weight"]}, {"embedding": (3, 2)}).tolist() == [1.0, 0.5, 0.0]  # type: ignore[union-attr]


def test_pixels_by_hand() -> None:
    # A kernel of 2 x 2 with stride 2 meets each pixel of 4 x 4 once; with stride 1 the inner ones four times.
    kernel = np.array([[1.0, 0.0], [0.0, 0.5]])
    once = pixels_seen(kernel, (4, 4), 2, 0)
    assert once.tolist() == np.tile(kernel, (2, 2)).tolist()
    often = pixels_seen(kernel, (3, 3), 1, 0)
    assert often[0].tolist() == [1.0, 0.5, 0.0] and often[1, 1] == pytest.approx(1.5 / 4) and often[2, 2] == 0.5
    # Padding adds places at which the border is met; a pixel that no place of the kernel meets is seen by nothing.
    assert pixels_seen(np.ones((3, 3)), (2, 2), 1, 1).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert pixels_seen(np.ones((2, 2)), (3, 3), 2, 0).tolist() == [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_signs_distances_and_overlap_of_layers_of_any_shape_count_entry_by_entry() -> None:
    rng = np.random.default_rng(0)
    shapes = {"convolution.0.weight": (4, 2, 3, 3), "recurrent.0.weight_ih_l0": (8, 3), "norm.weight": (5,)}
    mask, other = ({n: rng.random(s) < 0.5 for n, s in shapes.items()} for _ in range(2))
    one, two = ({n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()} for _ in range(2))
    flat = np.concatenate([m.ravel() for m in mask.values()])
    a, b = (np.concatenate([w.ravel() for w in weights.values()])[flat] for weights in (one, two))
    assert sign_agreement(mask, one, two) == pytest.approx(np.mean(np.sign(a) == np.sign(b)))
    assert distance(mask, one, two) == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(b))
    both = flat & np.concatenate([m.ravel() for m in other.values()])
    either = flat | np.concatenate([m.ravel() for m in other.values()])
    assert overlap(mask, other).jaccard == pytest.approx(both.sum() / either.sum())


def test_stored_bits_are_read_as_the_tickets_side_packs_them() -> None:
    import torch

    from lth_core.tickets import mask as masks

    mask = {name: torch.rand(shape) < 0.5 for name, shape in SHAPES.items()}
    found = unpack(masks.pack(mask), SHAPES)
    assert all((found[name] == m.numpy()).all() for name, m in mask.items())
    with pytest.raises(ValueError, match="bytes"):
        unpack(masks.pack(mask)[:-1], SHAPES)
