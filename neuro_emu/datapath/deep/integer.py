"""The compiled integer datapath of graphs: operations of a batch on exact products and element-wise kernels.

Codes, pre-activations and errors are int16, sums int32 or, where 32 bits do not hold them, int64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.classifier import Classifiers
from neuro_emu.datapath.deep.maps import Maps
from neuro_emu.datapath.deep.mirror import Mirroring
from neuro_emu.datapath.deep.normalising import Normalising, Norms
from neuro_emu.datapath.deep.ops import Kept
from neuro_emu.datapath.deep.parts import Alone, Spread
from neuro_emu.datapath.deep.products import MOST, Packed, Products, is_narrow, largest, panels_of
from neuro_emu.datapath.deep.sharing import Sharing
from neuro_emu.datapath.deep.signals import Signals
from neuro_emu.datapath.deep.writes import Writer
from neuro_emu.kernels.deep import elementwise as ew
from neuro_emu.kernels.deep import products as kn
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import ACCUMULATOR_OVF, TALLIES
from neuro_emu.numerics.modes import Overflow

Array = NDArray[Any]

_BYTE_HIGH = 127


class IntegerOps(Maps, Normalising, Signals, Sharing, Classifiers, Mirroring):
    """See :class:`neuro_emu.datapath.deep.ops.Ops`.

    Args:
        chip: what to emulate.
        state: its state, which is changed in place.
        spread: how the samples of a batch are shared among threads; None: not at all. No integer hangs on it.

    Raises:
        RunError: if the chip has settings that the integers of graphs do not have.

    """

    def __init__(self, chip: DeepChip, state: DeepState, spread: Spread | None = None) -> None:
        chip.refuse_unheld()
        self.spread: Spread = spread or Alone()
        self.chip, self.state, self.products = chip, state, Products(self.spread)
        shape = len(chip.graph.layers), len(TALLIES)
        self.trained, self.tested = (np.zeros(shape, dtype=np.int64) for _ in range(2))
        self.writer = Writer(chip, state, self.trained, self.spread.parts)
        self.norms = Norms(chip, state, self.writer, (self.trained, self.tested), self.spread)
        self._packed: dict[tuple[str, int], Packed] = {}
        self._bounds: dict[int, int] = {}
        self._samples = 0
        self.prepare()
        self.arrange()

    # --- codes ---

    def load(self, codes: Array) -> Array:
        """See :class:`Ops`."""
        self._samples = len(codes)
        maps: Array = np.ascontiguousarray(codes, dtype=np.int16)
        return maps.reshape(len(codes), *self.chip.graph.input_shape)

    def shaped(self, y: Array, to: Shape) -> Array:
        """See :class:`Ops`."""
        return y.reshape(len(y), *to)

    def select(self, values: Array, kept: Kept) -> Array:
        """See :class:`Ops`."""
        return values[kept]

    # --- sums ---

    def _pack_of(self, role: str, node: Weighted, matrix: Array) -> Packed:
        """Packed weights of a layer, kept until they are written; other matrices are packed each time."""
        storage = self.storages.get(id(matrix))
        key = role, id(matrix)
        if storage and key in self._packed:
            return self._packed[key]
        codes = node.input if role == "forward" else node.sum_error
        narrow = is_narrow(storage) if storage else largest(matrix) <= _BYTE_HIGH
        itemsize = 1 if is_narrow(codes) and narrow else 2
        if role == "forward":
            packed = self.products.pack(matrix, node.depth, node.bias_code, codes, itemsize)
        elif node.window:
            flipped = self.products.flipped(matrix, node.window)
            packed = self.products.pack(flipped, len(flipped), 0, codes, itemsize)
        else:
            packed = self.products.pack_transposed(matrix, node.depth, codes, itemsize)
        if storage:
            self._packed[key] = packed
        return packed

    def patches_product(self, x: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""
        numerics, shape = self.chip.numerics, (len(x), *node.shape)
        if self._holds(x, node, matrix, min(MOST, numerics.accumulator_high)):
            packed = self._pack_of("forward", node, matrix)
            return self.products.product(x, node.window, node.units, packed).reshape(shape)
        z = self.products.exact_product(x, node.window, matrix, node.depth, node.bias_code)
        if numerics.accumulator_overflow is Overflow.WRAP:
            high = numerics.accumulator_high
            self.events[node.layer, ACCUMULATOR_OVF] += ew.wrap_flat(z.reshape(-1), -high - 1, high)
        return z.reshape(shape)

    def _holds(self, x: Array, node: Weighted, matrix: Array, limit: int) -> bool:
        """Whether no sum of this product leaves −limit … limit."""
        if node.accumulator_bound <= limit:
            return True
        sums = np.zeros(node.units, dtype=np.int64)
        kn.column_sums(matrix, node.depth, sums)
        bound = sums * largest(x)
        if len(matrix) > node.depth:
            bound += np.abs(matrix[node.depth].astype(np.int64)) * node.bias_code
        return int(bound.max()) <= limit

    def _back_bound(self, node: Weighted, matrix: Array) -> int:
        """Largest sum of |entries| of a matrix that one input code's error is made of; kept until it is written."""
        if id(matrix) in self._bounds:
            return self._bounds[id(matrix)]
        sizes = np.abs(matrix[: node.depth]).sum(axis=1, dtype=np.int64)
        bound = int(sizes.reshape(-1, node.seen[2]).sum(axis=0).max() if node.window else sizes.max())
        if id(matrix) in self.storages:
            self._bounds[id(matrix)] = bound
        return bound

    def back_product(self, d: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""
        window, products = node.window, self.products
        fits = self._back_bound(node, matrix) * largest(d) <= MOST
        packed = self._pack_of("back", node, matrix) if fits else None
        if window is None:
            p = products.back(d.reshape(len(d), node.units), matrix, node.depth, packed)
        else:
            spread, seen = products.dilated(d, window)
            if packed is None:
                p = products.unbounded(spread, seen, products.flipped(matrix, window))
            else:
                p = products.product(spread, seen, window.channels, packed)
        return p.reshape(len(d), *node.seen)

    def gradient(self, h: Array, d: Array, node: Weighted) -> Array:
        """See :class:`Ops`."""
        total = np.zeros((node.rows, node.units), dtype=np.int64)
        if not len(d):
            return total
        self.products.gradient(h, d, node, node.sum_error, total)
        if node.biased:
            total[node.depth] = self._bias_gradient(d, node)
        return total

    @staticmethod
    def _bias_gradient(d: Array, node: Weighted) -> Array:
        sums: Array = d.reshape(-1, node.units).sum(axis=0, dtype=np.int64) * node.bias_code
        return sums

    # --- writes ---

    def begin_epoch(self, epoch: int) -> None:
        """See :class:`Ops`."""
        self.writer.epoch = epoch

    def write(self, kind: Kind, layer: int, sums: Array) -> None:
        """See :class:`Ops`."""
        matrix = self.chip.matrix(kind, layer)
        self.writer.write(matrix, sums)
        self.forget(matrix)

    def learn(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`."""
        by_rows = node.window is None and not self.chip.learning.momentum and len(d) > 0
        peak = len(d) * largest(h) * largest(d) if by_rows else 0
        if not by_rows or peak > MOST:
            self.write(Kind.WEIGHTS, node.layer, self.gradient(h, d, node))
            return
        matrix = self.chip.matrices[node.layer]
        self.forget(matrix)
        words = self.writer.words(matrix.index, matrix.rows)
        packed = self.products.packed_gradient(h, d, node, node.sum_error)

        def part(number: int, first: int, last: int) -> None:
            for rows, panel in self.products.panels(packed, slice(first, last), node.depth, number):
                self.writer.write_rows(matrix, rows, panel, words, peak, number)

        self.spread(panels_of(node.depth), part)
        if node.biased:
            sums = self._bias_gradient(d, node)[None]
            self.writer.write_rows(matrix, slice(node.depth, node.rows), sums, words, int(np.abs(sums).max()))

    def finish(self) -> None:
        """See :class:`Ops`."""
        self.norms.write()
        if self.writer.finish(self._samples):
            self._packed.clear()
            self._bounds.clear()

    def forget(self, matrix: Matrix) -> None:
        """See :class:`.Core`."""
        for changed in (matrix, self.writer.twins.get(matrix.index)):
            if changed:
                held = self.held_as(changed.kind, changed.layer)
                self._bounds.pop(held, None)
                for role in ("forward", "back"):
                    self._packed.pop((role, held), None)
