"""Activations, gates, dropout and output errors of the integer datapath of graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.datapath.deep.ops import Kept, Labels
from neuro_emu.datapath.deep.parts import Spread, sum_parts
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
    spread: Spread

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
        self._bits = {
            node.index: _is_bit(node, self._tables[node.index][1])
            for node in self.chip.graph.nodes
            if isinstance(node, Weighted | Add) and node.index in self._tables
        }
        self._lines = {
            node.index: _is_line(node, self._tables[node.index][0])
            for node in self.chip.graph.nodes
            if isinstance(node, Weighted | Add) and node.index in self._tables
        }

    @property
    def events(self) -> Array:
        """Counters of what is going on: training or testing."""
        return self.trained if self.learning else self.tested

    def requantise(self, v: Array, frac: int, to: Format, layer: int, event: int) -> Array:
        """See :class:`Ops`."""
        codes = np.empty(v.shape, dtype=np.int16)
        exact, flat, shift = v.reshape(-1), codes.reshape(-1), frac - to.frac

        def part(i: int, j: int) -> int:
            return int(ew.requantise_flat(exact[i:j], shift, to.low, to.high, flat[i:j]))

        self.events[layer, event] += sum_parts(self.spread, len(flat), part)
        return codes

    def activate(self, q: Array, node: Weighted | Add) -> Array:
        """See :class:`Ops`."""
        if node.code.high > np.iinfo(np.int16).max:  # of the last layer: nothing reads it but the host
            return self._tables[node.index][0][q.astype(np.intp)]
        y = np.empty(q.shape, dtype=np.int16)
        given, flat = q.reshape(-1), y.reshape(-1)
        if not self._lines.get(node.index, True):
            table = self._tables[node.index][0].astype(np.int16)

            def looked_up(i: int, j: int) -> int:
                ew.look_up(given[i:j], table, flat[i:j])
                return 0

            sum_parts(self.spread, len(flat), looked_up)
            return y
        bounds = _line(node)

        def clamped(i: int, j: int) -> int:
            ew.linear(given[i:j], bounds, flat[i:j])
            return 0

        sum_parts(self.spread, len(flat), clamped)
        return y

    def gate(self, p: Array, q: Array, node: Weighted | Add, frac: int, layer: int) -> Array:
        """See :class:`Ops`."""
        delta, to = np.empty(q.shape, dtype=np.int16), node.delta
        if layer in self._gone and isinstance(node, Weighted):
            gone = self._gone[layer] if self._kept is None else self._gone[layer][self._kept]
            p = np.where(gone != 0, 0, p).astype(p.dtype)
        limits = np.array([frac + node.derivative.frac - to.frac, to.low, to.high], dtype=np.int64)
        errors, codes, kept, by_bit = p.reshape(-1), q.reshape(-1), delta.reshape(-1), self._bits.get(node.index, True)
        slopes = np.array(_open_between(node)) if by_bit else self._tables[node.index][1]
        kernel = ew.gate_bit if by_bit else ew.gate_flat

        def part(i: int, j: int) -> int:
            return int(kernel(errors[i:j], codes[i:j], slopes, limits, kept[i:j]))

        self.events[layer, DELTA_OVF] += sum_parts(self.spread, len(kept), part)
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


def _line(node: Weighted | Add) -> Array:
    """Bounds of a linear activation; see :func:`neuro_emu.kernels.deep.elementwise.linear`."""
    drop = node.preactivation.frac - node.code.frac
    return np.array([*_kinks(node), drop, node.code.low, node.code.high], dtype=np.int64)


def _is_line(node: Weighted | Add, table: Array) -> bool:
    """Whether a table (256,) of outputs is what a linear activation gives, which needs no table."""
    if node.code.high > np.iinfo(np.int16).max:
        return False
    codes, found = _addressed(len(table)), np.empty(len(table), dtype=np.int16)
    ew.linear(codes, _line(node), found)
    return bool(np.array_equal(found, table))


def _addressed(count: int) -> Array:
    """Pre-activation at each address of a table."""
    address = np.arange(count, dtype=np.int16)
    return np.where(address < count // 2, address, address - count).astype(np.int16)


def _open_between(node: Weighted | Add) -> tuple[int, int]:
    """F′(q) is 1 between these, both excluded."""
    one = 1 << node.preactivation.frac
    if node.activation == "hard_tanh":
        return -one, one
    return (0 if node.activation == "relu" else node.preactivation.low - 1), node.preactivation.high + 1


def _is_bit(node: Weighted | Add, slopes: Array) -> bool:
    """Whether a table of f′ says no more than the bounds of :func:`_open_between`."""
    low, high = _open_between(node)
    codes = _addressed(len(slopes))
    return bool(np.array_equal(slopes, ((codes > low) & (codes < high)).astype(slopes.dtype)))
