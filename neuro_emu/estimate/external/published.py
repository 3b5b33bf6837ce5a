"""Published convolutional networks as layer lists: VGG and ResNet, for large and for small images.

Sources: K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
table 1, configurations A, B, D and E. K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image
recognition", CVPR 2016, table 1 and section 4.1: a batch normalisation after each convolution, which has no bias;
shortcuts that change size are 1 × 1 convolutions (option B); the first 1 × 1 of a bottleneck has its stride.

Small images (sides below 128) have no published list of their own here. As is widespread for CIFAR: VGG keeps the
convolutions and ends in one fully connected layer; ResNet begins with a 3 × 3 convolution of stride 1 without pooling.

Local classifiers are given the outputs after a 2 × 2 average pooling (Woo 2023, section 5.2.4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from neuro_emu.errors import RunError
from neuro_emu.estimate.external.layers import Bits, LayerTraffic, NetworkTraffic, dense_network

DATA = {"cifar10": (32, 10), "cifar100": (32, 100), "tiny_imagenet": (64, 200), "imagenet": (224, 1000)}
"""Side of the images, which have three colours, and classes."""

_VGG = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
"""3 × 3 convolutions of the five stages."""
_VGG_CHANNELS = (1, 2, 4, 8, 8)
"""Channels of the five stages, of 64; a 2 × 2 max-pooling ends each."""
_VGG_DENSE = 4096

_RESNET = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
}
_RESNET_CHANNELS = (1, 2, 4, 8)
_EXPANSION = 4
"""Outputs of a bottleneck over its width."""
_LARGE = 128
"""Images from this side on get the stem and the head of ImageNet."""

NAMES = (*_VGG, *_RESNET)
"""Networks that are known by name; besides, sizes such as 784-500-10 are fully connected layers."""


@dataclass
class _Stack:
    """Layers under construction, and the map (channels, side) that the next one is given."""

    channels: int
    side: int
    bits: Bits
    layers: list[LayerTraffic] = field(default_factory=list)

    def convolution(
        self, name: str, channels: int, kernel: int, stride: int = 1, *, norm: bool, beside: int = 0
    ) -> None:
        """Add a convolution that pads, with bias or normalisation; *beside*: weights of a shortcut that joins."""
        inputs = self.channels * self.side**2
        weights = self.channels * channels * kernel**2 + beside
        offsets = channels * (2 if norm else 1) + (2 * channels if beside else 0)
        self.channels, self.side = channels, -(-self.side // stride)
        outputs, pooled = channels * self.side**2, channels * max(self.side // 2, 1) ** 2
        self.layers.append(LayerTraffic(name, weights, offsets, inputs, outputs, self.bits, pooled))

    def pool(self) -> None:
        """Halve the side."""
        self.side = -(-self.side // 2)

    def dense(self, name: str, units: int) -> None:
        """Add a fully connected layer with biases."""
        inputs = self.channels * self.side**2
        self.layers.append(LayerTraffic(name, inputs * units, units, inputs, units, self.bits))
        self.channels, self.side = units, 1


def vgg(name: str, data: str = "cifar10", width: int = 64, bits: Bits | None = None) -> NetworkTraffic:
    """Return vgg11, vgg13, vgg16 or vgg19: *width* channels in the first stage (published: 64)."""
    side, classes = _checked(data, width)
    stack = _Stack(3, side, bits or Bits())
    for stage, (repeats, factor) in enumerate(zip(_VGG[name], _VGG_CHANNELS, strict=True), 1):
        for n in range(1, repeats + 1):
            stack.convolution(f"conv{stage}_{n}", factor * width, 3, norm=False)
        stack.pool()
    if side >= _LARGE:
        for n in (6, 7):
            stack.dense(f"fc{n}", _VGG_DENSE * width // 64 or 1)
    stack.dense("fc8", classes)
    about = "Simonyan and Zisserman 2015, table 1" + ("" if side >= _LARGE else "; one fully connected layer")
    return NetworkTraffic(name, tuple(stack.layers), classes, about, True, "VGG", int(name[3:]))


def resnet(name: str, data: str = "cifar10", width: int = 64, bits: Bits | None = None) -> NetworkTraffic:
    """Return resnet18, resnet34 or resnet50: *width* channels in the first stage (published: 64)."""
    side, classes = _checked(data, width)
    kind, stages = _RESNET[name]
    stack = _Stack(3, side, bits or Bits())
    if side >= _LARGE:
        stack.convolution("conv1", width, 7, 2, norm=True)
        stack.pool()
    else:
        stack.convolution("conv1", width, 3, norm=True)
    for stage, (repeats, factor) in enumerate(zip(stages, _RESNET_CHANNELS, strict=True), 2):
        for n in range(1, repeats + 1):
            stride = 2 if stage > 2 and n == 1 else 1
            _residual(stack, kind, f"conv{stage}_{n}", factor * width, stride)
    stack.side = 1  # averaged over the map
    stack.dense("fc", classes)
    about = "He et al. 2016, table 1" + ("" if side >= _LARGE else "; 3 × 3 stem without pooling")
    return NetworkTraffic(name, tuple(stack.layers), classes, about, True, "ResNet", int(name[6:]))


def _residual(stack: _Stack, kind: str, name: str, width: int, stride: int) -> None:
    """Add a residual block; the weights of a shortcut that changes size go with its last convolution."""
    out = width * (_EXPANSION if kind == "bottleneck" else 1)
    beside = stack.channels * out if stride > 1 or stack.channels != out else 0
    if kind == "basic":
        stack.convolution(f"{name}a", width, 3, stride, norm=True)
        stack.convolution(f"{name}b", width, 3, norm=True, beside=beside)
        return
    stack.convolution(f"{name}a", width, 1, stride, norm=True)
    stack.convolution(f"{name}b", width, 3, norm=True)
    stack.convolution(f"{name}c", out, 1, norm=True, beside=beside)


def _checked(data: str, width: int) -> tuple[int, int]:
    if data not in DATA:
        raise RunError(f"images {data!r}: one of {', '.join(DATA)}")
    if width < 1:
        raise RunError(f"width {width}: give at least 1 channel")
    return DATA[data]


def network_of(name: str, data: str = "cifar10", width: int = 64, bits: Bits | None = None) -> NetworkTraffic:
    """Return a network by name: one of :data:`NAMES`, or sizes such as ``784-500-10``.

    Raises:
        RunError: if it is neither.

    """
    if name in _VGG:
        return vgg(name, data, width, bits)
    if name in _RESNET:
        return resnet(name, data, width, bits)
    if re.fullmatch(r"\d{1,9}(-\d{1,9})+", name):
        return dense_network(tuple(int(part) for part in name.split("-")), bits)
    raise RunError(f"network {name!r}: one of {', '.join(NAMES)}, or sizes such as 784-500-10")
