"""Image classification: a kind of `[task]`."""

import json
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, Contents, TaskSection
from lth_core.settings.texts import HUB_NAME
from lth_core.text import did_you_mean

SOURCES = ("digits", "digits-8x8", "files")


class ImagesTask(TaskSection):
    """Telling pictures apart; the score is the accuracy on the test part, measured once at the end.

    source: "digits" (20,000 pictures of 28x28 and 5,000 to test on, drawn on this machine), "digits-8x8" (1,797 real
    ones of scikit-learn; the extra `images`), "files", or OWNER/NAME or OWNER/NAME:CONFIGURATION on the Hugging Face
    hub, such as ylecun/mnist and uoft-cs/cifar10. With "files", folder names what holds them, relative to the working
    folder: the idx files of MNIST, the binary batches of CIFAR-10 or CIFAR-100, train/CLASS/*.png and test/CLASS/*.png
    (.jpg too), or a .npz file with x_train, y_train, x_test and y_test.
    validation: the share of the training pictures that is set aside, the same for all seeds, for the curves and for
    measures before the end. crop: in training, each picture is moved by up to so many pixels, with black at the border;
    flip: mirrored half of the time. contents: filled in when the file is read, with the SHA-256 of what is read.
    """

    kind: Literal["images"] = "images"
    source: str = "digits"
    folder: str | None = None
    validation: Annotated[float, Field(ge=0.001, le=0.5)] = 0.1
    crop: Annotated[int, Field(ge=0, le=64), WHOLE] = 0
    flip: bool = False
    contents: Contents = ()

    places: ClassVar[tuple[str, ...]] = ("folder",)
    score: ClassVar[str] = "accuracy/test"
    reference: ClassVar[str] = "accuracy-majority/test"
    curve: ClassVar[str] = "accuracy/valid"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("lenet", "conv_small", "resnet", "vgg")
    algorithms: ClassVar[tuple[str, ...]] = ("supervised",)

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return PurePath(self.folder).name if self.folder else self.source

    @model_validator(mode="after")
    def _source_rules(self) -> Self:
        if (self.source == "files") != (self.folder is not None):
            raise ValueError('source = "files" and the field folder go together')
        if self.source not in SOURCES and not HUB_NAME.fullmatch(self.source):
            raise ValueError(
                f"source {json.dumps(self.source)}: expected one of {', '.join(SOURCES)} and OWNER/NAME or "
                f"OWNER/NAME:CONFIGURATION of the Hugging Face hub{did_you_mean(self.source, SOURCES)}"
            )
        return self
