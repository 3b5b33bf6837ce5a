"""Activations, gates, dropout and errors of the traced datapath of graphs, code by code."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.deep.ops import Kept, Labels
from neuro_emu.datapath.deep.traced_base import Array, Place, TracedBase
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.mapping import has_table
from neuro_emu.machine.deep.reading import Source
from neuro_emu.machine.design import PROJECT_DRAIN, SOFTMAX_DIVIDE
from neuro_emu.network.deep.graph import Add, Weighted
from neuro_emu.network.deep.shapes import Shape, neurons
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import DELTA_OVF, PROJECTION_OVF
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.ops import (
    align,
    dropped,
    reciprocal,
    requantise,
    saturate,
    table_address,
    ternary_sign,
    xorshift,
)
from neuro_emu.numerics.tables import activation_table, derivative_table, exponential_table

_ADDRESS_BITS = 8
_ALL = 256


class TracedCodes(TracedBase):
    """What works on single codes."""

    def __init__(self, chip: DeepChip, state: DeepState) -> None:
        super().__init__(chip, state)
        self._exponentials = exponential_table(chip.graph.output.preactivation.frac)
        self._tables = {
            node.index: (
                activation_table(node.activation, node.preactivation.frac, node.code),
                derivative_table(node.activation, node.preactivation.frac),
            )
            for node in chip.graph.nodes
            if isinstance(node, Weighted | Add) and node.preactivation.bits == _ADDRESS_BITS
        }

    def requantise(self, v: Array, frac: int, to: Format, layer: int, event: int) -> Array:
        """See :class:`Ops`; it takes no cycle of its own."""
        return self.each(v.shape, np.int16, lambda at: self.narrowed(int(v[at]), frac - to.frac, to, layer, event))

    # --- activations ---

    def activate(self, q: Array, node: Weighted | Add) -> Array:
        """See :class:`Ops`."""
        layer, softmax = self.mapping.counted[node.index], node.activation == SOFTMAX
        keeps = self.learning and (softmax or self.mapping.keeps(node))
        for _ in range(len(q)):
            self.lane_passes(Phase.FORWARD, layer, node.shape)
            if isinstance(node, Weighted):
                for _ in self.groups(node.units):
                    self.count(Phase.FORWARD, layer, C.CYCLES, len(list(self.tiles(node))))

        def output(at: Place) -> int:
            self.count(Phase.FORWARD, layer, C.OUTPUT_WRITE, not softmax)
            self.count(Phase.FORWARD, layer, C.TABLE_READ, has_table(node))
            self.count(Phase.FORWARD, layer, C.PREACTIVATION_WRITE, keeps)
            return self.output(int(q[at]), node)

        return self.each(q.shape, np.int16 if node.code.high <= np.iinfo(np.int16).max else np.int32, output)

    def output(self, q: int, node: Weighted | Add) -> int:
        """F(q)."""
        if node.preactivation.bits == _ADDRESS_BITS:
            return int(self._tables[node.index][0][table_address(q)])
        one = 1 << node.preactivation.frac
        clamped = {"relu": max(q, 0), "hard_tanh": min(max(q, -one), one), "identity": q}[node.activation]
        return requantise(clamped, node.preactivation.frac - node.code.frac, node.code.low, node.code.high)

    def _slope(self, q: int, node: Weighted | Add) -> int:
        """f′(q)."""
        if node.preactivation.bits == _ADDRESS_BITS:
            return int(self._tables[node.index][1][table_address(q)])
        one = 1 << node.preactivation.frac
        return int({"relu": q > 0, "hard_tanh": -one < q < one, "identity": True}[node.activation])

    def drop(self, y: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        threshold, node = self.chip.learning.dropout, self.graph.layers[layer]
        if not threshold or not node.dropout:
            return y
        gone = np.zeros(y.shape, dtype=np.uint8)

        def kept(at: Place) -> int:
            code = int(y[at])
            if not self.learning:
                self.count(Phase.FORWARD, layer, C.TABLE_READ, not has_table(node))
                return requantise(code * (_ALL - threshold), 8, node.code.low, node.code.high)
            word = xorshift(int(self.state.dropout_registers[layer]))
            self.state.dropout_registers[layer] = word
            self.count(Phase.FORWARD, layer, C.RANDOM_WORD)
            gone[at] = dropped(word, threshold)
            return 0 if gone[at] else code

        codes = self.each(y.shape, np.int16, kept)
        if self.learning:
            self._gone[layer] = gone
        return codes

    # --- errors ---

    def output_error(self, q: Array, labels: Labels) -> tuple[Array, Array, Array]:
        """See :class:`Ops`."""
        node, flat = self.graph.output, q.reshape(len(q), -1)
        y, errors = (np.zeros(flat.shape, dtype=np.int32) for _ in range(2))
        delta, squared, to = np.zeros(flat.shape, dtype=np.int16), self.chip.learning.loss == "mse", node.delta
        shift = node.code.frac - to.frac + (node.derivative.frac if squared else 0)
        for n, label in enumerate(labels.tolist()):
            softmax = node.activation == SOFTMAX
            y[n] = self._softmax(flat[n].tolist()) if softmax else [self.output(int(code), node) for code in flat[n]]
            for c in range(node.units):
                errors[n, c] = (self.graph.hot if c == label else 0) - int(y[n, c])
                slope = self._slope(int(flat[n, c]), node) if squared else 1
                delta[n, c] = self.narrowed(int(errors[n, c]) * slope, shift, to, node.layer, DELTA_OVF)
                self.count(Phase.ERROR, node.layer, C.ERROR_WRITE)
                self.count(Phase.ERROR, node.layer, C.GATE, squared)
                self.count(Phase.ERROR, node.layer, C.DERIVATIVE_READ, squared and has_table(node))
        return y.reshape(q.shape), errors.reshape(q.shape), delta.reshape(q.shape)

    def _softmax(self, q: list[int]) -> list[int]:
        """Numerators and their sum, a serial division, products."""
        node, largest, powers, outputs = self.graph.output, max(q), [], []
        for code in q:
            powers.append(int(self._exponentials[largest - code]))
            for component in (C.CYCLES, C.PREACTIVATION_READ, C.TABLE_READ, C.ADD):
                self.count(Phase.ERROR, node.layer, component)
        inverse = reciprocal(sum(powers))
        self.count(Phase.ERROR, node.layer, C.CYCLES, SOFTMAX_DIVIDE)
        for power in powers:
            outputs.append(requantise(power * inverse, 32 - node.code.frac, 0, node.code.high))
            for component in (C.CYCLES, C.PREACTIVATION_READ, C.TABLE_READ, C.MAC, C.OUTPUT_WRITE):
                self.count(Phase.ERROR, node.layer, component)
        return outputs

    def opened(self, e: Array, labels: Labels) -> Kept | None:
        """See :class:`Ops`."""
        threshold, flat = self.chip.learning.error_gate, e.reshape(len(e), -1)
        if threshold is None:
            self._kept = None
        else:
            self._kept = np.array([n for n, c in enumerate(labels.tolist()) if flat[n, c] > threshold], dtype=np.intp)
        return self._kept

    def error_sign(self, e: Array) -> Array:
        """See :class:`Ops`; the sign is stored with the error."""
        return self.each(e.shape, np.int16, lambda at: ternary_sign(int(e[at]), self.chip.learning.sign_dead_zone))

    def predicted(self, z: Array, y: Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """See :class:`Ops`."""
        rows = z.reshape(len(y), -1).tolist()
        return np.array([row.index(max(row)) for row in rows], dtype=np.int64)

    def gate(self, p: Array, q: Array, node: Weighted | Add, frac: int, layer: int) -> Array:
        """See :class:`Ops`."""
        table, k, shift = (
            has_table(node),
            self.mapping.counted[node.index],
            frac + node.derivative.frac - node.delta.frac,
        )
        gone = self._gone.get(layer) if isinstance(node, Weighted) else None
        if gone is not None and self._kept is not None:
            gone = gone[self._kept]
        for _ in range(len(q)):
            if table:
                self.lane_passes(Phase.ERROR, k, node.shape)
            else:
                places = node.shape[0] * node.shape[1]
                self.count(Phase.ERROR, k, C.CYCLES, places * self.design.groups(node.shape[2]))

        def error(at: Place) -> int:
            self.count(Phase.ERROR, k, C.GATE)
            self.count(Phase.ERROR, k, C.DERIVATIVE_READ, table)
            self.count(Phase.ERROR, k, C.PREACTIVATION_READ, self.mapping.keeps(node))
            self.count(Phase.ERROR, k, C.ERROR_WRITE, self.mapping.stores_delta(node))
            lost = gone is not None and gone[at]
            exact = align(0 if lost else int(p[at]) * self._slope(int(q[at]), node), shift)
            code = saturate(exact, node.delta.low, node.delta.high)
            if code != exact:
                self.happened(layer, DELTA_OVF)
            return code

        return self.each(q.shape, np.int16, error)

    # --- direct feedback ---

    def label_rows(self, layer: int, labels: Labels) -> Array:
        """See :class:`Ops`."""
        head, rows = self.graph.nodes[self.graph.head(layer)], self.state.feedback[layer]
        found = np.zeros((len(labels), head.neurons), dtype=np.int16)
        for n, label in enumerate(labels.tolist()):
            for _, lanes in self.groups(head.neurons):
                self.count(Phase.ERROR, layer, C.CYCLES)
                self.count(Phase.ERROR, layer, C.FEEDBACK_READ)
                found[n, lanes] = rows[label, lanes]
        return found.reshape(len(labels), *head.shape)

    def project(self, layer: int, signal: Array, frac: int, to: Shape | None = None) -> Array:
        """See :class:`Ops`."""
        node, head = self.graph.layers[layer], self.graph.nodes[self.graph.head(layer)]
        assert node.feedback is not None
        rows = self.state.feedback[layer].astype(np.int64)
        codes = signal.reshape(len(signal), len(rows)).astype(np.int64)
        operation = C.ADD if self.chip.readings[layer].source is Source.ERROR_SIGN else C.MAC
        shape = to or head.shape
        p = np.zeros((len(signal), neurons(shape)), dtype=np.int64)
        for n in range(len(signal)):
            for _, lanes in self.groups(neurons(shape)):
                for c, code in enumerate(codes[n].tolist()):
                    for component in (C.CYCLES, C.FEEDBACK_READ, C.ERROR_READ):
                        self.count(Phase.ERROR, layer, component)
                    self.count(Phase.ERROR, layer, operation, lanes.stop - lanes.start)
                    p[n, lanes] += rows[c, lanes] * code
                self.count(Phase.ERROR, layer, C.CYCLES, PROJECT_DRAIN)
        maps = p.reshape(len(p), *shape)
        return self.requantise(maps, node.feedback.frac + frac, head.projection, layer, PROJECTION_OVF)
