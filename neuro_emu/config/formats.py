"""Formats of layers: their own, those of all layers, or those of the whole chip; and where each is written."""

from __future__ import annotations

from neuro_emu.config import schema
from neuro_emu.config.deep_schema import Concat, Dense, Residual, Weighted
from neuro_emu.config.fields import Schedule
from neuro_emu.config.typed import Document
from neuro_emu.numerics.activations import LINEAR
from neuro_emu.numerics.formats import Format

_COMMON = {"delta": "numerics.delta", "feedback": "numerics.feedback.format"}
_MEANT = {"weight": "format of the weights, e.g. s8f8", "output": "format of the outputs, e.g. s8f7"}

Written = Weighted | Residual | Concat
"""What has formats of its own."""


def format_of(config: schema.Config, layer: Written, name: str) -> Format | None:
    """Return the layer's own format, or that of all layers; None: neither is written."""
    own: Format | None = getattr(layer, name, None)
    common: Format | None = getattr(config.network.formats, name)
    return common if own is None else own


def place_of(config: schema.Config, layer: Written, where: str, name: str) -> str:
    """Return the path at which a setting of a layer is written, if it is: at the layer, for all, or for the chip."""
    if getattr(layer, name, None) is not None:
        return f"{where}.{name}"
    if getattr(config.network.formats, name, None) is not None:
        return f"network.formats.{name}"
    return _COMMON.get(name, f"{where}.{name}")


def own_rate(config: schema.Config, k: int) -> Schedule | None:
    """Return the learning rate that layer k of a chip that learns sample by sample has of its own."""
    dense = config.network.layers[k]
    return dense.lr_shift if isinstance(dense, Dense) else None


def wanted_format(config: schema.Config, layer: Written, name: str, where: str, document: Document) -> Format:
    """Return a format that a layer cannot do without.

    Raises:
        ConfigError: at the layer, if it is written nowhere.

    """
    found = format_of(config, layer, name)
    if found is None:
        hint = f"{name} is a Format: {_MEANT[name]}; network.formats.{name} is that of all layers"
        raise document.error(where, f"missing key {name!r}", hint)
    return found


def delta_of(config: schema.Config, layer: Written) -> Format:
    """Return the format of a layer's modulatory signal."""
    return format_of(config, layer, "delta") or config.numerics.delta


def preactivation_of(config: schema.Config, layer: Weighted | Residual) -> Format:
    """Return the format of q: the layer's own, that of all layers with a linear activation, or s8f<table_frac>."""
    common = config.network.formats.preactivation if layer.activation in LINEAR else None
    return layer.preactivation or common or Format(True, 8, layer.table_frac)


def output_of(config: schema.Config, layer: Weighted | Residual, where: str, document: Document) -> Format:
    """Return the format of y; an identity without its own is not given an unsigned one.

    Raises:
        ConfigError: at the layer, if it is written nowhere.

    """
    found = wanted_format(config, layer, "output", where, document)
    if layer.activation == "identity" and layer.output is None and not found.signed:
        return preactivation_of(config, layer)
    return found
