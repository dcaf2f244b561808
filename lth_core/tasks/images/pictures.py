"""The pictures of a task: parts mapped into memory, converted once from their source, shared by all workers."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.errors import InputError
from lth_core.long_work import telling
from lth_core.randomness import stream
from lth_core.settings.base import Contents
from lth_core.settings.images import ImagesTask
from lth_core.tasks import contents
from lth_core.tasks.images import digits
from lth_core.tasks.images.forms import Bytes, Labels, Some, form_of
from lth_core.tasks.images.real import check_package, real_digits, rows
from lth_core.tasks.text import cache, hub
from lth_core.text import one_line

FORMAT = 1
"""Increased whenever the same source would give other files."""
_CHUNK = 4096


@dataclass(frozen=True)
class Part:
    """Pictures of one part: rows (n,) of all that its file holds, (N, channels, height, width), and labels (n,)."""

    images: Bytes
    rows: npt.NDArray[np.int64]
    labels: Labels

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Pictures:
    """The parts train, valid and test; mean and deviation of each channel of train, in [0, 1]."""

    parts: dict[str, Part]
    shape: tuple[int, int, int]
    classes: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    digest: str

    @property
    def majority(self) -> float:
        """The share of test that the most frequent class of train is: what knowing nothing of a picture is worth."""
        most = np.bincount(self.parts["train"].labels, minlength=self.classes).argmax()
        return float((self.parts["test"].labels == most).mean())

    @property
    def summary(self) -> str:
        """Sizes and a hash in one line, for an experiment's records."""
        sizes = ", ".join(f"{part} {len(found):,}" for part, found in self.parts.items())
        channels, height, width = self.shape
        return f"{sizes} pictures of {channels} x {height} x {width} in {self.classes} classes; {self.digest[:16]}"


def check(task: ImagesTask) -> None:
    """Raise InputError if the source is unusable. Reads the beginning of its files, unless they are in the cache."""
    if cache.has("images", _name(task, _facts(task))):
        return
    if task.folder is not None:
        form_of(task.folder).check()
    elif task.source == "digits-8x8":
        check_package()
    elif task.source != "digits":
        hub.check(task.source)


def load(task: ImagesTask) -> Pictures:
    """The task's pictures, converted now if they are not in the cache. Raises InputError if they cannot be."""
    facts = _facts(task)
    contents.compare(task, facts["contents"])
    return _opened(task, cache.folder() / "images" / _name(task, facts), facts["contents"])


@lru_cache(maxsize=8)
def _opened(task: ImagesTask, at: Path, read: Contents) -> Pictures:
    """Once in a process: the checksums of all pictures take longer than a short training's updates."""
    folder, card = cache.prepared("images", at.name, lambda into: _convert(task, into, read))
    shape = tuple(card["shape"])
    parts = {}
    for part, file in (("train", "train"), ("valid", "train"), ("test", "test")):
        images = np.memmap(folder / f"{file}.images", np.uint8, "r").view(np.ndarray).reshape(-1, *shape)
        labels = np.fromfile(folder / f"{file}.labels", np.int64)
        own = np.arange(len(labels)) if part == "test" else _split(len(labels), task.validation)[part == "valid"]
        parts[part] = Part(images, own, labels[own])
    return Pictures(
        parts, shape, card["classes"], tuple(card["mean"]), tuple(card["deviation"]), cache.key(card["files"])
    )


def _facts(task: ImagesTask) -> dict[str, Any]:
    """All facts that determine the files."""
    facts: dict[str, Any] = {
        "format": FORMAT, "source": asdict(hub.data_set(task.source)), "validation": task.validation,
        "contents": contents.of_task(task),
    }  # fmt: skip
    if task.source == "digits":
        facts["drawing"] = [digits.FORMAT, digits.versions()]
    return facts


def _name(task: ImagesTask, facts: dict[str, Any]) -> str:
    return cache.name_for("images", facts, hub.revision(task.source))


def _split(count: int, share: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which pictures are trained on and which are for validation, the same for all seeds."""
    order = stream(0, "validation").permutation(count)
    valid = max(1, round(count * share))
    return np.sort(order[valid:]), np.sort(order[:valid])


def _source(task: ImagesTask, part: str) -> Iterator[Some]:
    if task.source == "digits":
        return ((some.images, some.labels.astype(np.int64)) for some in digits.drawn(part))
    if task.source == "digits-8x8":
        return real_digits(part)
    if task.folder is not None:
        return form_of(task.folder).read(part)
    return rows(task.source, part)


def _convert(task: ImagesTask, into: Path, read: Contents) -> dict[str, Any]:
    shapes, classes = set(), 0
    for part in ("train", "test"):
        labels: list[Labels] = []
        with (into / f"{part}.images").open("wb") as file:
            for images, own in telling(_source(task, part), f"reading the pictures of {part}"):
                shapes.add(images.shape[1:])
                labels.append(own)
                file.write(np.ascontiguousarray(images).tobytes())
        every = np.concatenate(labels) if labels else np.zeros(0, np.int64)
        (into / f"{part}.labels").write_bytes(every.tobytes())
        if len(every) < 2 or len(shapes) > 1:
            raise InputError(f"{_shown(task)}: {_wrong(part, len(every), shapes)}")
        classes = max(classes, int(every.max()) + 1)
    contents.check_unchanged(task, read)
    (shape,) = shapes
    if classes < 2:
        raise InputError(f"{_shown(task)}: all pictures are of one class: expected at least two")
    mean, deviation = _statistics(into / "train.images", shape, task.validation)
    return {
        "shape": shape, "classes": classes, "mean": mean, "deviation": deviation, "revision": hub.revision(task.source),
    }  # fmt: skip


def _shown(task: ImagesTask) -> str:
    field = "source" if task.folder is None else "folder"
    return f"task.{field} = {json.dumps(one_line(getattr(task, field)))}"


def _wrong(part: str, count: int, shapes: set[tuple[int, ...]]) -> str:
    if count < 2:
        return f"its part {part} holds {count} pictures"
    return (
        "pictures of " + " and ".join(" x ".join(map(str, shape)) for shape in sorted(shapes)) + ": expected one size"
    )


def _statistics(file: Path, shape: tuple[int, ...], share: float) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel over what is trained on, of bytes scaled to [0, 1]."""
    images = np.memmap(file, np.uint8, "r").reshape(-1, *shape)
    own, _ = _split(len(images), share)
    sums = np.zeros((2, shape[0]))
    for first in range(0, len(own), _CHUNK):
        some = images[own[first : first + _CHUNK]].astype(np.float64) / 255
        sums += [some.sum((0, 2, 3)), (some**2).sum((0, 2, 3))]
    mean, square = sums / (len(own) * shape[1] * shape[2])
    # A channel that is the same everywhere stays as it is.
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return mean.tolist(), np.where(deviation < 1e-6, 1, deviation).tolist()
