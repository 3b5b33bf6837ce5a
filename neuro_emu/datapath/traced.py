"""The traced datapath: the same integers as the compiled one, group by group and row by row.

Slow on purpose: every access goes through a counted port and every intermediate value can be recorded. The rule's body
is executed once per group, as the hardware would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neuro_emu.datapath.program import record as record_program
from neuro_emu.datapath.words import WordTap
from neuro_emu.kernels.plain import accumulate_row, update_row, wrap_sums
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Phase, Port
from neuro_emu.machine.design import PIPELINE_DRAIN, PROJECT_DRAIN, ZeroInput
from neuro_emu.machine.ports import UpdatePass
from neuro_emu.network import state as st
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState, Int64, Tally
from neuro_emu.numerics.ops import align, requantise, saturate, table_address, ternary_sign
from neuro_emu.numerics.tables import activation_table, derivative_table
from neuro_emu.rules import Datapath, Need, learn_output


@dataclass(frozen=True)
class Signal:
    """A vector of codes: the neurons of the present group, or the classes of the output error."""

    codes: Int64
    frac: int
    of_output: bool = False


Record = Callable[[str, int, int, Int64], None]
"""Called as record(what, layer, group, codes) for every intermediate vector."""


def _ignore(*_: object) -> None: ...


class TracedDatapath:
    """Executes a chip sample by sample.

    Args:
        chip: what to emulate.
        state: where to start; copied.
        record: receives every intermediate vector: input, label, z, q, y, error, delta, signal, projection and its
            exact sum (projected); sums that left an accumulator's range, exact (overflowed); per updated group the
            lanes' deltas (lanes), shift, weights (held) and mini-batch sums (gradients) before a write, (rows, lanes),
            its stalls if any (stalled) and its end (updated, empty); per row its words and what is written: weights,
            kept (a row of code 0 written back) or sums (of a mini-batch); samples of a mini-batch to write (batch).

    Attributes:
        row: row of the weight matrix that is being updated.
        state: the present state.
        counts: of training samples; ``inference_counts`` of the others.
        tally: overflows and zero updates; ``inference_tally`` likewise.

    """

    def __init__(self, chip: Chip, state: ChipState, record: Record = _ignore) -> None:
        record_program(chip)  # refuses the rule bodies that the compiled datapath refuses
        self.chip = chip
        self.state = state.copy()
        self.record = record
        layers = chip.network.layers
        self.counts = Counts(len(layers), chip.design.weight_banks)
        self.inference_counts = Counts(len(layers), chip.design.weight_banks)
        self.tally = Tally.empty(len(layers))
        self.inference_tally = Tally.empty(len(layers))
        self._tables = [activation_table(la.activation, la.table_frac, la.output) for la in layers]
        self._slopes = [derivative_table(la.activation, la.table_frac) for la in layers]
        self._words = WordTap(chip, self.state)
        self._codes: list[Int64] = []
        self._q = [np.zeros(la.units, dtype=np.int64) for la in layers]
        self._z = [np.zeros(la.units, dtype=np.int64) for la in layers]
        self._learning = False
        self._label = self._group = self.row = 0

    # --- one sample ---------------------------------------------------------------------------------

    def train(self, codes: Int64, label: int) -> int:
        """Learn from one sample of input codes (inputs,); returns the prediction made before learning."""
        self._begin(codes, learning=True)
        self._label = label
        self.record("label", self.chip.network.output.index, 0, np.array([label], dtype=np.int64))
        network, need = self.chip.network, self.chip.need
        self._words = WordTap(self.chip, self.state)
        for layer in network.layers:
            for group in range(self.chip.design.groups(layer.units)):
                self._forward(layer, group)
                if layer is not network.output and need is Need.LABEL:
                    self._learn(layer, group)
        self._output_error()
        is_open = self._gate_open()
        deferred = self.chip.training_order if need is Need.ERROR else (network.output.index,)
        for k in deferred:
            layer = network.layers[k]
            if layer is network.output or is_open:
                for group in range(self.chip.design.groups(layer.units)):
                    self._learn(layer, group)
        self._end_sample()
        return self._prediction()

    def infer(self, codes: Int64) -> int:
        """Return the prediction for one sample of input codes (inputs,)."""
        self._begin(codes, learning=False)
        for layer in self.chip.network.layers:
            for group in range(self.chip.design.groups(layer.units)):
                self._forward(layer, group)
        return self._prediction()

    def end_epoch(self) -> None:
        """Apply a short last batch."""
        if self.state.batch_fill:
            self._learning = True
            self._apply_batch()
        self.state.epoch += 1

    def _begin(self, codes: Int64, *, learning: bool) -> None:
        self._learning = learning
        inputs = self.chip.network.inputs
        self._count(Phase.LOAD, 0, C.CYCLES, inputs)
        self._count(Phase.LOAD, 0, C.INPUT_WRITE, inputs)
        units = [la.units for la in self.chip.network.layers]
        self._codes = [np.asarray(codes, dtype=np.int64), *(np.zeros(n, dtype=np.int64) for n in units)]
        self.record("input", 0, 0, self._codes[0])

    def _count(self, phase: Phase, layer: int, component: C, count: int = 1) -> None:
        counts = self.counts if self._learning else self.inference_counts
        counts.add(phase, layer, component, count)

    def _tallied(self, layer: int, event: int, count: int) -> None:
        tally = self.tally if self._learning else self.inference_tally
        tally.events[layer, event] += count

    def _prediction(self) -> int:
        return int(np.argmax(self._z[-1]))  # the first of equal maxima

    def _lanes(self, layer: DenseLayer, group: int) -> slice:
        first = group * self.chip.design.lanes
        return slice(first, first + self.chip.design.valid(layer.units, group))

    def _input(self, layer: DenseLayer, row: int) -> int:
        return layer.bias_code if row == layer.inputs else int(self._codes[layer.index][row])

    def _row_slots(self, layer: DenseLayer) -> list[tuple[int, bool]]:
        """(row, accessed) of every row slot that takes a cycle, by the zero-input mode."""
        mode, slots = self.chip.design.zero_input, []
        for row in range(layer.rows):
            active = row == layer.inputs or self._input(layer, row) != 0
            if active or mode is not ZeroInput.SKIP:
                slots.append((row, active or mode is ZeroInput.NONE))
        return slots

    def _operand_read(self, phase: Phase, layer: DenseLayer, row: int) -> None:
        if row != layer.inputs:
            self._count(phase, layer.index, C.INPUT_READ if layer.index == 0 else C.OUTPUT_READ)

    # --- forward ------------------------------------------------------------------------------------

    def _forward(self, layer: DenseLayer, group: int) -> None:
        k, lanes = layer.index, self._lanes(layer, group)
        numerics, counts = self.chip.numerics, self.counts if self._learning else self.inference_counts
        high, mode = numerics.accumulator_high, numerics.accumulator_overflow.code
        sums = np.zeros(lanes.stop - lanes.start, dtype=np.int64)
        for row, accessed in self._row_slots(layer):
            self._count(Phase.FORWARD, k, C.CYCLES)
            self._operand_read(Phase.FORWARD, layer, row)
            if accessed:
                bank = (group * layer.rows + row) % self.chip.design.weight_banks
                counts.access(Phase.FORWARD, k, Port.WEIGHT_READ, bank)
                self._count(Phase.FORWARD, k, C.MAC, len(sums))
                weights, x, before = self.state.weights[k][row, lanes], self._input(layer, row), sums.copy()
                if clamped := accumulate_row(sums, weights, x, -high - 1, high, mode):
                    self._tallied(k, st.ACCUMULATOR_OVF, clamped)
                    self.record("overflowed", k, group, before + weights.astype(np.int64) * x)
        self._count(Phase.FORWARD, k, C.CYCLES, PIPELINE_DRAIN)
        exact = sums.copy()
        if wrapped := wrap_sums(sums, -high - 1, high, mode):
            self._tallied(k, st.ACCUMULATOR_OVF, wrapped)
            self.record("overflowed", k, group, exact)
        self._z[k][lanes] = sums
        self.record("z", k, group, sums)
        self._activate(layer, group)

    def _activate(self, layer: DenseLayer, group: int) -> None:
        k, lanes = layer.index, self._lanes(layer, group)
        valid = lanes.stop - lanes.start
        for j in range(lanes.start, lanes.stop):
            aligned = align(int(self._z[k][j]), layer.preactivation_shift)
            q = saturate(aligned, -128, 127)
            self._tallied(k, st.PREACTIVATION_OVF, q != aligned)
            self._q[k][j] = q
            self._codes[k + 1][j] = self._tables[k][table_address(q)]
        self._count(Phase.FORWARD, k, C.CYCLES, -(-valid // self.chip.design.activation_units) + 1)
        self._count(Phase.FORWARD, k, C.OUTPUT_WRITE, valid)
        if self.chip.has_table(layer):
            self._count(Phase.FORWARD, k, C.TABLE_READ, valid)
        if self._learning and self.chip.keeps_preactivation(layer):
            self._count(Phase.FORWARD, k, C.PREACTIVATION_WRITE, valid)
        self.record("q", k, group, self._q[k][lanes])
        self.record("y", k, group, self._codes[k + 1][lanes])

    def _output_error(self) -> None:
        output = self.chip.network.output
        k, shift = output.index, output.output.frac - output.delta.frac
        self._error, self._delta_output = np.zeros((2, output.units), dtype=np.int64)
        for c in range(output.units):
            target = self.chip.network.hot if c == self._label else 0
            self._error[c] = target - self._codes[k + 1][c]
            aligned = align(int(self._error[c]), shift)
            self._delta_output[c] = saturate(aligned, output.delta.low, output.delta.high)
            self._tallied(k, st.DELTA_OVF, self._delta_output[c] != aligned)
        for group in range(self.chip.design.groups(output.units)):
            self._count(Phase.ERROR, k, C.ERROR_WRITE, self.chip.design.valid(output.units, group))
            self.record("error", k, group, self._error[self._lanes(output, group)])
            self.record("delta", k, group, self._delta_output[self._lanes(output, group)])

    def _gate_open(self) -> bool:
        threshold = self.chip.learning.error_gate
        return threshold is None or bool(self._error[self._label] > threshold)

    # --- what a rule may ask: see rules.base.Datapath -------------------------------------------------

    def _learn(self, layer: DenseLayer, group: int) -> None:
        self._group = group
        datapath: Datapath[Signal] = self
        if layer is self.chip.network.output:
            learn_output(datapath, layer.index)
        else:
            self.chip.learning.rule.learn(datapath, layer.index)

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
        return Signal(self._delta_output, self.chip.network.output.delta.frac, of_output=True)

    def error_sign(self) -> Signal:
        """See :class:`Datapath`."""
        dead_zone = self.chip.learning.sign_dead_zone
        signs = [ternary_sign(int(e), dead_zone) for e in self._error]
        return Signal(np.array(signs, dtype=np.int64), 0, of_output=True)

    def project(self, k: int, signal: Signal) -> Signal:
        """See :class:`Datapath`."""
        layer, classes = self.chip.network.layers[k], self.chip.network.classes
        assert layer.feedback is not None
        lanes = self._lanes(layer, self._group)
        sums = np.zeros(lanes.stop - lanes.start, dtype=np.int64)
        for c in range(classes):
            for component in (C.CYCLES, C.FEEDBACK_READ, C.ERROR_READ):
                self._count(Phase.ERROR, k, component)
            self._count(Phase.ERROR, k, C.MAC, len(sums))
            sums += self.state.feedback[k][c, lanes].astype(np.int64) * int(signal.codes[c])
        self._count(Phase.ERROR, k, C.CYCLES, PROJECT_DRAIN)
        self.record("projected", k, self._group, sums)
        projected = np.zeros_like(sums)
        for lane, total in enumerate(sums.tolist()):
            aligned = align(total, layer.feedback.frac + signal.frac - layer.projection.frac)
            projected[lane] = saturate(aligned, layer.projection.low, layer.projection.high)
            self._tallied(k, st.PROJECTION_OVF, projected[lane] != aligned)
        self.record("projection", k, self._group, projected)
        return Signal(projected, layer.projection.frac)

    def gate(self, k: int, signal: Signal) -> Signal:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        lanes = self._lanes(layer, self._group)
        valid = len(signal.codes)
        shift = signal.frac + layer.derivative.frac - layer.delta.frac
        delta = np.zeros(valid, dtype=np.int64)
        for lane, q in enumerate(self._q[k][lanes].tolist()):
            product = int(signal.codes[lane]) * int(self._slopes[k][table_address(q)])
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
        self.record("delta", k, self._group, delta)
        return Signal(delta, layer.delta.frac)

    def update(self, k: int, delta: Signal) -> None:
        """See :class:`Datapath`."""
        layer = self.chip.network.layers[k]
        lanes, codes = self._lanes(layer, self._group), delta.codes
        if delta.of_output:
            codes = codes[lanes]
            self._count(Phase.ERROR, k, C.CYCLES)
            self._count(Phase.ERROR, k, C.ERROR_READ, len(codes))
        batch = self.chip.learning.batch > 1
        ports = (Port.GRADIENT_READ, Port.GRADIENT_WRITE) if batch else (Port.WEIGHT_READ, Port.WEIGHT_WRITE)
        self.record("lanes", k, self._group, codes)
        if not batch:
            self._begin_writing(layer)
        update = UpdatePass(self.chip.design.weight_banks)
        for row, accessed in self._row_slots(layer):
            self.row = row
            self._operand_read(Phase.UPDATE, layer, row)
            if not accessed:
                update.idle()
                continue
            bank = update.row(self._group * layer.rows + row)
            for port in ports:
                self.counts.access(Phase.UPDATE, k, port, bank)
            self._count(Phase.UPDATE, k, C.MAC if batch else C.UPDATE, len(codes))
            x = self._input(layer, row)
            if x == 0 and row != layer.inputs:  # accessed for nothing: written back unchanged, no word drawn
                stored = self.state.gradients[k] if batch else self.state.weights[k]
                self.record("kept", k, self._group, stored[row, lanes].astype(np.int64))
            elif batch:
                self.state.gradients[k][row, lanes] += codes * x
                self.record("sums", k, self._group, self.state.gradients[k][row, lanes].copy())
            else:
                self._write(layer, row, codes * x)
        self._end_update(k, update)

    # --- writing weights ------------------------------------------------------------------------------

    def _begin_writing(self, layer: DenseLayer) -> None:
        k, lanes = layer.index, self._lanes(layer, self._group)
        self._words.begin(k, self._group)
        self.record("shift", k, self._group, np.array([self.chip.update_shift(layer, self.state.epoch)]))
        self.record("held", k, self._group, self.state.weights[k][:, lanes].astype(np.int64))

    def _end_update(self, k: int, update: UpdatePass) -> None:
        self._count(Phase.UPDATE, k, C.CYCLES, update.cycles)
        self._count(Phase.UPDATE, k, C.STALLS, update.stalls)
        if update.stalls:
            self.record("stalled", k, self._group, np.array([update.stalls]))
        self.record("updated", k, self._group, np.zeros(0, dtype=np.int64))

    def _write(self, layer: DenseLayer, row: int, products: Int64) -> None:
        k, lanes, numerics = layer.index, self._lanes(layer, self._group), self.chip.numerics
        words = self._words.words(k, self._group, len(products))
        shift = self.chip.update_shift(layer, self.state.epoch)
        rounding, overflow = numerics.update_rounding.code, numerics.overflow.code
        settings = np.array([shift, rounding, layer.weight.low, layer.weight.high, overflow])
        counts = np.zeros(2, dtype=np.int64)
        weights = self.state.weights[k][row, lanes]
        update_row(weights, products, words, settings, counts)
        self._tallied(k, st.UPDATES, len(products))
        self._tallied(k, st.ZERO_UPDATES, int(counts[0]))
        self._tallied(k, st.WEIGHT_OVF, int(counts[1]))
        if self._words.draws:
            self._count(Phase.UPDATE, k, C.RANDOM_WORD)
            self.record("words", k, self._group, words)
        self.record("weights", k, self._group, weights.astype(np.int64))

    def _end_sample(self) -> None:
        if self.chip.learning.batch > 1:
            self.state.batch_fill += 1
            if self.state.batch_fill == self.chip.learning.batch:
                self._apply_batch()

    def _apply_batch(self) -> None:
        self._words = WordTap(self.chip, self.state)
        self.record("batch", self.chip.network.output.index, 0, np.array([self.state.batch_fill]))
        for k in self.chip.training_order:
            layer = self.chip.network.layers[k]
            if layer is not self.chip.network.output and self.chip.learning.rule.need is Need.NOTHING:
                continue
            for group in range(self.chip.design.groups(layer.units)):
                self._apply_group(layer, group)
            self.state.gradients[k][:] = 0
        self.state.batch_fill = 0

    def _apply_group(self, layer: DenseLayer, group: int) -> None:
        k, lanes = layer.index, self._lanes(layer, group)
        self._group = group
        self._begin_writing(layer)
        self.record("gradients", k, group, self.state.gradients[k][:, lanes])
        update = UpdatePass(self.chip.design.weight_banks)
        for row in range(layer.rows):
            self.row = row
            bank = update.row(group * layer.rows + row)
            for port in Port:
                self.counts.access(Phase.UPDATE, k, port, bank)
            self._count(Phase.UPDATE, k, C.UPDATE, lanes.stop - lanes.start)
            self._write(layer, row, self.state.gradients[k][row, lanes])
        self._end_update(k, update)
