"""Networks for images: the kinds of `[model]` that the lottery-ticket literature uses."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, NetworkSection, Width

Multiplier = Annotated[float, Field(gt=0, le=16)]


class LeNet(NetworkSection):
    """The perceptron LeNet-300-100 (LeCun et al. 1998): relu, Glorot's normal initialisation, biases of zero.

    hidden: the widths of its layers before the output.
    """

    kind: Literal["lenet"] = "lenet"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = (300, 100)

    groups: ClassVar[tuple[str, ...]] = ("first_layer", "hidden", "output", "weights", "biases")
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"hidden", "output"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 32
    widths: ClassVar[tuple[str, ...]] = ("hidden",)

    @property
    def contained(self) -> tuple[tuple[frozenset[str], str], ...]:
        """See NetworkSection: a single hidden layer is the first."""
        return ((frozenset({"first_layer"}), "hidden"),) if len(self.hidden) == 1 else ()

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "the picture flattened, relu behind each layer of hidden, output"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"LeNet-{'-'.join(map(str, self.hidden))}"


class ConvSmall(NetworkSection):
    """Conv-2, Conv-4 or Conv-6 of Frankle & Carbin (2019): layers of 3x3, 2x2 max pooling after each two, then two
    layers of 256 and the output; relu, Glorot's normal initialisation, biases of zero.

    layers: 2 (64 filters), 4 (64 and 128) or 6 (64, 128 and 256). width multiplies all numbers of filters and units.
    """

    kind: Literal["conv_small"] = "conv_small"
    layers: Annotated[Literal[2, 4, 6], WHOLE] = 2
    width: Multiplier = 1.0

    groups: ClassVar[tuple[str, ...]] = ("first_layer", "convolution", "hidden", "output", "weights", "biases")
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"convolution", "hidden", "output"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 1
    multiplier: ClassVar[str] = "width"

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "relu behind each layer but output; after each two convolutions the maximum of 2 x 2"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"Conv-{self.layers}" + _times(self.width)


class ResNet(NetworkSection):
    """The residual network of He et al. (2016) for small images: three stages of 16, 32 and 64 filters of 3x3 with
    batch norm, mean pooling, output. Where a stage begins, the shortcut is a 1x1 convolution with batch norm.

    depth: 6n + 2, with n blocks of two layers in each stage; 20 is the ResNet-20 of Frankle et al. (2020). width
    multiplies all numbers of filters. Weights start normal after He et al. (2015). The running statistics of batch norm
    are stored, rewound and resumed with the weights: a rewound ticket has those of its rewind point.
    """

    kind: Literal["resnet"] = "resnet"
    depth: Annotated[int, Field(ge=8, le=1202), WHOLE] = 20
    width: Multiplier = 1.0

    groups: ClassVar[tuple[str, ...]] = (
        "first_layer", "convolution", "shortcut", "norm", "output", "weights", "biases",
    )  # fmt: skip
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"convolution", "norm", "output"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 1
    multiplier: ClassVar[str] = "width"

    @property
    def contained(self) -> tuple[tuple[frozenset[str], str], ...]:
        """See NetworkSection: convolutions have no biases."""
        return ((frozenset({"norm", "output"}), "biases"),)

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "batch norm, then relu, behind each convolution; shortcuts are added between the two; the mean; output"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"ResNet-{self.depth}" + _times(self.width)

    @model_validator(mode="after")
    def _has_blocks(self) -> Self:
        if (self.depth - 2) % 6:
            raise ValueError(f"depth {self.depth}: expected 6 n + 2, such as 20, 32, 56")
        return self


class VGG(NetworkSection):
    """VGG of Simonyan & Zisserman (2015) in its form for small images: filters of 3x3 with batch norm, 2x2 max pooling
    after each of the first four groups of layers, mean pooling, one output layer.

    depth: 11, 13, 16 or 19, counted as in the original, which has three layers where one is here. width, initialisation
    and running statistics: as for resnet.
    """

    kind: Literal["vgg"] = "vgg"
    depth: Annotated[Literal[11, 13, 16, 19], WHOLE] = 16
    width: Multiplier = 1.0

    groups: ClassVar[tuple[str, ...]] = ("first_layer", "convolution", "norm", "output", "weights", "biases")
    everything: ClassVar[tuple[frozenset[str], ...]] = (
        frozenset({"weights", "biases"}), frozenset({"convolution", "norm", "output"}),
    )  # fmt: skip
    largest_stack: ClassVar[int] = 1
    multiplier: ClassVar[str] = "width"

    @property
    def contained(self) -> tuple[tuple[frozenset[str], str], ...]:
        """See NetworkSection: convolutions have no biases."""
        return ((frozenset({"norm", "output"}), "biases"),)

    @property
    def computes(self) -> str:
        """See NetworkSection."""
        return "batch norm, then relu, behind each convolution; the maximum of 2 x 2 between groups; the mean; output"

    @property
    def summary(self) -> str:
        """See NetworkSection."""
        return f"VGG-{self.depth}" + _times(self.width)


ImageNetwork = LeNet | ConvSmall | ResNet | VGG


def _times(width: float) -> str:
    return "" if width == 1 else f" x {width:g}"
