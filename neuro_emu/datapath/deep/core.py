"""What the parts of the integer datapath of graphs have in common and ask of each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import NDArray

from neuro_emu.datapath.deep.parts import Spread
from neuro_emu.datapath.deep.products import Products
from neuro_emu.datapath.deep.writes import Writer
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.graph import Add, Weighted
from neuro_emu.network.deep.state import DeepState
from neuro_emu.numerics.formats import Format

Array = NDArray[Any]


class Core(ABC):
    """Base of the parts of :class:`neuro_emu.datapath.deep.integer.IntegerOps`."""

    chip: DeepChip
    state: DeepState
    products: Products
    writer: Writer
    trained: Array
    tested: Array
    learning: bool
    spread: Spread

    @abstractmethod
    def requantise(self, v: Array, frac: int, to: Format, layer: int, event: int) -> Array:
        """See :class:`Ops`."""

    @abstractmethod
    def activate(self, q: Array, node: Weighted | Add) -> Array:
        """See :class:`Ops`."""

    @abstractmethod
    def patches_product(self, x: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""

    @abstractmethod
    def gradient(self, h: Array, d: Array, node: Weighted) -> Array:
        """See :class:`Ops`."""

    @abstractmethod
    def write(self, kind: Kind, layer: int, sums: Array) -> None:
        """See :class:`Ops`."""

    @abstractmethod
    def forget(self, matrix: Matrix) -> None:
        """Drop what was packed of a matrix that changes now, and of its twin."""
