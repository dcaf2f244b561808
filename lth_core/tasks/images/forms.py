"""The forms in which people have pictures on disk, each read a few at a time."""

import gzip
import math
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.errors import InputError
from lth_core.text import one_line

Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Some = tuple[Bytes, Labels]
"""Pictures (n, channels, height, width) and their classes (n,)."""
TOGETHER = 1000
"""Pictures read at once."""
EXPECTED = (
    "expected a folder with MNIST's idx files (train-images-idx3-ubyte, ...), CIFAR's binary batches (data_batch_1.bin "
    "or train.bin, ...), train/CLASS/*.png and test/CLASS/*.png, or a .npz file with x_train, y_train, x_test, y_test"
)


class Form(ABC):
    """The pictures of a folder or file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is, in a word or two."""

    @abstractmethod
    def files(self) -> Sequence[Path]:
        """All files that are read."""

    @abstractmethod
    def read(self, part: str) -> Iterator[Some]:
        """The pictures of "train" or "test". Raises InputError where a file is not what it should be."""

    def check(self) -> None:
        """Raise InputError if the beginning of a part cannot be read."""
        for part in ("train", "test"):
            if next(self.read(part), None) is None:
                raise InputError(f"task.folder = {one_line(self.path)}: no pictures for {part}")

    def wrong(self, path: Path, why: str) -> InputError:
        """The error for one of its files."""
        return InputError(f"task.folder: {one_line(path)}: {why}")


class Idx(Form):
    """MNIST's files, plain or .gz; also of Fashion-MNIST, KMNIST, EMNIST under the same names."""

    name = "idx files"

    def files(self) -> list[Path]:
        """See Form."""
        return [self._found(part, kind) for part in ("train", "test") for kind in ("images", "labels")]

    def _found(self, part: str, kind: str) -> Path:
        found = idx_file(self.path, part, kind)
        if found is None:
            word = _IDX[part] + f"-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
            raise InputError(f"task.folder = {one_line(self.path)}: {word} is missing, plain or .gz")
        return found

    def read(self, part: str) -> Iterator[Some]:
        """See Form."""
        images, labels = (self._array(self._found(part, kind), axes) for kind, axes in (("images", 3), ("labels", 1)))
        if len(images) != len(labels):
            raise self.wrong(self._found(part, "labels"), f"{len(labels):,} labels for {len(images):,} pictures")
        for first in range(0, len(images), TOGETHER):
            own = slice(first, first + TOGETHER)
            yield images[own, None], labels[own].astype(np.int64)

    def _array(self, path: Path, axes: int) -> Bytes:
        content = _read(path)
        if content[:4] != bytes([0, 0, 8, axes]) or len(content) < 4 + 4 * axes:
            raise self.wrong(path, f"expected an idx file of bytes with {axes} axes")
        sizes = np.frombuffer(content[4 : 4 + 4 * axes], ">u4").astype(object)
        if math.prod(sizes) != len(content) - 4 - 4 * axes:
            raise self.wrong(
                path, f"its header says {' x '.join(map(str, sizes))}, and {len(content):,} bytes are there"
            )
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(tuple(int(size) for size in sizes))


_IDX = {"train": "train", "test": "t10k"}


def idx_file(folder: Path, part: str, kind: str) -> Path | None:
    """One of MNIST's four files, in either spelling, plain or .gz."""
    axes = 3 if kind == "images" else 1
    names = [f"{_IDX[part]}-{kind}{dot}idx{axes}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


class Cifar(Form):
    """The binary batches of CIFAR-10 and, with the fine labels, CIFAR-100."""

    @property
    def name(self) -> str:
        """See Form."""
        return f"CIFAR-{100 if self._fine else 10}'s batches"

    @property
    def _fine(self) -> bool:
        return (self.path / "train.bin").is_file()

    def files(self) -> list[Path]:
        """See Form."""
        return [path for part in ("train", "test") for path in self._of(part)]

    def _of(self, part: str) -> list[Path]:
        if self._fine:
            return [self.path / f"{part}.bin"]
        if part == "test":
            return [self.path / "test_batch.bin"]
        return [self.path / f"data_batch_{i}.bin" for i in range(1, 6)]

    def read(self, part: str) -> Iterator[Some]:
        """See Form."""
        extra = 2 if self._fine else 1
        for path in self._of(part):
            if not path.is_file():
                raise InputError(f"task.folder = {one_line(self.path)}: {path.name} is missing")
            content = np.frombuffer(_read(path), np.uint8)
            if not len(content) or len(content) % (extra + 3072):
                raise self.wrong(path, f"expected records of {extra + 3072:,} bytes")
            rows = content.reshape(-1, extra + 3072)
            for first in range(0, len(rows), TOGETHER):
                own = rows[first : first + TOGETHER]
                yield own[:, extra:].reshape(-1, 3, 32, 32), own[:, extra - 1].astype(np.int64)


class Folders(Form):
    """train/CLASS/picture and test/CLASS/picture; classes are numbered by their names in order."""

    name = "class folders"

    def files(self) -> list[Path]:
        """See Form."""
        return [path for part in ("train", "test") for path, _ in self._of(part)]

    def _classes(self, part: str) -> list[str]:
        return sorted(path.name for path in (self.path / part).iterdir() if path.is_dir())

    def _of(self, part: str) -> list[tuple[Path, int]]:
        classes = self._classes("train")
        unknown = sorted(set(self._classes(part)) - set(classes))
        if unknown:
            raise InputError(
                f"task.folder = {one_line(self.path)}: train has no class {one_line(unknown[0])} of {part}"
            )
        found = []
        for number, name in enumerate(classes):
            own = (self.path / part / name).glob("*") if (self.path / part / name).is_dir() else ()
            found += [(path, number) for path in sorted(own) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
        return found

    def read(self, part: str) -> Iterator[Some]:
        """See Form: in colour if the first picture of train is."""
        from PIL import Image

        colours, size = self._look
        found = self._of(part)
        for first in range(0, len(found), TOGETHER):
            images = []
            for path, _ in found[first : first + TOGETHER]:
                try:
                    with Image.open(path) as image:
                        pixels = np.asarray(image.convert(colours))
                except (OSError, ValueError, Image.DecompressionBombError, SyntaxError) as error:
                    raise self.wrong(path, f"not a picture that can be read ({one_line(error, 200)})") from None
                if pixels.shape[:2] != size:
                    raise self.wrong(
                        path, f"{_sides(pixels.shape)}, the first one is {_sides(size)}: expected one size"
                    )
                images.append(np.atleast_3d(pixels).transpose(2, 0, 1))
            yield np.stack(images), np.array([label for _, label in found[first : first + TOGETHER]], np.int64)

    @property
    def _look(self) -> tuple[str, tuple[int, int]]:
        """Mode and (height, width) of the first picture."""
        from PIL import Image

        path = next(iter(self._of("train")), (None, 0))[0]
        if path is None:
            raise InputError(f"task.folder = {one_line(self.path)}: no pictures in train: expected .png or .jpg")
        try:
            with Image.open(path) as image:
                return "L" if image.mode in ("L", "1", "I;16", "I") else "RGB", (image.height, image.width)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise self.wrong(path, f"not a picture that can be read ({one_line(error, 200)})") from None


class Npz(Form):
    """Arrays x_train, y_train, x_test, y_test of numpy, as Keras keeps its data sets."""

    name = "npz"

    def files(self) -> list[Path]:
        """See Form."""
        return [self.path]

    def read(self, part: str) -> Iterator[Some]:
        """See Form."""
        images, labels = self._array(f"x_{part}"), self._array(f"y_{part}")
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            found = f"{images.dtype} {_sides(images.shape)}"
            raise self.wrong(self.path, f"x_{part} is {found}: expected uint8, n x height x width [x channels]")
        if labels.dtype.kind not in "iu" or labels.size != len(images) or (labels < 0).any():
            found = f"{labels.dtype} {_sides(labels.shape)}"
            raise self.wrong(self.path, f"y_{part} is {found}: expected {len(images):,} whole numbers from 0")
        if images.ndim == 3:
            images = images[..., None]
        for first in range(0, len(images), TOGETHER):
            own = slice(first, first + TOGETHER)
            yield np.ascontiguousarray(images[own].transpose(0, 3, 1, 2)), labels.reshape(-1)[own].astype(np.int64)

    def _array(self, name: str) -> npt.NDArray[Any]:
        try:
            with np.load(self.path, allow_pickle=False) as found:
                array: npt.NDArray[Any] = found[name]
                return array
        except KeyError:
            raise self.wrong(self.path, f"{name} is missing") from None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
            raise self.wrong(self.path, f"not a .npz file that can be read ({one_line(error, 200)})") from None


def form_of(folder: str) -> Form:
    """The form of a task's folder; raises InputError if it is none of those known."""
    path = Path(folder)
    try:
        if path.is_file() and path.suffix == ".npz":
            return Npz(path)
        if path.is_dir():
            if any(idx_file(path, part, kind) for part in ("train", "test") for kind in ("images", "labels")):
                return Idx(path)
            if (path / "data_batch_1.bin").is_file() or (path / "train.bin").is_file():
                return Cifar(path)
            if (path / "train").is_dir() and (path / "test").is_dir():
                return Folders(path)
        path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can have this name"
        raise InputError(f"task.folder = {one_line(folder)}: {reason}; {EXPECTED}") from None
    raise InputError(f"task.folder = {one_line(folder)}: holds no pictures in a known form: {EXPECTED}")


def _read(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"task.folder: {one_line(path)}: {one_line(error)}") from None


def _sides(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
