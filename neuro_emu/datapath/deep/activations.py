"""Activations, gates, dropout and output errors of the integer datapath of graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.ops import Kept, Labels
from neuro_emu.kernels.deep import elementwise as ew
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.network.deep.graph import Add, Weighted
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import DELTA_OVF
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.tables import activation_table, derivative_table, exponential_table

Array = NDArray[Any]

_ADDRESS_BITS = 8
_ALL = 256


class Activations:
    """What of :class:`neuro_emu.datapath.deep.ops.Ops` works on single codes."""

    chip: DeepChip
    state: DeepState
    trained: Array
    tested: Array
    learning: bool

    def prepare(self) -> None:
        """Make the tables, before the first operation."""
        self.learning = False
        self._gone: dict[int, Array] = {}
        self._kept: Kept | None = None
        output = self.chip.graph.output
        self._exponentials = exponential_table(output.preactivation.frac)
        squared = self.chip.learning.loss == "mse"
        self._output_slopes = (
            derivative_table(output.activation, output.table_frac) if squared else np.zeros(0, np.int64)
        )
        self._tables = {
            node.index: (
                activation_table(node.activation, node.preactivation.frac, node.code).astype(np.int32),
                derivative_table(node.activation, node.preactivation.frac),
            )
            for node in self.chip.graph.nodes
            if isinstance(node, Weighted | Add) and node.preactivation.bits == _ADDRESS_BITS
        }

    @property
    def events(self) -> Array:
        """Counters of what is going on: training or testing."""
        return self.trained if self.learning else self.tested

    def requantise(self, v: Array, frac: int, to: Format, layer: int, event: int) -> Array:
        """See :class:`Ops`."""
        codes = np.empty(v.shape, dtype=np.int16)
        clamped = ew.requantise_flat(v.reshape(-1), frac - to.frac, to.low, to.high, codes.reshape(-1))
        self.events[layer, event] += clamped
        return codes

    def activate(self, q: Array, node: Weighted | Add) -> Array:
        """See :class:`Ops`."""
        if node.code.high > np.iinfo(np.int16).max:  # of the last layer: nothing reads it but the host
            return self._tables[node.index][0][q.astype(np.intp)]
        y = np.empty(q.shape, dtype=np.int16)
        if node.preactivation.bits == _ADDRESS_BITS:
            ew.look_up(q.reshape(-1), self._tables[node.index][0].astype(np.int16), y.reshape(-1))
            return y
        low, high = _kinks(node)
        drop = node.preactivation.frac - node.code.frac
        bounds = np.array([low, high, drop, node.code.low, node.code.high], dtype=np.int64)
        ew.linear(q.reshape(-1), bounds, y.reshape(-1))
        return y

    def gate(self, p: Array, q: Array, node: Weighted | Add, frac: int, layer: int) -> Array:
        """See :class:`Ops`."""
        delta, to = np.empty(q.shape, dtype=np.int16), node.delta
        if layer in self._gone and isinstance(node, Weighted):
            gone = self._gone[layer] if self._kept is None else self._gone[layer][self._kept]
            p = np.where(gone != 0, 0, p).astype(p.dtype)
        limits = np.array([frac + node.derivative.frac - to.frac, to.low, to.high], dtype=np.int64)
        flat = p.reshape(-1), q.reshape(-1)
        if node.preactivation.bits == _ADDRESS_BITS:
            clamped = ew.gate_flat(*flat, self._tables[node.index][1], limits, delta.reshape(-1))
        else:
            clamped = ew.gate_bit(*flat, np.array(_open_between(node)), limits, delta.reshape(-1))
        self.events[layer, DELTA_OVF] += clamped
        return delta

    def output_error(self, q: Array, labels: Labels) -> tuple[Array, Array, Array]:
        """See :class:`Ops`."""
        node, n = self.chip.graph.output, len(q)
        flat, to = q.reshape(n, node.units), node.delta
        if node.activation == SOFTMAX:
            y = np.empty(flat.shape, dtype=np.int32)
            ew.softmax_rows(flat, self._exponentials, 32 - node.code.frac, node.code.high, y)
        else:
            y = self.activate(flat, node).astype(np.int32)
        slope = node.derivative.frac if len(self._output_slopes) else 0
        limits = np.array([self.chip.graph.hot, node.code.frac + slope - to.frac, to.low, to.high], dtype=np.int64)
        errors, delta = np.empty(flat.shape, dtype=np.int32), np.empty(flat.shape, dtype=np.int16)
        wide = labels.astype(np.int64)
        clamped = ew.output_errors(y, flat, wide, self._output_slopes, limits, errors, delta)
        self.events[node.layer, DELTA_OVF] += clamped
        return y.reshape(q.shape), errors.reshape(q.shape), delta.reshape(q.shape)

    def opened(self, e: Array, labels: Labels) -> Kept | None:
        """See :class:`Ops`."""
        theta, n = self.chip.learning.error_gate, len(e)
        self._kept = None if theta is None else np.flatnonzero(e.reshape(n, -1)[np.arange(n), labels] > theta)
        return self._kept

    def error_sign(self, e: Array) -> Array:
        """See :class:`Ops`."""
        delta = np.empty(e.shape, dtype=np.int16)
        ew.signs(e.reshape(-1), self.chip.learning.sign_dead_zone, delta.reshape(-1))
        return delta

    def predicted(self, z: Array, y: Array) -> NDArray[np.int64]:
        """See :class:`Ops`."""
        classes = np.empty(len(z), dtype=np.int64)
        ew.first_largest(z.reshape(len(y), -1), classes)
        return classes

    def drop(self, y: Array, layer: int) -> Array:
        """See :class:`Ops`."""
        threshold, node = self.chip.learning.dropout, self.chip.graph.layers[layer]
        if not threshold or not node.dropout:
            return y
        if self.learning:
            gone = np.empty(y.shape, dtype=np.uint8)
            register = self.state.dropout_registers[layer : layer + 1]
            ew.drop_flat(y.reshape(-1), threshold, register, gone.reshape(-1))
            self._gone[layer] = gone
        else:
            ew.scale_flat(y.reshape(-1), _ALL - threshold, node.code.low, node.code.high)
        return y


def _kinks(node: Weighted | Add) -> tuple[int, int]:
    """Smallest and largest q that a linear activation does not clamp."""
    one = 1 << node.preactivation.frac
    if node.activation == "hard_tanh":
        return -one, one
    return (0 if node.activation == "relu" else node.preactivation.low), node.preactivation.high


def _open_between(node: Weighted | Add) -> tuple[int, int]:
    """F′(q) is 1 between these, both excluded."""
    one = 1 << node.preactivation.frac
    if node.activation == "hard_tanh":
        return -one, one
    return (0 if node.activation == "relu" else node.preactivation.low - 1), node.preactivation.high + 1
