"""Sums of the traced datapath of graphs: products forward, backward and for gradients, in the machine's order."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.traced_base import Array, Place, TracedBase
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase, Port
from neuro_emu.machine.deep.reading import Back
from neuro_emu.machine.design import PIPELINE_DRAIN, PROJECT_DRAIN, WRITE_DELAY, ZeroInput, transpose_drain
from neuro_emu.machine.matrices import Matrix
from neuro_emu.machine.ports import UpdatePass
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.state import ACCUMULATOR_OVF
from neuro_emu.numerics.modes import Overflow
from neuro_emu.numerics.ops import wrap

Codes = NDArray[Any]
"""Codes, weights or sums, int64."""


class TracedSums(TracedBase):
    """Group, tile of positions, row, position: a weight word is read once a tile and row."""

    # --- forward ---

    def patches_product(self, x: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""
        z = np.zeros((len(x), *node.shape), dtype=np.int64)
        weights = matrix.astype(np.int64)
        for sample, sums in zip(x.astype(np.int64), z, strict=True):
            for group, lanes in self.groups(node.units):
                if node.window is None:
                    self._dense_sums(sample, node, weights, (group, lanes), sums)
                else:
                    self._conv_sums(sample, node, weights, (group, lanes), sums)
        self.wrap_sums(z, node.layer)
        return z

    def _read_weights(self, phase: Phase, node: Weighted, group: int, row: int) -> None:
        self.access(phase, node.layer, Port.WEIGHT_READ, group * node.rows + row)

    def _dense_sums(self, sample: Codes, node: Weighted, weights: Codes, part: tuple[int, slice], sums: Codes) -> None:
        (group, lanes), k, operand = part, node.layer, self.mapping.operand(node)
        codes = [*sample.reshape(-1).tolist(), *[node.bias_code] * node.biased]
        for row, accessed in self.row_slots(codes, node.biased):
            self.count(Phase.FORWARD, k, C.CYCLES)
            if row < node.depth:
                self.count(Phase.FORWARD, k, operand)
            if accessed:
                self._read_weights(Phase.FORWARD, node, group, row)
                self.count(Phase.FORWARD, k, C.MAC, lanes.stop - lanes.start)
                sums[0, 0, lanes] += weights[row, lanes] * codes[row]
        self.count(Phase.FORWARD, k, C.CYCLES, PIPELINE_DRAIN)

    def _conv_sums(self, sample: Codes, node: Weighted, weights: Codes, part: tuple[int, slice], sums: Codes) -> None:
        (group, lanes), k, operand = part, node.layer, self.mapping.operand(node)
        valid = lanes.stop - lanes.start
        for tile in self.tiles(node):
            for row in range(node.rows):
                self._read_weights(Phase.FORWARD, node, group, row)
                for position, (code, reads, multiplies) in zip(tile, self._codes(sample, node, row, tile), strict=True):
                    self.count(Phase.FORWARD, k, C.CYCLES)
                    self.count(Phase.FORWARD, k, operand, reads)
                    if multiplies:
                        self.count(Phase.FORWARD, k, C.MAC, valid)
                        sums[position][lanes] += weights[row, lanes] * code
            self.count(Phase.FORWARD, k, C.CYCLES, PIPELINE_DRAIN)

    def _codes(self, sample: Codes, node: Weighted, row: int, tile: list[Place]) -> list[tuple[int, int, bool]]:
        """(code, reads of the map, whether it is multiplied) that row *row* sees from each position of a tile."""
        if row == node.depth:
            return [(node.bias_code, 0, True)] * len(tile)
        found = []
        for place in self.taps(node, row, tile):
            code = int(sample[place]) if place else 0
            found.append((code, int(place is not None), self._multiplies(code, place)))
        return found

    def _multiplies(self, code: int, place: Place | None) -> bool:
        return place is not None and (code != 0 or self.design.zero_input is ZeroInput.NONE)

    def wrap_sums(self, z: Codes, layer: int) -> None:
        """Wrap finished sums that left an accumulator's range, in place."""
        numerics = self.chip.numerics
        if numerics.accumulator_overflow is not Overflow.WRAP:
            return
        high = numerics.accumulator_high
        for place in np.ndindex(z.shape):
            exact = int(z[place])
            kept = wrap(exact, -high - 1, high)
            if kept != exact:
                self.happened(layer, ACCUMULATOR_OVF)
                z[place] = kept

    # --- errors ---

    def back_product(self, d: Array, node: Weighted, matrix: Array) -> Array:
        """See :class:`Ops`."""
        p = np.zeros((len(d), *node.seen), dtype=np.int64)
        weights = matrix.astype(np.int64)
        for delta, sums in zip(d.astype(np.int64), p, strict=True):
            if self.mapping.projects(node):
                self._project_back(delta.reshape(-1), node, weights, sums.reshape(-1))
            elif node.window is None:
                self._dense_back(delta.reshape(-1), node, weights, sums.reshape(-1))
            else:
                self._conv_back(delta, node, weights, sums)
        return p

    def _read_back(self, node: Weighted, group: int, row: int) -> None:
        """Read a word of the matrix that errors cross a layer with: of its weights, or of the feedback below."""
        if self.chip.readings[node.layer].back in {Back.WEIGHTS, Back.SIGNS}:
            self._read_weights(Phase.ERROR, node, group, row)
        else:
            self.count(Phase.ERROR, self.chip.slot(node.layer), C.FEEDBACK_READ)

    def _below(self, node: Weighted) -> int:
        return self.mapping.counted[node.sources[0]]

    def _crosses(self, node: Weighted) -> C:
        return C.ADD if self.chip.readings[node.layer].back is Back.SIGNS else C.MAC

    def _dense_back(self, delta: Codes, node: Weighted, weights: Codes, sums: Codes) -> None:
        """Neurons of the layer below by groups, each row of weights reduced across the lanes by the adder tree."""
        k, operation = self._below(node), self._crosses(node)
        for _, rows in self.groups(node.depth):
            for group, lanes in self.groups(node.units):
                valid = lanes.stop - lanes.start
                self.count(Phase.ERROR, k, C.CYCLES)
                self.count(Phase.ERROR, k, C.ERROR_READ, valid)
                for row in range(rows.start, rows.stop):
                    self.count(Phase.ERROR, k, C.CYCLES)
                    self._read_back(node, group, row)
                    self.count(Phase.ERROR, k, operation, valid)
                    sums[row] += int(weights[row, lanes] @ delta[lanes])
            self.count(Phase.ERROR, k, C.CYCLES, transpose_drain(self.design.lanes))
            self._leave(node, rows)

    def _project_back(self, delta: Codes, node: Weighted, weights: Codes, sums: Codes) -> None:
        """Feedback that lies with an error a row: neurons of the layer below on lanes."""
        k = self._below(node)
        for _, lanes in self.groups(node.depth):
            for c, error in enumerate(delta.tolist()):
                for component in (C.CYCLES, C.ERROR_READ):
                    self.count(Phase.ERROR, k, component)
                self.count(Phase.ERROR, self.chip.slot(node.layer), C.FEEDBACK_READ)
                self.count(Phase.ERROR, k, C.MAC, lanes.stop - lanes.start)
                sums[lanes] += weights[lanes, c] * error
            self.count(Phase.ERROR, k, C.CYCLES, PROJECT_DRAIN)
            self._leave(node, lanes)

    def _leave(self, node: Weighted, lanes: slice) -> None:
        """Finished sums of a group leave the lanes for the map of sums, unless f′ takes them there."""
        if not self.mapping.summed_in_lanes(node):
            for component in (C.PARTIAL_WRITE, C.PARTIAL_READ):
                self.count(Phase.ERROR, self._below(node), component, lanes.stop - lanes.start)

    def _conv_back(self, delta: Codes, node: Weighted, weights: Codes, sums: Codes) -> None:
        """Each word times the errors of its group at each position of a tile, added into the map of sums."""
        k, operation = self._below(node), self._crosses(node)
        for group, lanes in self.groups(node.units):
            valid = lanes.stop - lanes.start
            for tile in self.tiles(node):
                self.count(Phase.ERROR, k, C.ERROR_READ, valid * len(tile))
                for row in range(node.depth):
                    self._read_back(node, group, row)
                    for position, place in zip(tile, self.taps(node, row, tile), strict=True):
                        self.count(Phase.ERROR, k, C.CYCLES)
                        if place:
                            self.count(Phase.ERROR, k, operation, valid)
                            sums[place] += int(weights[row, lanes] @ delta[position][lanes])
                            for component in (C.PARTIAL_READ, C.PARTIAL_WRITE):
                                self.count(Phase.ERROR, k, component)
                self.count(Phase.ERROR, k, C.CYCLES, transpose_drain(self.design.lanes))

    # --- gradients ---

    def gradient(self, h: Array, d: Array, node: Weighted) -> Array:
        """See :class:`Ops`."""
        matrix, operand = self.chip.matrices[node.layer], self.mapping.learned(node)
        if node.window:
            return self.conv_gradient(h, d, node, matrix, operand)
        load = (Phase.ERROR, C.ERROR_READ) if self.mapping.loads(node) else None
        return self.dense_gradient(vectors(h), vectors(d), matrix, operand, load)

    def dense_gradient(
        self, rows: Codes, lanes: Codes, matrix: Matrix, operand: C, load: tuple[Phase, C] | None
    ) -> Codes:
        """Sum over samples of row code · lane code; *load*: how the codes of lanes (n, units) come into them."""
        total = np.zeros((matrix.rows, matrix.units), dtype=np.int64)
        for sample, held in zip(rows, lanes, strict=True):
            codes = [*sample.tolist(), *[matrix.bias_code] * matrix.biased]
            for group, part in self.groups(matrix.units):
                if load:
                    self.count(load[0], matrix.layer, C.CYCLES)
                    self.count(load[0], matrix.layer, load[1], part.stop - part.start)
                self._sum_rows(codes, held[part], matrix, operand, (group, total[:, part]))
        return total

    def _sum_rows(self, codes: list[int], held: Codes, matrix: Matrix, operand: C, part: tuple[int, Codes]) -> None:
        """Add the products of one sample to one group of G, a row a cycle."""
        phase, k, update, (group, sums) = self.phase(matrix), matrix.layer, UpdatePass(self.design.weight_banks), part
        for row, accessed in self.row_slots(codes, matrix.biased):
            if not (matrix.biased and row == matrix.rows - 1):
                self.count(phase, k, operand)
            if accessed:
                update.row(group * matrix.rows + row)
                self._add_into_sums(matrix, group * matrix.rows + row)
                self.count(phase, k, C.MAC, len(held))
                sums[row] += held * codes[row]
            else:
                update.idle()
        self.count(phase, k, C.CYCLES, update.cycles)
        self.count(phase, k, C.STALLS, update.stalls)

    def _add_into_sums(self, matrix: Matrix, address: int) -> None:
        for port in (Port.GRADIENT_READ, Port.GRADIENT_WRITE):
            self.access(self.phase(matrix), matrix.layer, port, address)

    def conv_gradient(self, h: Array, d: Array, node: Weighted, matrix: Matrix, operand: C) -> Codes:
        """Gradient (rows, units) of a conv layer, or of its feedback.

        Each row's products are summed in the lanes over all positions, then added into G.
        """
        total = np.zeros((matrix.rows, matrix.units), dtype=np.int64)
        for sample, delta in zip(h.astype(np.int64), d.astype(np.int64), strict=True):
            for group, lanes in self.groups(matrix.units):
                for row in range(matrix.rows):
                    total[row, lanes] += self.row_over_positions(
                        sample, delta[..., lanes], node, row, (matrix, operand)
                    )
                    self.count(self.phase(matrix), matrix.layer, C.CYCLES, WRITE_DELAY)
                    self._add_into_sums(matrix, group * matrix.rows + row)
        return total

    def row_over_positions(
        self, sample: Codes, delta: Codes, node: Weighted, row: int, counted: tuple[Matrix, C]
    ) -> Codes:
        """Products (lanes,) of one row of patches and the errors of one group, over all positions of a sample."""
        (matrix, operand), everywhere = counted, list(np.ndindex(node.shape[:2]))
        phase, k, valid = self.phase(matrix), matrix.layer, delta.shape[2]
        total = np.zeros(valid, dtype=np.int64)
        seen = self._codes(sample, node, row, everywhere)
        for position, (code, reads, multiplies) in zip(everywhere, seen, strict=True):
            self.count(phase, k, C.CYCLES)
            self.count(phase, k, operand, reads)
            self.count(phase, k, C.ERROR_READ, valid * (reads or row == node.depth))
            if multiplies:
                self.count(phase, k, C.MAC, valid)
                total += delta[position] * code
        return total


def vectors(maps: Array) -> Codes:
    """Codes (n, all of a sample)."""
    return maps.reshape(len(maps), prod(maps.shape[1:])).astype(np.int64)
