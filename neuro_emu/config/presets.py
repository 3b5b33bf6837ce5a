"""Networks by name: each stands for layers as a configuration would write them, formats left to `network.formats`.

Outputs of the last layer are u8f8 for a sigmoid (δ: s9f8) and u16f16 for a softmax (δ: s16f15), whatever the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from neuro_emu.config.deep_schema import (
    AveragePool,
    Conv,
    Dense,
    Inner,
    Layer,
    MaxPool,
    Norm,
    Residual,
    Shortcut,
)
from neuro_emu.config.fields import setting
from neuro_emu.numerics.formats import Format

_FINE = 5
"""Fractional bits of the pre-activation of a hard_tanh: ±4."""
_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Residuals in the stages of a ResNet (He et al. 2016, table 1)."""


@dataclass(frozen=True)
class DrtpMnist:
    """The convolutional network of Frenkel, Lefebvre and Bol (2021) for MNIST: 32c5p2-2p-1000-10."""

    yaml_tag: ClassVar[str] = "drtp_mnist"

    hidden: int = setting("units of the dense hidden layer", 1000, min=1, max=65536)
    trained: bool = setting("whether the kernels learn; the paper has both", False)


@dataclass(frozen=True)
class DrtpCifar:
    """The same authors' network for CIFAR-10: 64c3p1-2p-256c3p1-2p-1000-1000-10."""

    yaml_tag: ClassVar[str] = "drtp_cifar"

    trained: bool = setting("whether the kernels learn; the paper has both", False)


@dataclass(frozen=True)
class Dkp:
    """The network of the DKP paper, table 3: 32c3p1-32c3p1-2p-128-10, normalised, ReLU, softmax."""

    yaml_tag: ClassVar[str] = "dkp"


@dataclass(frozen=True)
class Alexnet:
    """The AlexNet of Woo (2023, section 5.1.3): 64c3p2-128c3p2-256c3p2-1024-1024-10, normalised, ReLU, softmax.

    As given there it has stride 1 and no pooling, so its maps grow by two pixels a layer.
    """

    yaml_tag: ClassVar[str] = "alexnet"

    pool: bool = setting("2 × 2 max pooling after each convolution, which the thesis does not write", False)


@dataclass(frozen=True)
class Resnet:
    """A ResNet for small images (He et al. 2016): a 3 × 3 stem, four stages, global average, softmax."""

    yaml_tag: ClassVar[str] = "resnet"

    depth: Literal[18, 34] = setting("weighted layers on the main path", 18)
    width: int = setting(
        "channels of the first stage; the later ones have 2, 4 and 8 times as many", 64, min=1, max=512
    )
    shortcuts: bool = setting("false: the same layers in a plain chain", True)


Preset = DrtpMnist | DrtpCifar | Dkp | Alexnet | Resnet
PRESETS: tuple[type[Preset], ...] = (DrtpMnist, DrtpCifar, Dkp, Alexnet, Resnet)
"""In the order in which they are listed."""


def expand(preset: Preset, classes: int) -> tuple[Layer, ...]:
    """Return the layers that a preset stands for, with an output for each of *classes*."""
    if isinstance(preset, DrtpMnist):
        return (_random(32, 5, 2, preset.trained), MaxPool(2), _saturating(preset.hidden), _sigmoid(classes))
    if isinstance(preset, DrtpCifar):
        maps = (_random(64, 3, 1, preset.trained), MaxPool(2), _random(256, 3, 1, preset.trained), MaxPool(2))
        return (*maps, _saturating(1000), _saturating(1000), _sigmoid(classes))
    if isinstance(preset, Dkp):
        hidden = Dense(128, "relu", norm=Norm())
        return (_normed(32), _normed(32), MaxPool(2), hidden, _softmax(classes))
    if isinstance(preset, Alexnet):
        rising = tuple(step for channels in (64, 128, 256) for step in _pooled(channels, preset.pool))
        return (*rising, *(Dense(1024, "relu", norm=Norm()) for _ in range(2)), _softmax(classes))
    return _resnet(preset, classes)


def _random(channels: int, kernel: int, padding: int, trained: bool) -> Conv:
    return Conv(channels, kernel, "hard_tanh", padding=padding, table_frac=_FINE, learns=trained, initial="random")


def _saturating(units: int) -> Dense:
    return Dense(units, "hard_tanh", table_frac=_FINE)


def _sigmoid(classes: int) -> Dense:
    return Dense(classes, "sigmoid", output=Format(False, 8, 8), delta=Format(True, 9, 8))


def _softmax(classes: int) -> Dense:
    return Dense(classes, "softmax", output=Format(False, 16, 16), delta=Format(True, 16, 15))


def _normed(channels: int) -> Conv:
    return Conv(channels, 3, "relu", padding=1, norm=Norm())


def _pooled(channels: int, pool: bool) -> tuple[Inner, ...]:
    conv = Conv(channels, 3, "relu", padding=2, norm=Norm())
    return (conv, MaxPool(2)) if pool else (conv,)


def _resnet(preset: Resnet, classes: int) -> tuple[Layer, ...]:
    layers: list[Layer] = [_normed(preset.width)]
    below = preset.width
    for stage, count in enumerate(_STAGES[preset.depth]):
        channels = preset.width * 2**stage
        for block in range(count):
            stride = 2 if stage and not block else 1
            first = Conv(channels, 3, "relu", stride=stride, padding=1, norm=Norm())
            body = (first, Conv(channels, 3, "identity", padding=1, norm=Norm()))
            changes = stride > 1 or channels != below
            side = Shortcut(channels, stride=stride, norm=Norm()) if changes and preset.shortcuts else None
            layers.append(Residual(body, "relu", side, shortcut=preset.shortcuts))
            below = channels
    return (*layers, AveragePool(), _softmax(classes))
