"""Learning from pictures: batches, augmentation, accuracy, milestones, and a resumed residual network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.randomness import stream
from lth_core.settings.images import ImagesTask
from lth_core.settings.supervised import Supervised
from lth_core.tasks.images import pictures
from lth_core.training.families import make_lesson, make_model, make_stack
from lth_core.training.stack import Start
from lth_core.training.supervised.images import ImagesLesson, augmented
from lth_core.training.supervised.stack import SupervisedStack, learning_rate
from tests.tasks.images.pictures import cifar, idx


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def experiment(folder: Path, task: dict[str, Any] | None = None, **tables: Any) -> Experiment:
    own = {"kind": "images", "source": "files", "folder": str(folder), "validation": 0.2, **(task or {})}
    return Experiment.from_fields({"name": "own", "seeds": [0], "task": own, **tables})


def lesson(own: Experiment, seed: int = 0) -> ImagesLesson:
    found = make_lesson(own, seed)
    assert isinstance(found, ImagesLesson)
    return found


def test_an_epoch_shows_each_picture_once_normalised_in_an_order_of_its_own(tmp_path: Path) -> None:
    own = experiment(idx(tmp_path / "data"), training={"batch": 8})
    found = pictures.load(own.task)  # type: ignore[arg-type]
    train = found.parts["train"]
    learnt = lesson(own)
    assert learnt.per_epoch == 4  # of 32 pictures
    epochs = []
    for epoch in (0, 1):
        batches = [learnt.batch(epoch, place) for place in range(4)]
        assert all(batch.predictions == 8 for batch in batches)
        x = torch.cat([batch.tensors["images"] for batch in batches])
        assert abs(float(x.mean())) < 1e-6 and float(x.std(unbiased=False)) == pytest.approx(1, abs=1e-6)
        back = (x * found.deviation[0] + found.mean[0]).mul(255).round().to(torch.uint8).numpy()
        y = torch.cat([batch.tensors["labels"] for batch in batches]).numpy()
        epochs.append(list(zip([one.tobytes() for one in back], y.tolist(), strict=True)))
    named = [(train.images[r].tobytes(), int(y)) for r, y in zip(train.rows, train.labels, strict=True)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(named) and epochs[0] != epochs[1]
    assert torch.equal(lesson(own).batch(1, 2).tensors["images"], learnt.batch(1, 2).tensors["images"])
    assert not torch.equal(lesson(own, 1).batch(0, 0).tensors["labels"], learnt.batch(0, 0).tensors["labels"])


def test_a_batch_without_a_whole_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training\.batch = 33: there are 32 pictures"):
        lesson(experiment(idx(tmp_path / "data"), training={"batch": 33}))


def test_augmentation_moves_and_mirrors_as_a_loop_does() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 3, 7, 6), np.uint8)
    found = augmented(images, ImagesTask(crop=2, flip=True), stream(0, "augmentation", 0, 0))
    own = stream(0, "augmentation", 0, 0)
    mirrored, (down, right) = own.uniform(size=50) < 0.5, own.integers(0, 5, (2, 50))
    assert 10 < mirrored.sum() < 40 and set(down) == set(range(5))
    for n in range(50):
        wide = np.zeros((3, 11, 10), np.uint8)
        wide[:, 2:-2, 2:-2] = images[n, :, :, ::-1] if mirrored[n] else images[n]
        assert (found[n] == wide[:, down[n] : down[n] + 7, right[n] : right[n] + 6]).all()
    plain = augmented(images, ImagesTask(), stream(0, "x"))
    assert (plain == images).all()


def test_accuracy_is_the_share_of_all_pictures_of_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lth_core.training.supervised.images.EVALUATED_TOGETHER", 5)
    own = experiment(idx(tmp_path / "data"), training={"batch": 8})

    class Second(nn.Module):
        """Says class 1 of everything, with a chance of e / (e + 2)."""

        def __init__(self) -> None:
            super().__init__()
            self.none = nn.Parameter(torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.0, 1.0, 0.0]]).expand(len(x), 3) + self.none

    found = lesson(own).test(Second(), lambda: True)
    assert found["accuracy/test"] == pytest.approx(4 / 12)
    assert found["loss/test"] == pytest.approx(np.log(np.e + 2) - 1 / 3)
    assert found["accuracy-majority/test"] == pytest.approx(1 / 3)
    assert set(lesson(own).validate(Second(), lambda: True)) == {"accuracy/valid", "loss/valid"}


def test_milestones_are_counted_in_the_unit_and_multiply_the_rate() -> None:
    settings = Supervised(
        unit="epochs", length=10, learning_rate=0.5, learning_rate_schedule="milestones", milestones=(4, 8),
        milestone_factor=0.2, warmup=2,
    )  # fmt: skip
    rates = [learning_rate(settings, update, 30, 3) for update in (0, 1, 2, 11, 12, 23, 24, 40)]
    assert rates == pytest.approx([0.25, 0.5, 0.5, 0.5, 0.1, 0.1, 0.02, 0.02])
    for wrong in ({"milestones": (4,)}, {"learning_rate_schedule": "milestones"}):
        with pytest.raises(ValueError, match="go together"):
            Supervised(length=10, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"milestones \[8, 4\]: expected rising points before length 10"):
        Supervised(length=10, learning_rate_schedule="milestones", milestones=(8, 4))


def test_a_resumed_residual_network_has_the_same_bits_and_rewound_statistics(tmp_path: Path) -> None:
    own = experiment(
        cifar(tmp_path / "data"), {"crop": 2, "flip": True}, model={"kind": "resnet", "depth": 8, "width": 0.25},
        training={"batch": 16, "length": 6, "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1},
    )  # fmt: skip
    model = make_model(own)
    mask = {name: torch.rand(shape) < 0.5 for name, shape in model.shapes().items() if "norm" not in name}

    def started(**more: Any) -> SupervisedStack:
        weights = {n: w * mask[n] if n in mask else w for n, w in model.initialise(0).items()}
        found = make_stack(own, model, [Start(0, weights, mask, 0, 6, **more)], "cpu")
        assert isinstance(found, SupervisedStack)
        return found

    def updated(stack: SupervisedStack, times: int) -> SupervisedStack:
        for _ in range(times):
            stack.update()
        return stack

    whole, half = updated(started(), 6), updated(started(), 3)
    resumed = started()
    resumed.restore(*half.state())
    updated(resumed, 3)
    for one, other in ((whole.weights(0), resumed.weights(0)), (whole.statistics(0), resumed.statistics(0))):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert all(bool((w[~mask[n]] == 0).all()) for n, w in whole.weights(0).items() if n in mask)
    rewound = started(statistics=half.statistics(0))
    means = [one for one in half.statistics(0) if one.endswith("running_mean")]
    assert means and all(torch.equal(rewound.statistics(0)[name], half.statistics(0)[name]) for name in means)
    assert all(bool((started().statistics(0)[name] == 0).all()) for name in means)
