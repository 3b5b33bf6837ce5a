"""Learning signals of the traced datapath: errors, projections, f′; what a rule may ask (rules.base.Datapath)."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.traced_base import Signal
from neuro_emu.datapath.traced_forward import TracedForward
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase, Port
from neuro_emu.machine.design import PROJECT_DRAIN, transpose_drain
from neuro_emu.machine.initialise import feedback_amplitude
from neuro_emu.machine.matrices import Kind
from neuro_emu.network import state as st
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import Int64
from neuro_emu.numerics.activations import SOFTMAX
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.ops import align, requantise, saturate, table_address, ternary_sign
from neuro_emu.rules import Need


class TracedSignals(TracedForward):
    """Everything between the output and the first write."""

    def _error_of(self, codes: Int64, layer: int, *, slopes: bool = False) -> tuple[Int64, Int64]:
        """Return e = y* − y and its δ, with f′ if the loss asks for *slopes*; events count with *layer*."""
        output = self.chip.network.output
        error, delta = np.zeros((2, output.units), dtype=np.int64)
        shift = output.output.frac - output.delta.frac + (output.derivative.frac if slopes else 0)
        for c in range(output.units):
            error[c] = self._target[c] - codes[c]
            slope = int(self._slopes[output.index][table_address(int(self._q[output.index][c]))]) if slopes else 1
            aligned = align(int(error[c]) * slope, shift)
            delta[c] = saturate(aligned, output.delta.low, output.delta.high)
            self._tallied(layer, st.DELTA_OVF, delta[c] != aligned)
        self._count(Phase.ERROR, layer, C.ERROR_WRITE, output.units)
        return error, delta

    def _output_error(self) -> None:
        output = self.chip.network.output
        k = output.index
        squared = self.chip.learning.loss == "mse"
        if output.activation == SOFTMAX:
            self._softmax()
        self._error, self._deltas[k] = self._error_of(self._codes[k + 1], k, slopes=squared)
        if squared:
            self._count(Phase.ERROR, k, C.GATE, output.units)
            if self.chip.has_table(output):
                self._count(Phase.ERROR, k, C.DERIVATIVE_READ, output.units)
        for group in self._groups(output.units):
            self.record("error", k, group, self._error[self._lanes(output, group)])
            self.record("delta", k, group, self._deltas[k][self._lanes(output, group)])

    def _gate_open(self) -> bool:
        threshold = self.chip.learning.error_gate
        return threshold is None or bool(self._error[self._label] > threshold)

    def label_row(self, k: int) -> Signal:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        assert layer.feedback is not None
        self._count(Phase.ERROR, k, C.CYCLES)
        self._count(Phase.ERROR, k, C.FEEDBACK_READ)
        codes = self.state.feedback[k][self._label, self._lanes(layer, self._group)].astype(np.int64)
        self.record("signal", k, self._group, codes)
        return Signal(codes, layer.feedback.frac)

    def error(self) -> Signal:
        """See :class:`Datapath`."""
        return self.delta(self.last)

    def delta(self, k: int) -> Signal:
        """See :class:`Datapath`."""
        return Signal(self._deltas[k], self.chip.network.layers[k].delta.frac, whole=True, name=("delta", k))

    def error_sign(self) -> Signal:
        """See :class:`Datapath`."""
        dead_zone = self.chip.learning.sign_dead_zone
        signs = [ternary_sign(int(e), dead_zone) for e in self._error]
        return Signal(np.array(signs, dtype=np.int64), 0, whole=True, name=("error_sign",))

    def local_error(self, k: int) -> Signal:
        """See :class:`Datapath`."""

        def make() -> tuple[Int64, int]:
            output, matrix = self.chip.network.output, self.chip.matrix(Kind.CLASSIFIER, k)
            shift = matrix.format.frac + self.chip.network.layers[k].output.frac - output.table_frac
            counted = (Phase.FORWARD, C.OUTPUT_READ)
            outputs = self._through(matrix, self._codes[k + 1], output, shift, counted, kept=False)
            return self._error_of(outputs, k)[1], output.delta.frac

        return self._once(("local_error", k), make)

    def project(self, k: int, signal: Signal) -> Signal:
        """See :class:`Datapath`."""
        layer, feedback = self.chip.network.layers[k], self.state.feedback[k]
        assert layer.feedback is not None
        lanes = self._lanes(layer, self._group)
        if self.chip.plan.feedback[k].twin:
            return self._transposed(k, signal, feedback[:, lanes].T.astype(np.int64), layer.feedback, C.MAC, twin=True)
        sums = np.zeros(lanes.stop - lanes.start, dtype=np.int64)
        for c in range(len(signal.codes)):
            for component in (C.CYCLES, C.FEEDBACK_READ, C.ERROR_READ):
                self._count(Phase.ERROR, k, component)
            self._count(Phase.ERROR, k, C.ADD if signal.name == ("error_sign",) else C.MAC, len(sums))
            sums += feedback[c, lanes].astype(np.int64) * int(signal.codes[c])
        self._count(Phase.ERROR, k, C.CYCLES, PROJECT_DRAIN)
        return self._projection(layer, sums, layer.feedback.frac + signal.frac)

    def _projection(self, layer: DenseLayer, sums: Int64, frac: int) -> Signal:
        """Bring exact sums of the present group to the projection format."""
        k = layer.index
        self.record("projected", k, self._group, sums)
        projected = np.zeros_like(sums)
        for lane, total in enumerate(sums.tolist()):
            aligned = align(total, frac - layer.projection.frac)
            projected[lane] = saturate(aligned, layer.projection.low, layer.projection.high)
            self._tallied(k, st.PROJECTION_OVF, projected[lane] != aligned)
        self.record("projection", k, self._group, projected)
        return Signal(projected, layer.projection.frac)

    def _transposed(
        self, k: int, signal: Signal, rows: Int64, storage: Format, operation: C, *, twin: bool = False
    ) -> Signal:
        """Rows (lanes, n_{k+1}) of a matrix that lies like W_{k+1}, each reduced across the lanes."""
        layer, above = self.chip.network.layers[k], self.chip.network.layers[k + 1]
        sums = np.zeros(len(rows), dtype=np.int64)
        for group in self._groups(above.units):
            part = self._lanes(above, group)
            self._count(Phase.ERROR, k, C.CYCLES)
            self._count(Phase.ERROR, k, C.ERROR_READ, part.stop - part.start)
            for lane, row in enumerate(rows):
                self._count(Phase.ERROR, k, C.CYCLES)
                self._count(Phase.ERROR, k, operation, part.stop - part.start)
                sums[lane] += int(row[part] @ signal.codes[part])
                if twin:
                    self._count(Phase.ERROR, k, C.FEEDBACK_READ)
                else:
                    self._read_transposed(k, group, self._group * self.chip.design.lanes + lane)
        self._count(Phase.ERROR, k, C.CYCLES, transpose_drain(self.chip.design.lanes))
        if operation is C.ADD:
            sums *= feedback_amplitude(self.chip, layer)
        return self._projection(layer, sums, storage.frac + signal.frac)

    def _read_transposed(self, k: int, group: int, row: int) -> None:
        bank = (group * self.chip.network.layers[k + 1].rows + row) % self.chip.design.weight_banks
        self.counts.access(Phase.ERROR, k + 1, Port.WEIGHT_READ, bank)

    def transpose(self, k: int, signal: Signal) -> Signal:
        """See :class:`Datapath`."""
        lanes = self._lanes(self.chip.network.layers[k], self._group)
        rows = self.state.weights[k + 1][lanes].astype(np.int64)
        return self._transposed(k, signal, rows, self.chip.network.layers[k + 1].weight, C.MAC)

    def transpose_sign(self, k: int, signal: Signal) -> Signal:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        assert layer.feedback is not None
        weights = self.state.weights[k + 1][self._lanes(layer, self._group)]
        rows = np.array([[ternary_sign(int(w), 0) for w in row] for row in weights], dtype=np.int64)
        return self._transposed(k, signal, rows, layer.feedback, C.ADD)

    def gate(self, k: int, signal: Signal) -> Signal:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        lanes = self._lanes(layer, self._group)
        codes = self._of_group(signal, layer.units)
        valid = len(codes)
        shift = signal.frac + layer.derivative.frac - layer.delta.frac
        delta = np.zeros(valid, dtype=np.int64)
        for lane, q in enumerate(self._q[k][lanes].tolist()):
            kept = not self._dropped[k][lanes.start + lane]
            product = int(codes[lane]) * int(self._slopes[k][table_address(q)]) * kept
            delta[lane] = requantise(product, shift, layer.delta.low, layer.delta.high)
            self._tallied(k, st.DELTA_OVF, delta[lane] != align(product, shift))
        self._count(Phase.ERROR, k, C.GATE, valid)
        if self.chip.keeps_preactivation(layer):
            self._count(Phase.ERROR, k, C.PREACTIVATION_READ, valid)
        if self.chip.has_table(layer):
            self._count(Phase.ERROR, k, C.DERIVATIVE_READ, valid)
            self._count(Phase.ERROR, k, C.CYCLES, -(-valid // self.chip.design.activation_units))
        else:
            self._count(Phase.ERROR, k, C.CYCLES)
        if self.chip.learning.rule.need is Need.CHAIN:
            self._count(Phase.ERROR, k, C.ERROR_WRITE, valid)
        self._deltas[k][lanes] = delta
        self.record("delta", k, self._group, delta)
        return Signal(delta, layer.delta.frac)
