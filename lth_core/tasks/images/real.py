"""Pictures of packages: scikit-learn's real digits, and data sets of the Hugging Face hub."""

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lth_core.errors import InputError
from lth_core.randomness import stream
from lth_core.tasks.images.forms import TOGETHER, Some
from lth_core.tasks.text import hub
from lth_core.text import one_line

_TEST = 360
"""Of the 1,797 digits, a fifth."""


def check_package() -> None:
    """Raise InputError if scikit-learn is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise InputError(
            'task.source = "digits-8x8" needs the package scikit-learn: install the extra '
            '(pip install "lth-workbench[images]"), or take task.source = "digits"'
        )


def real_digits(part: str) -> Iterator[Some]:
    """Digits of 8x8 that people wrote, sixteen greys, split once and for all."""
    check_package()
    from sklearn.datasets import load_digits

    found = load_digits()
    order = stream(0, "digits-8x8").permutation(len(found.target))
    own = order[:_TEST] if part == "test" else order[_TEST:]
    images = np.round(found.images[own] * (255 / 16)).astype(np.uint8)
    yield images[:, None], found.target[own].astype(np.int64)


def rows(source: str, part: str) -> Iterator[Some]:
    """The pictures of a data set on the hub: its first column of images, and its classes."""
    images, labels = [], []
    names: tuple[str, str] | None = None
    for row in hub.rows(source, part):
        names = names or _columns(source, row)
        pixels = np.asarray(row[names[0]].convert("L" if row[names[0]].mode in ("L", "1") else "RGB"))
        images.append(np.atleast_3d(pixels).transpose(2, 0, 1))
        labels.append(int(row[names[1]]))
        if len(images) == TOGETHER:
            yield _stacked(source, images), np.array(labels, np.int64)
            images, labels = [], []
    if images:
        yield _stacked(source, images), np.array(labels, np.int64)


def _stacked(source: str, images: list[Any]) -> Any:
    if len({image.shape for image in images}) > 1:
        raise InputError(f'task.source = "{one_line(source)}": its pictures have several sizes: expected one size')
    return np.stack(images)


def _columns(source: str, row: Mapping[str, Any]) -> tuple[str, str]:
    """The names of the columns with pictures and classes; the finer classes where there are two kinds."""
    image = next((name for name, value in row.items() if hasattr(value, "convert")), None)
    label = next((name for name in ("fine_label", "label", "labels") if name in row), None)
    if image is None or label is None:
        raise InputError(
            f'task.source = "{one_line(source)}": expected a column of images and a column label, fine_label or labels'
            f": found {sorted(row)}"
        )
    return image, label
