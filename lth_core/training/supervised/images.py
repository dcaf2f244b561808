"""The lesson of an image task: batches in an order of each epoch, augmented, cross-entropy, accuracy."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from lth_core.errors import InputError
from lth_core.models.images import Perceptron
from lth_core.randomness import stream
from lth_core.settings.images import ImagesTask
from lth_core.settings.supervised import Supervised
from lth_core.tasks.images.forms import Bytes
from lth_core.tasks.images.pictures import Pictures
from lth_core.training.stack import Interrupted
from lth_core.training.supervised.lesson import Batch, Carry, GoOn, Gradients
from lth_core.training.supervised.perceptron_gradients import PerceptronGradients

EVALUATED_TOGETHER = 500


class ImagesLesson:
    """See Lesson. Every epoch sees the pictures in an order of its own; those left over from the last whole batch are
    not seen in it, since batch norm needs batches of one size."""

    padding = -1
    """No label."""

    def __init__(self, pictures: Pictures, task: ImagesTask, settings: Supervised, seed: int) -> None:
        self._pictures, self._task, self._seed = pictures, task, seed
        self._batch, self._smoothing = settings.batch, settings.label_smoothing
        most = len(pictures.parts["train"])
        if settings.batch > most:
            raise InputError(f"training.batch = {settings.batch}: there are {most:,} pictures to train on")
        shape = (1, pictures.shape[0], 1, 1)
        # One product and one sum from bytes to normalised numbers.
        scale = 1 / (255 * torch.tensor(pictures.deviation, dtype=torch.float64))
        self._scale = scale.float().reshape(shape)
        self._shift = (-torch.tensor(pictures.mean, dtype=torch.float64) * 255 * scale).float().reshape(shape)
        self._order = lru_cache(maxsize=2)(self._ordered)
        self._batches = self._drawn

    @property
    def per_epoch(self) -> int:
        """See Lesson."""
        return len(self._pictures.parts["train"]) // self._batch

    def _ordered(self, epoch: int) -> npt.NDArray[np.int64]:
        return stream(self._seed, "pictures", epoch).permutation(len(self._pictures.parts["train"]))

    def remember(self, batches: int) -> None:
        """See ByHand."""
        self._batches = lru_cache(maxsize=batches)(self._drawn)

    def batch(self, epoch: int, place: int) -> Batch:
        """See Lesson."""
        return self._batches(epoch, place)

    def _drawn(self, epoch: int, place: int) -> Batch:
        train = self._pictures.parts["train"]
        own = self._order(epoch)[place * self._batch : (place + 1) * self._batch]
        images = train.images[train.rows[own]]
        if self._task.crop or self._task.flip:
            images = augmented(images, self._task, stream(self._seed, "augmentation", epoch, place))
        return self._made(images, train.labels[own])

    def _made(self, images: Bytes, labels: npt.NDArray[np.int64]) -> Batch:
        x = torch.from_numpy(images).float().mul_(self._scale).add_(self._shift)
        return Batch({"images": x, "labels": torch.from_numpy(labels)}, len(labels))

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        """See Lesson: cross-entropy, with smoothed labels if asked."""
        scores, labels = module(batch.tensors["images"]), batch.tensors["labels"]
        return functional.cross_entropy(scores.float(), labels, reduction="sum", label_smoothing=self._smoothing), ()

    def gradients(self, module: nn.Module) -> Gradients | None:
        """See ByHand: of perceptrons."""
        if not isinstance(module, Perceptron):
            return None
        own = PerceptronGradients(module, self._smoothing)
        return lambda batch, share: own(batch.tensors["images"], batch.tensors["labels"], share)

    def validate(self, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """See Lesson."""
        return self._judged("valid", module, go_on)

    def test(self, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """See Lesson; beside it what the most frequent class is worth."""
        return self._judged("test", module, go_on) | {ImagesTask.reference: self._pictures.majority}

    def _judged(self, part: str, module: nn.Module, go_on: GoOn) -> dict[str, float]:
        """Accuracy, and mean cross-entropy without smoothing."""
        found, device = self._pictures.parts[part], next(module.parameters()).device
        right = torch.zeros((), dtype=torch.int64, device=device)
        loss = torch.zeros((), dtype=torch.float64, device=device)
        for first in range(0, len(found), EVALUATED_TOGETHER):
            if not go_on():
                raise Interrupted
            own = slice(first, first + EVALUATED_TOGETHER)
            batch = self._made(found.images[found.rows[own]], found.labels[own]).to(device)
            scores, labels = module(batch.tensors["images"]).float(), batch.tensors["labels"]
            right += (scores.argmax(1) == labels).sum()
            loss += functional.cross_entropy(scores, labels, reduction="sum")
        return {f"accuracy/{part}": right.item() / len(found), f"loss/{part}": loss.item() / len(found)}


def augmented(images: Bytes, task: ImagesTask, rng: np.random.Generator) -> Bytes:
    """Pictures (n, channels, height, width), moved by up to `crop` pixels each way, mirrored half of the time."""
    n, _, height, width = images.shape
    if task.flip:
        mirrored = np.less(rng.uniform(size=n), 0.5).reshape(-1, 1, 1, 1)
        images = np.where(mirrored, images[..., ::-1], images)
    if task.crop:
        wide = np.pad(images, ((0, 0), (0, 0), (task.crop, task.crop), (task.crop, task.crop)))
        down, right = rng.integers(0, 2 * task.crop + 1, (2, n))
        rows, columns = down[:, None] + np.arange(height), right[:, None] + np.arange(width)
        images = wide[np.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None]].transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images)
