"""The compiled integer datapath of graphs: operations of a batch on exact products and element-wise kernels.

Codes, pre-activations and errors are int16, sums int32 or, where 32 bits do not hold them, int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.activations import Activations
from neuro_emu.datapath.deep.missing import Missing
from neuro_emu.datapath.deep.ops import Choice, Kept, Labels
from neuro_emu.datapath.deep.products import MOST, Packed, Products, is_narrow, largest
from neuro_emu.datapath.deep.writes import Writer
from neuro_emu.errors import RunError
from neuro_emu.kernels.deep import elementwise as ew
from neuro_emu.kernels.deep import pool as pl
from neuro_emu.kernels.deep import products as kn
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.matrices import Kind
from neuro_emu.network.deep.graph import Pool, Weighted
from neuro_emu.network.deep.shapes import Shape
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import ACCUMULATOR_OVF, PROJECTION_OVF, TALLIES
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Overflow

Array = NDArray[Any]


class IntegerOps(Activations, Missing):
    """See :class:`neuro_emu.datapath.deep.ops.Ops`.

    Args:
        chip: what to emulate.
        state: its state, which is changed in place.

    Raises:
        RunError: if the chip has settings that the integers of graphs do not have.

    """

    def __init__(self, chip: DeepChip, state: DeepState) -> None:
        chip.refuse_unheld()
        self.chip, self.state, self.products = chip, state, Products()
        shape = len(chip.graph.layers), len(TALLIES)
        self.trained, self.tested = (np.zeros(shape, dtype=np.int64) for _ in range(2))
        self.writer = Writer(chip, state, self.trained)
        self._packed: dict[tuple[str, int], Packed] = {}
        self._columns: dict[int, int] = {}
        self._samples = 0
        self.prepare()

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

    def matrix(self, kind: Kind, layer: int) -> Array:
        """See :class:`Ops`."""
        self._only_weights(kind, self.chip.graph.layers[layer])
        return self.state.weights[layer]

    # --- sums ---

    def _pack_of(self, role: str, node: Weighted, matrix: Array) -> Packed:
        """Packed weights of a layer, kept until they are written; other matrices are packed each time."""
        own = matrix is self.state.weights[node.layer]
        key = role, node.layer
        if own and key in self._packed:
            return self._packed[key]
        codes = node.input if role == "forward" else node.sum_error
        itemsize = 1 if is_narrow(codes) and is_narrow(node.weight) else 2
        if role == "forward":
            packed = self.products.pack(matrix, node.depth, node.bias_code, codes, itemsize)
        elif node.window:
            flipped = self.products.flipped(matrix, node.window)
            packed = self.products.pack(flipped, len(flipped), 0, codes, itemsize)
        else:
            packed = self.products.pack_transposed(matrix, node.depth, codes, itemsize)
        if own:
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

    def back_product(self, d: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""
        window, products = node.window, self.products
        terms = node.units * (window.kernel_height * window.kernel_width if window else 1)
        fits = terms * node.weight.magnitude * largest(d) <= MOST
        packed = self._pack_of("back", node, matrix) if fits else None
        if window is None:
            p = products.back(d.reshape(len(d), node.units), matrix, node.depth, packed)
        else:
            spread, seen = products.dilated(d, window)
            if packed is None:
                p = products.exact_product(spread, seen, products.flipped(matrix, window), terms, 0)
            else:
                p = products.product(spread, seen, window.channels, packed)
        return p.reshape(len(d), *node.seen)

    def gradient(self, h: Array, d: Array, node: Weighted) -> Array:
        """See :class:`Ops`."""
        total = np.zeros((node.rows, node.units), dtype=np.int64)
        if not len(d):
            return total
        for left, right, start in self.products.gradient_slices(h, d, node, node.sum_error):
            for rows, panel in self.products.panels(left, right, start, node.depth):
                kn.add_sums(panel, total[rows])
        if node.biased:
            total[node.depth] = self._bias_gradient(d, node)
        return total

    @staticmethod
    def _bias_gradient(d: Array, node: Weighted) -> Array:
        sums: Array = d.reshape(-1, node.units).sum(axis=0, dtype=np.int64) * node.bias_code
        return sums

    # --- maps ---

    def pool(self, y: Array, node: Pool) -> tuple[Array, Choice | None]:
        """See :class:`Ops`."""
        if node.kind != "max":
            raise RunError("the integer datapath of graphs has no average pool yet")
        shape = (len(y), *node.shape)
        pooled, choice = np.empty(shape, dtype=np.int16), np.empty(shape, dtype=np.uint8)
        pl.max_pool(y, node.kernel, node.stride, pooled, choice)
        return pooled, choice

    def pool_back(self, d: Array, choice: Choice | None, node: Pool, to: Format, layer: int) -> Array:
        """See :class:`Ops`."""
        assert choice is not None
        sums = np.empty((len(d), *node.seen), dtype=np.int32)
        pl.max_pool_back(d, choice, node.kernel, node.stride, sums)
        return self.requantise(sums, node.projection.frac, to, layer, PROJECTION_OVF)

    def merge(self, parts: Sequence[Array], to: Format, layer: int) -> Array:
        """See :class:`Ops`."""
        if len(parts) == 1:
            return parts[0]
        total = parts[0].astype(np.int32)
        for part in parts[1:]:
            total += part
        return self.requantise(total, to.frac, to, layer, PROJECTION_OVF)

    # --- feedback ---

    def label_rows(self, layer: int, labels: Labels) -> Array:
        """See :class:`Ops`."""
        head = self.chip.graph.nodes[self.chip.graph.head(layer)]
        return self.state.feedback[layer][labels].astype(np.int16).reshape(len(labels), *head.shape)

    def project(self, layer: int, signal: Array, frac: int) -> Array:
        """See :class:`Ops`."""
        graph, node = self.chip.graph, self.chip.graph.layers[layer]
        head, matrix = graph.nodes[graph.head(layer)], self.state.feedback[layer]
        assert node.feedback is not None
        p = self.products.exact(np.ascontiguousarray(signal.reshape(len(signal), len(matrix))), matrix)
        return self.requantise(
            p.reshape(len(p), *head.shape), node.feedback.frac + frac, head.projection, layer, PROJECTION_OVF
        )

    # --- writes ---

    def write(self, kind: Kind, layer: int, sums: Array) -> None:
        """See :class:`Ops`."""
        self._forget(layer)
        self.writer.write(self.chip.matrix(kind, layer), sums)

    def learn(self, h: Array, d: Array, node: Weighted) -> None:
        """See :class:`Ops`."""
        peak = len(d) * node.positions * largest(h) * largest(d)
        if node.window is not None or self.chip.learning.momentum or not len(d) or peak > MOST:
            self.write(Kind.WEIGHTS, node.layer, self.gradient(h, d, node))
            return
        self._forget(node.layer)
        matrix = self.chip.matrices[node.layer]
        words = self.writer.words(matrix.index, matrix.rows)
        for left, right, start in self.products.gradient_slices(h, d, node, node.sum_error):
            for rows, panel in self.products.panels(left, right, start, node.depth):
                self.writer.write_rows(matrix, rows, panel, words, peak)
        if node.biased:
            sums = self._bias_gradient(d, node)[None]
            self.writer.write_rows(matrix, slice(node.depth, node.rows), sums, words, int(np.abs(sums).max()))

    def finish(self) -> None:
        """See :class:`Ops`."""
        for layer in self.writer.finish(self._samples):
            self._forget(layer)

    def _forget(self, layer: int) -> None:
        """Drop what was packed of weights that change now."""
        for role in ("forward", "back"):
            self._packed.pop((role, layer), None)
