"""Pictures of files: every form gives the same, damage is named, and what a job was queued with is what it reads."""

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.settings.images import ImagesTask
from lth_core.tasks import contents
from lth_core.tasks.images import forms, pictures
from lth_core.tasks.text import hub
from tests.tasks.images.pictures import COLOUR, GREY, LABELS, cifar, folders, idx, npz


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(forms, "TOGETHER", 7)


def task(folder: Path, **fields: Any) -> ImagesTask:
    return ImagesTask(source="files", folder=str(folder), **fields)


def whole(found: pictures.Pictures, part: str) -> set[tuple[bytes, int]]:
    own = found.parts[part]
    return {(own.images[row].tobytes(), int(label)) for row, label in zip(own.rows, own.labels, strict=True)}


FORMS: Mapping[str, Callable[[Path], Path]] = {
    "idx": idx, "idx packed": lambda path: idx(path, packed=True), "idx with a dot": lambda path: idx(path, dot=True),
    "grey folders": folders, "grey npz": lambda path: npz(path.with_suffix(".npz")),
    "cifar-10": cifar, "cifar-100": lambda path: cifar(path, fine=True),
    "coloured folders": lambda path: folders(path, colour=True),
    "coloured npz": lambda path: npz(path.with_suffix(".npz"), colour=True),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_its_pictures_and_classes(form: str, tmp_path: Path) -> None:
    own = task(FORMS[form](tmp_path / "data"), validation=0.25)
    pictures.check(own)
    found = pictures.load(own)
    wanted = {part: x if x.ndim == 4 else x[..., None] for part, x in (GREY if found.shape[0] == 1 else COLOUR).items()}
    wanted = {part: x.transpose(0, 3, 1, 2) for part, x in wanted.items()}
    assert found.classes == 3 and found.shape == wanted["train"].shape[1:]
    named = {part: {(x.tobytes(), int(y)) for x, y in zip(wanted[part], LABELS[part], strict=True)} for part in wanted}
    assert whole(found, "test") == named["test"]
    assert [len(found.parts[part]) for part in ("train", "valid")] == [30, 10]
    assert whole(found, "train") | whole(found, "valid") == named["train"]
    train = found.parts["train"]
    trained_on = train.images[train.rows].astype(np.float64) / 255
    assert found.mean == pytest.approx(trained_on.mean((0, 2, 3))) and found.deviation == pytest.approx(
        trained_on.std((0, 2, 3))
    )
    assert found.majority == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("train-images-idx3-ubyte", b"\0\0\x08\x03abc", "expected an idx file of bytes with 3 axes"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x09" + bytes(9), "9 labels for 40 pictures"),
        ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x09abc", "its header says 9, and 11 bytes are there"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03" + b"\xff" * 12, "4294967295 x 4294967295"),
    ],
)
def test_a_damaged_idx_file_is_named(file: str, content: bytes, said: str, tmp_path: Path) -> None:
    folder = idx(tmp_path / "data")
    (folder / file).write_bytes(content)
    with pytest.raises(InputError, match=r"task\.folder") as caught:
        pictures.check(task(folder))
    assert said in str(caught.value)


def test_other_damage_is_named_too(tmp_path: Path) -> None:
    def refused(folder: Path, said: str) -> None:
        with pytest.raises(InputError, match=said):
            pictures.check(task(folder))

    refused(tmp_path / "none", "No such file")
    (tmp_path / "empty").mkdir()
    (idx(tmp_path / "idx") / "t10k-labels-idx1-ubyte").unlink()
    refused(tmp_path / "idx", "t10k-labels-idx1-ubyte is missing")
    refused(tmp_path / "empty", "expected a folder with MNIST's idx files")
    batches = cifar(tmp_path / "cifar")
    (batches / "data_batch_1.bin").write_bytes(bytes(3073 + 5))
    refused(batches, "records of 3,073 bytes")
    own = folders(tmp_path / "folders")
    picture = min((own / "train" / "class 0").iterdir())
    picture.write_bytes(b"no picture")
    refused(own, "not a picture that can be read")
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(picture)
    refused(own, "6 x 5, the first one is 3 x 3: expected one size")
    shutil.rmtree(own)
    (folders(tmp_path / "folders") / "test" / "class 0").rename(own / "test" / "another")
    refused(own, "train has no class another of test")
    file = tmp_path / "pictures.npz"
    file.write_bytes(b"PK no zip")
    refused(file, r"not a \.npz file")
    np.savez(file, x_train=GREY["train"], y_train=LABELS["train"], x_test=GREY["test"])
    refused(file, "y_test is missing")
    np.savez(file, x_train=GREY["train"] / 255, y_train=LABELS["train"])
    refused(file, "x_train is float64 40 x 6 x 5: expected uint8")
    np.savez(file, x_train=np.array([{}]), y_train=LABELS["train"])
    refused(file, r"not a \.npz file.*pickle")


@pytest.mark.parametrize("many", [False, True])
def test_the_same_pictures_elsewhere_are_the_same_experiment_and_changed_ones_are_refused(
    many: bool, tmp_path: Path
) -> None:
    make = folders if many else idx

    def experiment(folder: Path) -> Experiment:
        fields = {"name": "own", "seeds": [0], "task": {"kind": "images", "source": "files", "folder": str(folder)}}
        found = Experiment.from_fields({**fields, "training": {"batch": 4}})
        return found.model_copy(update={"task": contents.filled_in(found.task)})

    here, there = experiment(make(tmp_path / "here")), experiment(make(tmp_path / "there"))
    assert here.identity == there.identity and here.task.folder != there.task.folder  # type: ignore[union-attr]
    contents.check(here.task)
    if many:
        Image.fromarray(GREY["test"][1]).save(tmp_path / "here" / "train" / "class 0" / "000.png")
    else:
        (tmp_path / "here" / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x0c" + bytes(12))
    with pytest.raises(InputError, match="changed since the job was queued"):
        contents.check(here.task)
    assert experiment(tmp_path / "here").identity != there.identity


def test_a_data_set_of_the_hub_is_read_by_its_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str, configuration: str | None, *, split: str, **_: Any) -> list[dict[str, Any]]:
        assert (name, configuration) == ("uoft-cs/cifar100", None)
        rows = zip(COLOUR[split], LABELS[split], strict=True)
        return [{"img": Image.fromarray(x), "fine_label": int(y), "coarse_label": 0} for x, y in rows]

    datasets = ModuleType("datasets")
    datasets.load_dataset = load_dataset  # type: ignore[attr-defined]
    datasets.__spec__ = SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "datasets", datasets)
    monkeypatch.setattr(hub, "check", lambda source: None)
    found = pictures.load(ImagesTask(source="uoft-cs/cifar100"))
    assert found.shape == (3, 32, 32) and len(found.parts["test"]) == 12
    assert (found.parts["test"].labels == LABELS["test"]).all()
    assert (found.parts["test"].images[3] == COLOUR["test"][3].transpose(2, 0, 1)).all()


def test_what_is_missing_for_a_source_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for source, said in (("digits-8x8", r'"lth-workbench\[images\]"'), ("ylecun/mnist", r'"lth-workbench\[hub\]"')):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(InputError, match=said):
            pictures.check(ImagesTask(source=source))
    with pytest.raises(ValueError, match='did you mean "digits"'):
        ImagesTask(source="digit")
