"""Forward passes of the traced datapath: through W_k, and through whatever else stands in for it."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.traced_base import Signal, TracedBase
from neuro_emu.kernels.plain import accumulate_row, wrap_sums
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase, Port
from neuro_emu.machine.design import PIPELINE_DRAIN, SOFTMAX_DIVIDE
from neuro_emu.machine.matrices import Kind, Matrix, codes_of
from neuro_emu.network import state as st
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import Int64
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.ops import (
    align,
    dropped,
    mean,
    noise_code,
    reciprocal,
    requantise,
    saturate,
    table_address,
    xorshift,
)


class TracedForward(TracedBase):
    """Sums, activations, and the activations that rules ask for."""

    def _forward(self, layer: DenseLayer, group: int) -> None:
        k, lanes, matrix = layer.index, self._lanes(layer, group), self.chip.matrices[layer.index]
        operand = C.INPUT_READ if k == 0 else C.OUTPUT_READ
        self._z[k][lanes] = self._sums(matrix, self._codes[k], group, Phase.FORWARD, operand)
        self._activate(layer, group)

    def _sums(self, matrix: Matrix, codes: Int64, group: int, phase: Phase, operand: C, *, bias: bool = True) -> Int64:
        """Accumulators (lanes,) of one group of a matrix; the events are those of the matrix's layer."""
        k, lanes = matrix.layer, self._slice(matrix.units, group)
        stored, numerics = codes_of(self.state, matrix), self.chip.numerics
        high, mode = numerics.accumulator_high, numerics.accumulator_overflow.code
        sums = np.zeros(lanes.stop - lanes.start, dtype=np.int64)
        for row, x, accessed in self._row_slots(codes, matrix):
            if matrix.biased and row == matrix.rows - 1 and not bias:
                continue
            self._count(phase, k, C.CYCLES)
            self._operand_read(phase, k, row, matrix, operand)
            if accessed:
                self._read(phase, matrix, group * matrix.rows + row)
                self._count(phase, k, C.MAC, len(sums))
                weights, before = np.ascontiguousarray(stored[row, lanes]), sums.copy()
                if clamped := accumulate_row(sums, weights, x, -high - 1, high, mode):
                    self._tallied(k, st.ACCUMULATOR_OVF, clamped)
                    self.record("overflowed", k, group, before + weights.astype(np.int64) * x)
        self._count(phase, k, C.CYCLES, PIPELINE_DRAIN)
        exact = sums.copy()
        if wrapped := wrap_sums(sums, -high - 1, high, mode):
            self._tallied(k, st.ACCUMULATOR_OVF, wrapped)
            self.record("overflowed", k, group, exact)
        return sums

    def _read(self, phase: Phase, matrix: Matrix, address: int) -> None:
        """Count the read of a word: fixed random weights lie in a ROM, the others in banks."""
        if matrix.kind is Kind.FORWARD:
            self._count(phase, matrix.layer, C.RANDOM_READ)
            return
        counts = self.counts if self._learning else self.inference_counts
        counts.access(phase, matrix.layer, Port.WEIGHT_READ, address % self.chip.design.weight_banks)

    def _table(self, k: int, sums: Int64, model: DenseLayer, shift: int, phase: Phase) -> tuple[Int64, Int64]:
        """Return q and y of finished accumulators of layer k by the activation of *model*."""
        q, y = np.zeros_like(sums), np.zeros_like(sums)
        for lane, total in enumerate(sums.tolist()):
            aligned = align(total, shift)
            q[lane] = saturate(aligned, -128, 127)
            self._tallied(k, st.PREACTIVATION_OVF, q[lane] != aligned)
            y[lane] = self._tables[model.index][table_address(int(q[lane]))]
        self._count(phase, k, C.CYCLES, -(-len(sums) // self.chip.design.activation_units) + 1)
        if self.chip.has_table(model):
            self._count(phase, k, C.TABLE_READ, len(sums))
        return q, y

    def _activate(self, layer: DenseLayer, group: int) -> None:
        k, lanes = layer.index, self._lanes(layer, group)
        valid = lanes.stop - lanes.start
        self.record("z", k, group, self._z[k][lanes])
        q, y = self._table(k, self._z[k][lanes], layer, layer.preactivation_shift, Phase.FORWARD)
        if self.chip.learning.dropout and layer is not self.chip.network.output:
            y = self._drop(layer, lanes, y)
        self._q[k][lanes], self._codes[k + 1][lanes] = q, y
        is_softmax = layer.activation == SOFTMAX
        if not is_softmax:
            self._count(Phase.FORWARD, k, C.OUTPUT_WRITE, valid)
        if self._learning and (is_softmax or self.chip.keeps_preactivation(layer)):
            self._count(Phase.FORWARD, k, C.PREACTIVATION_WRITE, valid)
        self.record("q", k, group, q)
        self.record("y", k, group, y)

    def _drop(self, layer: DenseLayer, lanes: slice, outputs: Int64) -> Int64:
        """Drop outputs of a hidden layer while learning; scale them while testing."""
        k, threshold = layer.index, self.chip.learning.dropout
        if not self._learning:
            low, high = layer.output.low, layer.output.high
            if not self.chip.has_table(layer):
                self._count(Phase.FORWARD, k, C.TABLE_READ, len(outputs))
            return np.array([requantise(y * (256 - threshold), 8, low, high) for y in outputs.tolist()], dtype=np.int64)
        word = int(self.state.dropout_registers[k])
        for j in range(lanes.start, lanes.stop):
            word = xorshift(word)
            self._dropped[k][j] = dropped(word, threshold)
        self.state.dropout_registers[k] = word
        self._count(Phase.FORWARD, k, C.RANDOM_WORD, len(outputs))
        return np.where(self._dropped[k][lanes], 0, outputs)

    def _softmax(self) -> None:
        """Outputs of the last layer from all of its pre-activations; made while learning only."""
        output = self.chip.network.output
        k, frac = output.index, output.output.frac
        largest = int(self._q[k].max())
        powers = [int(self._exponentials[largest - q]) for q in self._q[k].tolist()]
        inverse = reciprocal(sum(powers))
        for c, power in enumerate(powers):
            self._codes[k + 1][c] = requantise(power * inverse, 32 - frac, output.output.low, output.output.high)
        self._count(Phase.ERROR, k, C.CYCLES, 2 * output.units + SOFTMAX_DIVIDE)
        for component in (C.TABLE_READ, C.PREACTIVATION_READ):
            self._count(Phase.ERROR, k, component, 2 * output.units)  # for the sum, for the products
        for component in (C.ADD, C.MAC, C.OUTPUT_WRITE):
            self._count(Phase.ERROR, k, component, output.units)
        for group in self._groups(output.units):
            self.record("softmax", k, group, self._codes[k + 1][self._lanes(output, group)])

    # --- activations that a rule may ask for: see rules.base.Datapath ------------------------------------

    def output(self, k: int) -> Signal:
        """See :class:`Datapath`."""
        layers = self.chip.network.layers
        frac = layers[k].output.frac if k >= 0 else layers[0].input.frac
        return Signal(self._codes[k + 1], frac, whole=True, name=("output", k))

    def random_forward(self, k: int, activation: Signal) -> Signal:
        """See :class:`Datapath`."""

        def make() -> tuple[Int64, int]:
            layer, matrix = self.chip.network.layers[k], self.chip.matrix(Kind.FORWARD, k)
            shift = matrix.format.frac + activation.frac - layer.table_frac
            operand = C.INPUT_READ if activation.name == ("output", -1) else C.OUTPUT_READ
            return self._through(matrix, activation.codes, layer, shift, (Phase.FORWARD, operand)), layer.output.frac

        return self._once(("random_forward", k, activation.name), make)

    def _through(
        self,
        matrix: Matrix,
        codes: Int64,
        model: DenseLayer,
        shift: int,
        counted: tuple[Phase, C],
        *,
        bias: bool = True,
        kept: bool = True,
    ) -> Int64:
        """Whole vector f(M · codes); *kept*: it is written to a buffer."""
        outputs = np.zeros(matrix.units, dtype=np.int64)
        for group in self._groups(matrix.units):
            lanes = self._slice(matrix.units, group)
            sums = self._sums(matrix, codes, group, *counted, bias=bias)
            outputs[lanes] = self._table(matrix.layer, sums, model, shift, counted[0])[1]
            if kept:
                self._count(counted[0], matrix.layer, C.OUTPUT_WRITE, lanes.stop - lanes.start)
        return outputs

    def pool(self, k: int, activation: Signal, kind: str) -> Signal:
        """See :class:`Datapath`."""

        def make() -> tuple[Int64, int]:
            codes, wanted = activation.codes.tolist(), self.size(k)
            whole = -(-wanted // len(codes)) * len(codes)
            pooled = np.zeros(wanted, dtype=np.int64)
            for i in range(wanted):
                window = [codes[p % len(codes)] for p in range(i * whole // wanted, -(-(i + 1) * whole // wanted))]
                pooled[i] = max(window) if kind == "max_pool" else mean(sum(window), len(window))
                for component in (C.CYCLES, C.OUTPUT_READ, C.POOL):
                    self._count(Phase.FORWARD, k, component, len(window))
            self._count(Phase.FORWARD, k, C.OUTPUT_WRITE, wanted)
            return pooled, activation.frac

        return self._once(("pool", k, activation.name, kind), make)

    def noise(self, k: int) -> Signal:
        """See :class:`Datapath`."""

        def make() -> tuple[Int64, int]:
            layer, amplitude = self.chip.network.layers[k], self.chip.noise_amplitude(k)
            word = int(self.state.noise_registers[k])
            codes = np.zeros(layer.units, dtype=np.int64)
            for j in range(layer.units):
                word = xorshift(word)
                codes[j] = noise_code(word, amplitude)
            self.state.noise_registers[k] = word
            for component in (C.CYCLES, C.RANDOM_WORD, C.OUTPUT_WRITE):
                self._count(Phase.FEEDBACK, k, component, layer.units)
            return codes, layer.output.frac

        return self._once(("noise", k), make)

    def drive(self, k: int, activation: Signal) -> Signal:
        """See :class:`Datapath`."""

        def make() -> tuple[Int64, int]:
            layer = self.chip.network.layers[k]
            outputs = self._through(
                self.chip.matrices[k],
                activation.codes,
                layer,
                layer.preactivation_shift,
                (Phase.FEEDBACK, C.OUTPUT_READ),
                bias=False,
                kept=False,
            )
            self._count(Phase.FEEDBACK, k, C.ERROR_WRITE, layer.units)
            return outputs - int(self._tables[k][0]), layer.output.frac

        return self._once(("drive", k, activation.name), make)
