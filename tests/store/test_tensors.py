"""Files that are whole or refused: atomic writes, checksums, checkpoints that are set aside, nothing unpickled."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_core.store import tensors
from lth_core.store.tensors import (
    DamagedFile,
    load_newest_checkpoint,
    load_tensors,
    save_checkpoint,
    save_tensors,
    write_atomically,
)

ARRAYS = {
    "weights": np.arange(12, dtype=np.float32).reshape(3, 4),
    "mask": np.array([7, 255], np.uint8),
    "steps": np.array([2**40], np.int64),
    "ends": np.array([True, False]),
    "state": np.array([[0.1, np.nan]], np.float64),
}
VALUES = {"trained": 128, "streams": [{"state": 2**127}], "text": "ü\n", "nan": None}


def test_arrays_and_values_come_back_as_they_were(tmp_path: Path) -> None:
    sha256 = save_tensors(tmp_path / "a.safetensors", ARRAYS, VALUES)
    arrays, values = load_tensors(tmp_path / "a.safetensors", sha256)
    assert values == VALUES
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
        arrays[name][...] = 0  # writable, nobody else's memory


def test_arrays_that_are_views_are_stored_as_they_read(tmp_path: Path) -> None:
    array = np.arange(12.0).reshape(3, 4)
    sha256 = save_tensors(tmp_path / "a", {"t": array.T, "cut": array[:, 1:3], "back": array[::-1]}, {})
    arrays, _ = load_tensors(tmp_path / "a", sha256)
    np.testing.assert_array_equal(arrays["t"], array.T)
    np.testing.assert_array_equal(arrays["cut"], array[:, 1:3])
    np.testing.assert_array_equal(arrays["back"], array[::-1])


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_noticed(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "a"
    sha256 = save_tensors(path, ARRAYS, VALUES)
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="checksum"):
        load_tensors(path, sha256)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_cut_file_is_noticed(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a"
    sha256 = save_tensors(path, ARRAYS, VALUES)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedFile):
        load_tensors(path, sha256)


def test_a_missing_and_a_swapped_file_are_noticed(tmp_path: Path) -> None:
    first = save_tensors(tmp_path / "a", ARRAYS, {"step": 1})
    second = save_tensors(tmp_path / "b", ARRAYS, {"step": 2})
    assert first != second
    with pytest.raises(DamagedFile):
        load_tensors(tmp_path / "b", first)
    with pytest.raises(DamagedFile, match="No such file"):
        load_tensors(tmp_path / "c", first)


class Explosive:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Explosive()),
        b"",
        b"\x00" * 64,
        (2**60).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"null",
    ],
    ids=["pickle", "empty", "zeros", "huge header", "list", "no values", "null"],
)
def test_a_foreign_file_is_refused_even_with_the_right_checksum(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="not a tensor file"):
        load_tensors(path, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("point", ["fsync", "replace", "write"])
def test_a_write_that_fails_at_any_point_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, exists: bool
) -> None:
    path = tmp_path / "a"
    if exists:
        path.write_bytes(b"old")

    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if point == "fsync":
        monkeypatch.setattr(os, "fsync", broken)
    elif point == "replace":
        monkeypatch.setattr(Path, "replace", broken)
    else:
        real = Path.open

        class Short:
            def __init__(self, file: object) -> None:
                self._file = file

            def __enter__(self) -> "Short":
                return self

            def __exit__(self, *_: object) -> None:
                self._file.close()

            def write(self, view: memoryview) -> int:
                return self._file.write(view[:1]) if len(view) > 2 else 0

        monkeypatch.setattr(Path, "open", lambda self, *a, **k: Short(real(self, *a, **k)))
    with pytest.raises(OSError, match="space"):
        write_atomically(path, b"newer")
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == (["a"] if exists else [])
    assert not exists or path.read_bytes() == b"old"


def test_contents_and_name_are_synced_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        done.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", lambda a, b: (done.append("replace"), real_replace(a, b))[1])
    write_atomically(tmp_path / "a", b"content")
    assert done[0].startswith(str(tmp_path / ".a."))
    assert done[1:] == ["replace", str(tmp_path)]


def test_a_write_interrupted_after_the_rename_leaves_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def broken(_folder: Path) -> None:
        raise OSError("interrupted")

    monkeypatch.setattr(tensors, "sync_folder", broken)
    with pytest.raises(OSError, match="interrupted"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def _checkpoints(folder: Path, *steps: int) -> list[Path]:
    return [save_checkpoint(folder, step, ARRAYS, {"step": step, "trials": [1]}) for step in steps]


def test_the_newest_checkpoint_is_used_and_two_are_kept(tmp_path: Path) -> None:
    _checkpoints(tmp_path, 1, 20, 300)
    found = load_newest_checkpoint([tmp_path], {1})
    assert found is not None
    assert found[1]["step"] == 300
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "swap"])
def test_a_damaged_newest_checkpoint_is_set_aside_and_the_previous_used(tmp_path: Path, damage: str) -> None:
    older, newest = _checkpoints(tmp_path, 5, 10)
    content = bytearray(newest.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 4
    newest.write_bytes(
        {"flip": bytes(content), "cut": bytes(content[:-9]), "empty": b"", "swap": older.read_bytes()}[damage]
    )
    found = load_newest_checkpoint([tmp_path], {1})
    assert found is not None
    assert found[1]["step"] == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([older.name, newest.name + ".damaged"])
    again = load_newest_checkpoint([tmp_path], {1})
    assert again is not None
    assert again[1]["step"] == 5


def test_checkpoints_of_all_attempts_are_looked_through_and_strangers_left_alone(tmp_path: Path) -> None:
    folders = [tmp_path / "attempt-1", tmp_path / "attempt-2", tmp_path / "missing"]
    for folder in folders[:2]:
        folder.mkdir()
    _checkpoints(folders[0], 30)
    _checkpoints(folders[1], 10)
    stranger = folders[1] / "step-000000000099.safetensors"
    stranger.write_bytes(b"no checkpoint of ours")
    (folders[1] / ".step-000000000050.tmp").write_bytes(b"half")
    found = load_newest_checkpoint(folders, {1})
    assert found is not None
    assert found[1]["step"] == 30
    assert stranger.exists()
    assert load_newest_checkpoint([tmp_path / "missing"], {1}) is None


def test_with_all_checkpoints_damaged_there_is_none(tmp_path: Path) -> None:
    for path in _checkpoints(tmp_path, 1, 2):
        path.write_bytes(b"zeros")
    assert load_newest_checkpoint([tmp_path], {1}) is None


def test_a_checkpoint_of_trials_that_cannot_go_on_is_passed_over(tmp_path: Path) -> None:
    for step, trials in ((10, [1]), (20, [1, 2])):
        save_checkpoint(tmp_path, step, ARRAYS, {"step": step, "trials": trials})
    for own, step in (({1, 2, 3}, 20), ({1}, 10)):
        found = load_newest_checkpoint([tmp_path], own)
        assert found is not None
        assert found[1]["step"] == step
    assert load_newest_checkpoint([tmp_path], {2}) is None
    assert len(list(tmp_path.iterdir())) == 2
