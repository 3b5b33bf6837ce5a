"""Operations that the integer datapath does not have yet: normalisation, shortcuts, branches, shared activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from numpy.typing import NDArray

from neuro_emu.errors import RunError
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Add, Concat, Node, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.numerics.formats import Format

Array = NDArray[Any]


def _missing(what: str) -> NoReturn:
    raise RunError(f"the integer datapath of graphs has no {what} yet")


class Missing:
    """Refuses by name; see :class:`neuro_emu.datapath.deep.ops.Ops` for what each is."""

    def normalise(self, z: Array, layer: int) -> tuple[Array, Array]:
        """See :class:`Ops`."""
        _missing(f"batch normalisation (layer {layer}, {z.shape})")

    def fold(self, z: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        _missing(f"batch normalisation (layer {layer}, {z.shape})")

    def norm_back(self, d: Array, x_hat: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        _missing(f"batch normalisation (layer {layer}, {d.shape}, {x_hat.shape})")

    def add(self, a: Array, b: Array, node: Add, sources: tuple[Format, Format], layer: int) -> Array:
        """See :class:`Ops`."""
        _missing(f"residual ({node.where}, layer {layer}, {a.shape}, {b.shape}, {sources})")

    def concat(self, parts: Sequence[Array], node: Concat, sources: Sequence[Format], layer: int) -> Array:
        """See :class:`Ops`."""
        _missing(f"concatenation ({node.where}, layer {layer}, {len(parts)} of {sources})")

    def split(self, d: Array, sources: Sequence[Node], frac: int, layer: int) -> list[Array]:
        """See :class:`Ops`."""
        _missing(f"concatenation (layer {layer}, {d.shape} f{frac} to {len(sources)})")

    def match(self, h: Array, to: Shape, method: str, layer: int) -> Array:
        """See :class:`Ops`."""
        _missing(f"shared activation (layer {layer}, {h.shape} to {to} by {method})")

    def outer(self, e: Array, y: Array) -> Array:
        """See :class:`Ops`."""
        _missing(f"learned direct feedback ({e.shape}, {y.shape})")

    def _only_weights(self, kind: Kind, node: Weighted) -> None:
        if kind is not Kind.WEIGHTS:
            _missing(f"matrix {kind.value} (layer {node.layer})")
