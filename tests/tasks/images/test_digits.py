"""Digits drawn on this machine: the same every time, each part by itself."""

import numpy as np
import pytest

from lth_core.tasks.images import digits


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "COUNTS", {"train": 1000, "test": 500})


def all_of(part: str) -> digits.Pictures:
    some = list(digits.drawn(part))
    return digits.Pictures(np.concatenate([one.images for one in some]), np.concatenate([one.labels for one in some]))


def test_a_part_is_the_same_each_time_and_parts_share_no_picture(few: None) -> None:
    first, again, test = all_of("train"), all_of("train"), all_of("test")
    assert first.images.tobytes() == again.images.tobytes() and first.labels.tobytes() == again.labels.tobytes()
    assert first.images.shape == (1000, 1, 28, 28) and first.images.dtype == np.uint8 and test.images.shape[0] == 500
    assert np.bincount(first.labels, minlength=10).min() > 60
    assert not {one.tobytes() for one in first.images} & {one.tobytes() for one in test.images}


def test_without_distortion_a_picture_is_its_glyph() -> None:
    glyphs = digits._glyphs()
    axis = (np.arange(28) - 13.5) * 64 / 28 + 31.5
    y, x = np.meshgrid(axis, axis, indexing="ij")
    seen = digits._sampled(glyphs[0], np.broadcast_to(np.stack([x, y]).astype(np.float32), (10, 2, 28, 28)))
    assert (digits._sampled(glyphs[0], np.full((10, 2, 28, 28), -50, np.float32)) == 0).all()
    for place, glyph in zip(seen, glyphs[0], strict=True):  # by hand at one place, between four pixels
        i, j = 10, 17
        (top, below), (left, right) = ((int(axis[k]), axis[k] % 1) for k in (i, j))
        four = glyph[top : top + 2, left : left + 2]
        by_hand = np.array([1 - below, below]) @ four @ np.array([1 - right, right])
        assert place[i, j] == pytest.approx(by_hand, abs=1e-5)


def test_every_face_draws_ten_different_digits_in_the_middle() -> None:
    glyphs = digits._glyphs()
    assert len({glyph.tobytes() for face in glyphs for glyph in face}) == len(digits.FACES) * 10
    ink = glyphs.sum((2, 3))
    assert ink.min() > 100
    for axis in (2, 3):
        middle = (glyphs.sum(5 - axis) * np.arange(64)).sum(2) / ink
        assert np.abs(middle - 31.5).max() < 9
