"""Batches of sentence pairs by a budget of tokens: each pair once an epoch, hardly any padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_core.settings.texts import TranslationTask
from lth_core.tasks.translation import corpus
from lth_core.tasks.translation.batches import TokenBatches


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path_factory.mktemp("cache")))


lengths_of_pairs = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=200)


@given(lengths_of_pairs, st.integers(1, 400), st.integers(0, 3))
def test_every_epoch_has_each_pair_once_and_keeps_the_budget(
    lengths: list[tuple[int, int]], budget: int, epoch: int
) -> None:
    batches = TokenBatches(np.array(lengths), budget, 5)
    found = [batches.pairs(epoch, place) for place in range(len(batches))]
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    for batch in found:
        longest = max(max(lengths[pair]) for pair in batch)
        assert len(batch) * longest <= budget or len(batch) == 1


def test_batches_follow_from_seed_and_epoch_and_not_from_what_was_asked_before() -> None:
    lengths = np.random.default_rng(0).integers(1, 30, (500, 2))
    one, other, another = (TokenBatches(lengths, 200, seed) for seed in (1, 1, 2))
    straight = [one.pairs(epoch, place).tolist() for epoch in range(3) for place in range(len(one))]
    backwards = [other.pairs(epoch, place).tolist() for epoch in (2, 1, 0) for place in reversed(range(len(other)))]
    assert straight == backwards[::-1]
    assert straight[: len(one)] != straight[len(one) : 2 * len(one)]
    assert straight[: len(one)] != [another.pairs(0, place).tolist() for place in range(len(another))]


def test_hardly_any_token_of_a_batch_is_padding() -> None:
    found = corpus.load(TranslationTask(vocabulary=900, pairs=8_000))
    lengths = found.parts["train"].lengths() + 1
    batches = TokenBatches(lengths, 2_000, 0)
    own = [lengths[batches.pairs(0, place)] for place in range(len(batches))]
    filled = sum(float(batch.sum()) for batch in own) / sum(float((batch.max(0) * len(batch)).sum()) for batch in own)
    random = np.random.default_rng(0).permutation(len(lengths)).reshape(-1, 80)
    plain = sum(float(lengths[b].sum()) for b in random) / sum(float((lengths[b].max(0) * 80).sum()) for b in random)
    assert filled > 0.93 and filled > 1.5 * plain
