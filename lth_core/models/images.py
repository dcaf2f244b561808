"""Networks for images as ordinary torch modules: pictures (n, channels, height, width) to scores (n, classes).

The settings of each (`settings.image_networks`) name the paper that it comes from.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth_core.errors import InputError
from lth_core.models.flow import linear, through
from lth_core.models.module import ModuleNetwork
from lth_core.settings.image_networks import VGG, ConvSmall, LeNet, ResNet
from lth_core.tickets.mask import Weights

Shape = tuple[int, int, int]


class Perceptron(nn.Module):
    """Layers of units, relu between them."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.output = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures of any shape to scores."""
        x = x.flatten(1)
        for layer in self.hidden:
            x = layer(x).relu_()
        found: Tensor = self.output(x)
        return found


class SmallConvolutional(nn.Module):
    """Convolutions of 3x3 in pairs, each pair followed by max pooling, then two layers of units."""

    def __init__(self, shape: Shape, filters: tuple[int, ...], units: int, classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.convolution = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise((channels, *filters))
        )  # fmt: skip
        pooled = len(filters) // 2
        inputs = filters[-1] * (height >> pooled) * (width >> pooled)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((inputs, units, units)))
        self.output = nn.Linear(units, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures to scores."""
        for number, layer in enumerate(self.convolution):
            x = layer(x).relu_()
            x = functional.max_pool2d(x, 2) if number % 2 else x
        x = x.flatten(1)
        for layer in self.hidden:
            x = layer(x).relu_()
        found: Tensor = self.output(x)
        return found


class Normed(nn.Module):
    """A convolution without biases, then batch norm."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        found: Tensor = self.norm(self.convolution(x))
        return found


class Residual(nn.Module):
    """Two layers and what they are added to; with a stride or other widths, the latter goes through a 1x1 layer."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = Normed(inputs, outputs, stride=stride), Normed(outputs, outputs)
        if stride != 1 or inputs != outputs:
            self.shortcut = Normed(inputs, outputs, size=1, stride=stride)
        self.direct = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        around = x if self.direct else self.shortcut(x)
        found: Tensor = self.second(self.first(x).relu_())
        return found.add_(around).relu_()


class ResidualNetwork(nn.Module):
    """A layer, stages of residual blocks, mean pooling, output."""

    def __init__(self, channels: int, widths: tuple[int, ...], blocks: int, classes: int) -> None:
        super().__init__()
        self.first = Normed(channels, widths[0])
        self.blocks = nn.ModuleList()
        for stage, (before, own) in enumerate(pairwise((widths[0], *widths))):
            for number in range(blocks):
                begins = number == 0
                self.blocks.append(Residual(before if begins else own, own, 2 if begins and stage else 1))
        self.output = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures to scores."""
        x = self.first(x).relu_()
        for block in self.blocks:
            x = block(x)
        found: Tensor = self.output(x.mean((2, 3)))
        return found


class Plain(nn.Module):
    """Groups of convolutions with batch norm, max pooling after each group but the last, mean pooling, output."""

    def __init__(self, channels: int, groups: tuple[tuple[int, ...], ...], classes: int) -> None:
        super().__init__()
        widths = (channels, *[width for group in groups for width in group])
        self.layers = nn.ModuleList(Normed(a, b) for a, b in pairwise(widths))
        self._pooled = {sum(map(len, groups[: i + 1])) - 1 for i in range(len(groups) - 1)}
        self.output = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures to scores."""
        for number, layer in enumerate(self.layers):
            x = layer(x).relu_()
            x = functional.max_pool2d(x, 2) if number in self._pooled else x
        found: Tensor = self.output(x.mean((2, 3)))
        return found


VGG_GROUPS: Mapping[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4),
}  # fmt: skip
"""Layers of 64, 128, 256, 512 and 512 filters, by depth."""


def network(settings: Any, shape: Shape, classes: int) -> ModuleNetwork:
    """The network of one of `settings.image_networks` for pictures of this shape. Raises InputError if it needs larger
    ones."""
    return _NETWORKS[type(settings)](settings, shape, classes)


def _lenet(settings: LeNet, shape: Shape, classes: int) -> ModuleNetwork:
    widths = (shape[0] * shape[1] * shape[2], *settings.hidden)

    def flow(weights: Weights) -> Tensor:
        x = torch.ones(widths[0], dtype=weights["output.weight"].dtype)
        return linear(weights, "output", through(weights, "hidden", len(settings.hidden), x)).sum()

    return ModuleNetwork(lambda: _glorot(Perceptron(widths, classes)), _grouping("hidden.0."), flow=flow)


def _conv_small(settings: ConvSmall, shape: Shape, classes: int) -> ModuleNetwork:
    filters = tuple(_scaled(64 * 2 ** (i // 2), settings.width) for i in range(settings.layers))
    _check_size(settings, shape, 2 ** (settings.layers // 2))

    def flow(weights: Weights) -> Tensor:
        x = torch.ones(1, *shape, dtype=weights["output.weight"].dtype)
        for i in range(settings.layers):
            x = functional.conv2d(
                x, weights[f"convolution.{i}.weight"], weights[f"convolution.{i}.bias"], padding=1
            )  # fmt: skip
            x = functional.max_pool2d(x, 2) if i % 2 else x
        return linear(weights, "output", through(weights, "hidden", 2, x.flatten())).sum()

    units = _scaled(256, settings.width)
    return ModuleNetwork(
        lambda: _glorot(SmallConvolutional(shape, filters, units, classes)), _grouping("convolution.0."), flow=flow
    )


def _resnet(settings: ResNet, shape: Shape, classes: int) -> ModuleNetwork:
    widths, blocks = tuple(_scaled(width, settings.width) for width in (16, 32, 64)), (settings.depth - 2) // 6

    def flow(weights: Weights) -> Tensor:
        x = _layer_flow(weights, "first", torch.ones(1, *shape, dtype=weights["output.weight"].dtype))
        for number in range(3 * blocks):
            name, stride = f"blocks.{number}", 2 if number in (blocks, 2 * blocks) else 1
            inner = _layer_flow(weights, f"{name}.second", _layer_flow(weights, f"{name}.first", x, stride))
            direct = f"{name}.shortcut.convolution.weight" not in weights
            x = inner + (x if direct else _layer_flow(weights, f"{name}.shortcut", x, stride))
        return linear(weights, "output", x.mean((2, 3)).flatten()).sum()

    return ModuleNetwork(
        lambda: _he(ResidualNetwork(shape[0], widths, blocks, classes)), _grouping("first."), flow=flow
    )


def _vgg(settings: VGG, shape: Shape, classes: int) -> ModuleNetwork:
    sizes = zip(VGG_GROUPS[settings.depth], (64, 128, 256, 512, 512), strict=True)
    groups = tuple((_scaled(width, settings.width),) * count for count, width in sizes)
    _check_size(settings, shape, 16)
    ends = {sum(map(len, groups[: i + 1])) - 1 for i in range(len(groups) - 1)}

    def flow(weights: Weights) -> Tensor:
        x = torch.ones(1, *shape, dtype=weights["output.weight"].dtype)
        for i in range(sum(map(len, groups))):
            x = _layer_flow(weights, f"layers.{i}", x)
            x = functional.max_pool2d(x, 2) if i in ends else x
        return linear(weights, "output", x.mean((2, 3)).flatten()).sum()

    return ModuleNetwork(lambda: _he(Plain(shape[0], groups, classes)), _grouping("layers.0."), flow=flow)


_NETWORKS: Mapping[Any, Callable[[Any, Shape, int], ModuleNetwork]] = {
    LeNet: _lenet, ConvSmall: _conv_small, ResNet: _resnet, VGG: _vgg,
}  # fmt: skip


def _layer_flow(weights: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    """A convolution and its norm, linearised: x -> g (W x) + b; the deviation counts as one."""
    kernel = weights[f"{name}.convolution.weight"]
    x = functional.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2)
    return x * weights[f"{name}.norm.weight"][:, None, None] + weights[f"{name}.norm.bias"][:, None, None]


def _grouping(first: str) -> Callable[[str], set[str]]:
    """Groups by the words of a parameter's name; `first`: the name's beginning in the first layer."""

    def groups(name: str) -> set[str]:
        words = set(name.split("."))
        found = words & {"hidden", "output", "convolution", "shortcut", "norm"}
        return found | ({"first_layer"} if name.startswith(first) and "norm" not in words else set())

    return groups


def _check_size(settings: ConvSmall | VGG, shape: Shape, least: int) -> None:
    if min(shape[1:]) < least:
        raise InputError(
            f'model.kind "{settings.kind}": {settings.summary} halves pictures until {shape[1]} x {shape[2]} leaves '
            f"nothing: expected at least {least} x {least}"
        )


def _scaled(number: int, width: float) -> int:
    return max(2, round(number * width))


def _glorot(module: nn.Module) -> nn.Module:
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_normal_(layer.weight)
            _zero(layer.bias)
    return module


def _he(module: nn.Module) -> nn.Module:
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            _zero(layer.bias)
    return module


def _zero(bias: Tensor | None) -> None:
    if bias is not None:
        nn.init.zeros_(bias)
