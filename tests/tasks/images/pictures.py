"""The same few pictures in every form in which people have them on disk."""

import gzip
from pathlib import Path

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
GREY = {"train": RNG.integers(0, 256, (40, 6, 5), np.uint8), "test": RNG.integers(0, 256, (12, 6, 5), np.uint8)}
COLOUR = {
    "train": RNG.integers(0, 256, (40, 32, 32, 3), np.uint8),
    "test": RNG.integers(0, 256, (12, 32, 32, 3), np.uint8),
}
LABELS = {"train": np.arange(40) % 3, "test": np.arange(12) % 3}
_IDX = {"train": "train", "test": "t10k"}


def idx(folder: Path, *, packed: bool = False, dot: bool = False) -> Path:
    """MNIST's four files of grey pictures."""
    folder.mkdir()
    for part in ("train", "test"):
        for kind, array in (("images", GREY[part]), ("labels", LABELS[part].astype(np.uint8))):
            content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
            name = f"{_IDX[part]}-{kind}{'.' if dot else '-'}idx{array.ndim}-ubyte"
            (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def cifar(folder: Path, *, fine: bool = False) -> Path:
    """CIFAR-10's six files, or CIFAR-100's two, of coloured pictures."""
    folder.mkdir()

    def records(part: str, rows: slice) -> bytes:
        pixels = COLOUR[part][rows].transpose(0, 3, 1, 2).reshape(-1, 3072)
        labels = LABELS[part][rows, None].astype(np.uint8)
        return np.hstack([*([labels + 7] if fine else []), labels, pixels]).tobytes()

    if fine:
        for part in ("train", "test"):
            (folder / f"{part}.bin").write_bytes(records(part, slice(None)))
        return folder
    for i in range(5):
        (folder / f"data_batch_{i + 1}.bin").write_bytes(records("train", slice(8 * i, 8 * i + 8)))
    (folder / "test_batch.bin").write_bytes(records("test", slice(None)))
    return folder


def folders(folder: Path, *, colour: bool = False) -> Path:
    """A folder for each class, PNG."""
    for part in ("train", "test"):
        for number, pixels in enumerate((COLOUR if colour else GREY)[part]):
            own = folder / part / f"class {LABELS[part][number]}"
            own.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(own / f"{number:03}.png")
    return folder


def npz(path: Path, *, colour: bool = False) -> Path:
    """One file of numpy arrays."""
    x = COLOUR if colour else GREY
    np.savez_compressed(path, x_train=x["train"], y_train=LABELS["train"], x_test=x["test"], y_test=LABELS["test"])
    return path
