"""Layers that a configuration may name: dense ones, and those of networks that learn a mini-batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from neuro_emu.config.fields import Schedule, setting
from neuro_emu.numerics.formats import Format

Hidden = Literal["hard_tanh", "relu", "identity", "tanh", "sigmoid", "tanh_relu"]
Initial = Literal["zero", "random", "centred"]

_GRAPHS = "networks learned a mini-batch at a time: "
_SHARED: dict[str, tuple[str, Any]] = {
    "weight": ("format of the weights, e.g. s8f8; null: network.formats.weight", None),
    "output": ("format of the outputs, e.g. s8f7, or u8f8 for a sigmoid; null: network.formats.output", None),
    "delta": ("format of the modulatory signal; null: network.formats.delta, or numerics.delta", None),
    "projection": ("format of a projected error before it meets f′; null: network.formats, or as delta", None),
    "feedback": (
        "format of the feedback matrix; null: network.formats.feedback, or numerics.feedback.format, or if it learns"
        " that of the weights above",
        None,
    ),
    "lr_shift": ("learning rate 2^-shift of this layer; null: training.lr_shift", None),
    "preactivation": (
        _GRAPHS + "format of the pre-activation, up to s16 where the activation is hard_tanh, relu or identity;"
        " null: network.formats.preactivation for those, or s8f<table_frac>",
        None,
    ),
    "norm": (_GRAPHS + "batch normalisation of the sums; {} takes the defaults, null: none", None),
    "learns": (_GRAPHS + "whether the weights ever learn", True),
    "initial": (
        _GRAPHS + "first weights; centred: random, the mean of each output's weights taken out; null: as"
        " network.initial_weights has it, random if the layer never learns",
        None,
    ),
}


def _shared(name: str, default: Any = ...) -> Any:
    """Return a field that several kinds of layers have."""
    text, usual = _SHARED[name]
    return setting(text, usual if default is ... else default)


def _table_frac() -> Any:
    text = "fractional bits of the 8-bit pre-activation that addresses the activation table"
    return setting(text, 4, min=0, max=6)


def _dropout(default: bool) -> Any:
    return setting(_GRAPHS + "whether outputs are dropped at the rate training.dropout", default)


@dataclass(frozen=True)
class Norm:
    """Batch normalisation of a layer's sums, trained on chip."""

    input: Format = setting("format of the requantised sums that statistics are made of", Format(True, 16, 6))
    scale: Format = setting("format of γ", Format(True, 16, 12))
    offset: Format = setting("format of β", Format(True, 16, 12))
    error: Format | None = setting("format of the error of the sums; null: as delta", None)
    shift: int = setting("running statistics move by 2^-shift of the distance", 3, min=0, max=31)
    epsilon: int = setting("added to variances, in 2^-12 of a squared code of input", 256, min=1, max=2**42)
    frozen: bool = setting("whether training uses the running statistics too, which then stay", False)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer."""

    yaml_tag: ClassVar[str] = "dense"

    units: int = setting("neurons", min=1, max=65536)
    activation: Literal["hard_tanh", "relu", "identity", "tanh", "sigmoid", "tanh_relu", "softmax"] = setting(
        "activation function; the last layer: sigmoid for bce, softmax for cce, any but softmax for mse"
    )
    weight: Format | None = _shared("weight")
    output: Format | None = _shared("output")
    table_frac: int = _table_frac()
    delta: Format | None = _shared("delta")
    projection: Format | None = _shared("projection")
    feedback: Format | None = _shared("feedback")
    lr_shift: Schedule | None = _shared("lr_shift")
    preactivation: Format | None = _shared("preactivation")
    norm: Norm | None = _shared("norm")
    learns: bool = _shared("learns")
    initial: Initial | None = _shared("initial")
    dropout: bool = _dropout(True)


@dataclass(frozen=True)
class Conv:
    """A convolution with a square kernel; maps lie row by row, channels last."""

    yaml_tag: ClassVar[str] = "conv"

    channels: int = setting("output channels", min=1, max=65536)
    kernel: int = setting("rows and columns of the kernel", min=1, max=255)
    activation: Hidden = setting("activation function")
    stride: int = setting("pixels from one position of the kernel to the next, both ways", 1, min=1, max=255)
    padding: int = setting("rows and columns of zeros around the map, fewer than the kernel has", 0, min=0, max=254)
    weight: Format | None = _shared("weight")
    output: Format | None = _shared("output")
    table_frac: int = _table_frac()
    delta: Format | None = _shared("delta")
    projection: Format | None = _shared("projection")
    feedback: Format | None = _shared("feedback")
    lr_shift: Schedule | None = _shared("lr_shift")
    preactivation: Format | None = _shared("preactivation")
    norm: Norm | None = _shared("norm")
    learns: bool = _shared("learns")
    initial: Initial | None = _shared("initial")
    dropout: bool = _dropout(False)


@dataclass(frozen=True)
class MaxPool:
    """The largest code of each window; no padding."""

    yaml_tag: ClassVar[str] = "max_pool"

    kernel: int = setting("rows and columns of a window", min=1, max=16)
    stride: int | None = setting("pixels from one window to the next; null: as kernel", None, min=1, max=255)


@dataclass(frozen=True)
class AveragePool:
    """The mean of each window; no padding."""

    yaml_tag: ClassVar[str] = "average_pool"

    kernel: int | None = setting("rows and columns of a window; null: the whole map", None, min=1, max=255)
    stride: int | None = setting("pixels from one window to the next; null: as kernel", None, min=1, max=255)


@dataclass(frozen=True)
class Flatten:
    """A map read as a vector, which every dense layer does anyway."""

    yaml_tag: ClassVar[str] = "flatten"


Inner = Dense | Conv | MaxPool | AveragePool
"""What stands within a residual or a branch."""


@dataclass(frozen=True)
class Shortcut:
    """The convolution of a shortcut: no activation of its own."""

    channels: int = setting("output channels: those of the body", min=1, max=65536)
    kernel: int = setting("rows and columns of the kernel", 1, min=1, max=255)
    stride: int = setting("pixels from one position of the kernel to the next, both ways", 1, min=1, max=255)
    padding: int = setting("rows and columns of zeros around the map, fewer than the kernel has", 0, min=0, max=254)
    weight: Format | None = _shared("weight")
    output: Format | None = _shared("output")
    table_frac: int = _table_frac()
    delta: Format | None = _shared("delta")
    feedback: Format | None = _shared("feedback")
    lr_shift: Schedule | None = _shared("lr_shift")
    preactivation: Format | None = _shared("preactivation")
    norm: Norm | None = _shared("norm")
    learns: bool = _shared("learns")
    initial: Initial | None = _shared("initial")

    activation: ClassVar[Literal["identity"]] = "identity"
    projection: ClassVar[None] = None
    dropout: ClassVar[bool] = False


@dataclass(frozen=True)
class Residual:
    """Layers whose outputs are added to what they read: activation(body + shortcut)."""

    yaml_tag: ClassVar[str] = "residual"

    body: tuple[Inner, ...] = setting("layers of the body; the last one is usually an identity")
    activation: Hidden = setting("activation function of the sum", "relu")
    projection: Shortcut | None = setting("convolution of the shortcut; null: what the body reads, as it is", None)
    shortcut: bool = setting("false: no addition; the body's last layer takes the activation", True)
    output: Format | None = _shared("output")
    table_frac: int = _table_frac()
    delta: Format | None = _shared("delta")
    preactivation: Format | None = _shared("preactivation")


@dataclass(frozen=True)
class Concat:
    """Branches that read the same map, their channels side by side."""

    yaml_tag: ClassVar[str] = "concat"

    branches: tuple[tuple[Inner, ...], ...] = setting("layers of each branch; [] is what they all read")
    output: Format | None = _shared("output")


Layer = Dense | Conv | MaxPool | AveragePool | Residual | Concat | Flatten
Weighted = Dense | Conv | Shortcut
"""Layers with weights."""


@dataclass(frozen=True)
class Formats:
    """Formats of all layers that do not have their own."""

    weight: Format | None = setting("of weights", None)
    output: Format | None = setting(
        "of outputs; an identity needs a signed one, and takes its pre-activation's format where this is not", None
    )
    delta: Format | None = setting("of modulatory signals; null: numerics.delta", None)
    projection: Format | None = setting("of projected errors; null: as delta", None)
    feedback: Format | None = setting("of feedback matrices; null: numerics.feedback.format", None)
    preactivation: Format | None = setting(
        _GRAPHS + "of pre-activations of hard_tanh, relu and identity; null: s8f<table_frac>", None
    )
