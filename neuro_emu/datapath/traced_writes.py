"""Writes of the traced datapath: updates, twins, learned feedback, mini-batches, decay; row by row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neuro_emu.datapath.traced_base import Signal
from neuro_emu.datapath.traced_signals import TracedSignals
from neuro_emu.datapath.words import WordTap
from neuro_emu.kernels.plain import decay_row, norm_factors, normalise_row, update_row, velocity_row
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase, Port
from neuro_emu.machine.design import NORM_DIVIDE, PIPELINE_DRAIN
from neuro_emu.machine.matrices import Kind, Matrix, codes_of, put_codes
from neuro_emu.machine.plan import WRITES
from neuro_emu.machine.ports import UpdatePass
from neuro_emu.network import state as st
from neuro_emu.network.state import Int64
from neuro_emu.numerics.ops import velocity_sum
from neuro_emu.rules import Need

_OPERAND = {Kind.WEIGHTS: C.OUTPUT_READ, Kind.CLASSIFIER: C.OUTPUT_READ, Kind.FEEDBACK: C.ERROR_READ}


class TracedWrites(TracedSignals):
    """Everything that a sample changes."""

    _queue: list[tuple[int, int, int, Callable[[], None]]]
    _mirroring: bool

    # --- what a rule may ask: see rules.base.Datapath -------------------------------------------------

    def update(self, k: int, delta: Signal, activation: Signal | None = None, *, twin: bool = False) -> None:
        """See :class:`Datapath`."""
        del twin  # the plan says so too
        layer, matrix = self.chip.network.layers[k], self.chip.matrices[k]
        inputs = self._codes[k] if activation is None else activation.codes
        codes = self._of_group(delta, layer.units)
        chained = self.chip.learning.rule.need is Need.CHAIN

        def write() -> None:
            if delta.whole or chained:
                self._count(Phase.ERROR, k, C.CYCLES)
                self._count(Phase.ERROR, k, C.ERROR_READ, len(codes))
            self._write_group(matrix, inputs, codes)

        if chained:
            self._later("update", k, write)
        else:
            write()

    def learn_feedback(self, k: int, signal: Signal, activation: Signal) -> None:
        """See :class:`Datapath`."""
        matrix = self.chip.matrix(Kind.FEEDBACK, k)
        codes = self._of_group(activation, matrix.units)

        def write() -> None:
            self._count(Phase.FEEDBACK, k, C.CYCLES)
            self._count(Phase.FEEDBACK, k, C.OUTPUT_READ, len(codes))
            self._write_group(matrix, signal.codes, codes)

        self._later("learn_feedback", k, write)

    def learn_local(self, k: int) -> None:
        """See :class:`Datapath`."""
        if self._group:
            return  # the body runs once a group of layer k, the classifier has groups of its own
        matrix, error = self.chip.matrix(Kind.CLASSIFIER, k), self.local_error(k)

        def write() -> None:
            for group in self._groups(matrix.units):
                self._group = group
                codes = self._of_group(error, matrix.units)
                self._count(Phase.ERROR, k, C.CYCLES)
                self._count(Phase.ERROR, k, C.ERROR_READ, len(codes))
                self._write_group(matrix, self._codes[k + 1], codes)

        self._later("learn_local", k, write)

    def _later(self, op: str, k: int, write: Callable[[], None]) -> None:
        self._queue.append((self.chip.training_order.index(k), WRITES.index(op), self._group, write))

    def _carry_out(self) -> None:
        """Carry out what was put off: layers in their order, W before L before B, groups ascending."""
        for _, _, group, write in sorted(self._queue, key=lambda entry: entry[:3]):
            self._group = group
            write()
        self._queue = []

    # --- one group ------------------------------------------------------------------------------------

    def _phase(self, matrix: Matrix) -> Phase:
        return Phase.FEEDBACK if matrix.kind in {Kind.FEEDBACK, Kind.TWIN} else Phase.UPDATE

    def _write_group(self, matrix: Matrix, inputs: Int64, codes: Int64) -> None:
        """Update the lanes of the present group of a matrix, or add to its mini-batch sums."""
        k, phase, lanes = matrix.layer, self._phase(matrix), self._slice(matrix.units, self._group)
        batch = self.chip.learning.sums and not self._mirroring
        self.record("lanes", k, self._group, codes)
        if not batch:
            self._begin_writing(matrix)
        operand = C.INPUT_READ if matrix.index == 0 else _OPERAND[matrix.kind]
        update = UpdatePass(self.chip.design.weight_banks)
        for row, x, accessed in self._row_slots(inputs, matrix):
            self.row = row
            self._operand_read(phase, k, row, matrix, operand)
            if not accessed:
                update.idle()
                continue
            bank = update.row(self._group * matrix.rows + row)
            self._access(matrix, row, bank, sums=batch, stored=not batch, count=len(codes))
            self._count(phase, k, C.MAC if batch else C.UPDATE, len(codes))
            if x == 0 and not (matrix.biased and row == matrix.rows - 1):
                # accessed for nothing: written back unchanged, no word drawn
                kept = self.state.gradients[matrix.index] if batch else codes_of(self.state, matrix)
                self.record("kept", k, self._group, kept[row, lanes].astype(np.int64))
            elif batch:
                sums = self.state.gradients[matrix.index]
                sums[row, lanes] += codes * x
                self.record("sums", k, self._group, sums[row, lanes].copy())
            else:
                self._write(matrix, row, codes * x)
        self._end_update(matrix, update)

    def _access(self, matrix: Matrix, row: int, bank: int, *, sums: bool, stored: bool, count: int) -> None:
        """Count reading and writing back one word of a matrix, of its sums, and of its twin with it."""
        k, phase = matrix.layer, self._phase(matrix)
        if sums:
            for port in (Port.GRADIENT_READ, Port.GRADIENT_WRITE):
                self.counts.access(phase, k, port, bank)
        if not stored:
            return
        if matrix.kind is Kind.FEEDBACK:
            self._count(phase, k, C.FEEDBACK_READ)
            self._count(phase, k, C.FEEDBACK_WRITE)
        else:
            for port in (Port.WEIGHT_READ, Port.WEIGHT_WRITE):
                self.counts.access(phase, k, port, bank)
        if twin := self._twin_of(matrix, row):
            self._count(Phase.FEEDBACK, twin.layer, C.FEEDBACK_READ)
            self._count(Phase.FEEDBACK, twin.layer, C.FEEDBACK_WRITE)
            self._count(Phase.FEEDBACK, twin.layer, C.SHARED_UPDATE, count)

    def _twin_of(self, matrix: Matrix, row: int) -> Matrix | None:
        k = matrix.layer
        if matrix.kind is not Kind.WEIGHTS or k == 0 or row == matrix.rows - 1:
            return None
        return self.chip.matrix(Kind.TWIN, k - 1) if self.chip.plan.feedback[k - 1].twin else None

    def _begin_writing(self, matrix: Matrix) -> None:
        k, lanes = matrix.layer, self._slice(matrix.units, self._group)
        self._words.begin(matrix.index, self._group)
        self.record("shift", k, self._group, np.array([self.chip.shift_of(matrix, self.state.epoch)]))
        self.record("held", k, self._group, codes_of(self.state, matrix)[:, lanes].astype(np.int64))

    def _end_update(self, matrix: Matrix, update: UpdatePass) -> None:
        k, phase = matrix.layer, self._phase(matrix)
        self._count(phase, k, C.CYCLES, update.cycles)
        self._count(phase, k, C.STALLS, update.stalls)
        if update.stalls:
            self.record("stalled", k, self._group, np.array([update.stalls]))
        self.record("updated", k, self._group, np.zeros(0, dtype=np.int64))

    def _write(self, matrix: Matrix, row: int, products: Int64) -> None:
        k, lanes = matrix.layer, self._slice(matrix.units, self._group)
        words = self._words.words(matrix.index, self._group, len(products))
        shift = self.chip.shift_of(matrix, self.state.epoch)
        if self.chip.has_velocity(matrix):
            products, shift = self._accelerate(matrix, row, products, words)
            words = self._words.words(matrix.index, self._group, len(products))
            if self._words.draws:
                self._count(self._phase(matrix), k, C.RANDOM_WORD)
        stored = self._add_steps(matrix, row, lanes, products, words, shift)
        if twin := self._twin_of(matrix, row):
            self._add_steps(twin, row, lanes, products, words, shift)
        if self._words.draws:
            self._count(self._phase(matrix), k, C.RANDOM_WORD)
            self.record("words", k, self._group, words)
        self.record("weights", k, self._group, stored)

    def _accelerate(self, matrix: Matrix, row: int, sums: Int64, words: Int64) -> tuple[Int64, int]:
        """Update the velocities of one row of a group; returns what is added to the weights, and its shift."""
        momentum, lanes, phase = (
            self.chip.learning.momentum,
            self._slice(matrix.units, self._group),
            self._phase(matrix),
        )
        assert momentum
        inner, outer = self.chip.velocity_shifts(matrix, self.state.epoch)
        velocity = self.state.velocities[matrix.index]
        held = velocity[row, lanes].copy()
        low, high, rounding = momentum.velocity.low, momentum.velocity.high, self.chip.numerics.update_rounding.code
        velocity_row(held, sums, words, np.array([momentum.shift, inner, rounding, low, high]))
        velocity[row, lanes] = held
        bank = (self._group * matrix.rows + row) % self.chip.design.weight_banks
        for port in (Port.VELOCITY_READ, Port.VELOCITY_WRITE):
            self.counts.access(phase, matrix.layer, port, bank)
        self._count(phase, matrix.layer, C.VELOCITY, len(held))
        self.record("velocity", matrix.layer, self._group, held.astype(np.int64))
        if not momentum.nesterov:
            return held.astype(np.int64), outer
        ahead = [velocity_sum(v, g, momentum.shift, inner) for v, g in zip(held.tolist(), sums.tolist(), strict=True)]
        return np.array(ahead, dtype=np.int64), max(momentum.shift, inner) + outer

    def _add_steps(self, matrix: Matrix, row: int, lanes: slice, products: Int64, words: Int64, shift: int) -> Int64:
        """Add rounded products to one row of one group; returns what is stored now."""
        numerics, learned = self.chip.numerics, matrix.kind in {Kind.FEEDBACK, Kind.TWIN}
        rounding, overflow = numerics.update_rounding.code, numerics.overflow.code
        settings = np.array([shift, rounding, matrix.format.low, matrix.format.high, overflow])
        counts = np.zeros(2, dtype=np.int64)
        codes = codes_of(self.state, matrix)
        held = codes[row, lanes].copy()
        update_row(held, products, words, settings, counts)
        codes[row, lanes] = held
        if matrix.kind is Kind.TWIN:
            put_codes(self.state, matrix, codes)
        self._tallied(matrix.layer, st.FEEDBACK_UPDATES if learned else st.UPDATES, len(products))
        self._tallied(matrix.layer, st.FEEDBACK_ZERO_UPDATES if learned else st.ZERO_UPDATES, int(counts[0]))
        self._tallied(matrix.layer, st.FEEDBACK_OVF if learned else st.WEIGHT_OVF, int(counts[1]))
        return held.astype(np.int64)

    # --- after the samples of a mini-batch, or every so many updates ---------------------------------------

    def _apply_batch(self) -> None:
        self._words = WordTap(self.chip, self.state)
        self.record("batch", self.last, 0, np.array([self.state.batch_fill]))
        for matrix in self._summed():
            for group in self._groups(matrix.units):
                self._group = group
                self._apply_group(matrix)
            self.state.gradients[matrix.index][:] = 0
        self.state.batch_fill = 0

    def _summed(self) -> list[Matrix]:
        """Matrices with mini-batch sums in the order in which they are written."""
        ranks = {Kind.WEIGHTS: 0, Kind.CLASSIFIER: 1, Kind.FEEDBACK: 2}
        order = self.chip.training_order
        found = [m for m in self.chip.matrices if self.chip.sums_gradients(m)]
        return sorted(found, key=lambda m: (order.index(m.layer), ranks[m.kind]))

    def _apply_group(self, matrix: Matrix) -> None:
        k, lanes, sums = matrix.layer, self._slice(matrix.units, self._group), self.state.gradients[matrix.index]
        self._begin_writing(matrix)
        self.record("gradients", k, self._group, sums[:, lanes])
        update = UpdatePass(self.chip.design.weight_banks)
        for row in range(matrix.rows):
            self.row = row
            bank = update.row(self._group * matrix.rows + row)
            self._access(matrix, row, bank, sums=True, stored=True, count=lanes.stop - lanes.start)
            self._count(self._phase(matrix), k, C.UPDATE, lanes.stop - lanes.start)
            self._write(matrix, row, sums[row, lanes].copy())
        self._end_update(matrix, update)

    def _written(self) -> None:
        """Count an update, and decay when it is time."""
        self.state.updates += 1
        learning = self.chip.learning
        if (decay := learning.weight_decay) and self.state.updates % decay.every == 0:
            for matrix in self.chip.matrices[0 if decay.first_layer else 1 : self.last + 1]:
                self._decay(matrix, decay.shift_at(self.state.epoch))
        if not self.chip.plan.mirror:
            self._decay_feedback(self.state.updates)
        if (norm := learning.weight_norm) and self.state.updates % norm.every == 0:
            for matrix in self.chip.matrices[: self.last + 1]:
                self._normalise(matrix, norm.code(matrix.format))

    def _normalise(self, matrix: Matrix, gamma: int) -> None:
        """Bring the incoming weights of every neuron to the norm *gamma*; the bias row is kept."""
        self._words = WordTap(self.chip, self.state)
        rows, k, weights = matrix.rows - 1, matrix.layer, self.state.weights[matrix.layer]
        rounding = self.chip.numerics.update_rounding.code
        settings = np.array([gamma, rounding, matrix.format.low, matrix.format.high])
        for group in self._groups(matrix.units):
            self._group = group
            lanes = self._slice(matrix.units, group)
            count, first = lanes.stop - lanes.start, group * matrix.rows
            factors, short = np.zeros((2, count), dtype=np.int64)
            norm_factors((weights[:rows, lanes].astype(np.int64) ** 2).sum(axis=0), gamma, factors)
            self._words.begin(matrix.index, group)
            update = UpdatePass(self.chip.design.weight_banks)
            for row in range(rows):
                self.counts.access(Phase.UPDATE, k, Port.WEIGHT_READ, (first + row) % self.chip.design.weight_banks)
                self._count(Phase.UPDATE, k, C.MAC, count)
            for row in range(rows):
                bank = update.row(first + row)
                for port in (Port.WEIGHT_READ, Port.WEIGHT_WRITE):
                    self.counts.access(Phase.UPDATE, k, port, bank)
                words = self._words.words(matrix.index, group, count)
                if self._words.draws:
                    self._count(Phase.UPDATE, k, C.RANDOM_WORD)
                held = weights[row, lanes].copy()
                normalise_row(held, factors, short, words, settings)
                weights[row, lanes] = held
                self._count(Phase.UPDATE, k, C.SCALE, count)
            self._count(Phase.UPDATE, k, C.CYCLES, rows + PIPELINE_DRAIN + NORM_DIVIDE + update.cycles)
            self._count(Phase.UPDATE, k, C.STALLS, update.stalls)

    def _decay_feedback(self, count: int) -> None:
        decay = self.chip.learning.feedback_decay
        if decay and count % decay.every == 0:
            for matrix in self.chip.matrices:
                if matrix.kind is Kind.FEEDBACK:
                    self._decay(matrix, decay.shift_at(self.state.epoch))

    def _decay(self, matrix: Matrix, shift: int) -> None:
        """M ← M − R(M, shift) of every row but the bias row; a twin with the same words."""
        self._words = WordTap(self.chip, self.state)
        for group in self._groups(matrix.units):
            self._group = group
            lanes, phase, k = self._slice(matrix.units, self._group), self._phase(matrix), matrix.layer
            count = lanes.stop - lanes.start
            self._words.begin(matrix.index, self._group)
            update = UpdatePass(self.chip.design.weight_banks)
            for row in range(matrix.rows - matrix.biased):
                bank = update.row(self._group * matrix.rows + row)
                self._access(matrix, row, bank, sums=False, stored=True, count=0)
                words = self._words.words(matrix.index, self._group, count)
                if self._words.draws:
                    self._count(phase, k, C.RANDOM_WORD)
                for target in filter(None, (matrix, self._twin_of(matrix, row))):
                    self._count(self._phase(target), target.layer, C.UPDATE, count)
                    self._decay_row(target, row, lanes, words, shift)
            self._count(phase, k, C.CYCLES, update.cycles)
            self._count(phase, k, C.STALLS, update.stalls)

    def _decay_row(self, matrix: Matrix, row: int, lanes: slice, words: Int64, shift: int) -> None:
        settings = np.array([shift, self.chip.numerics.update_rounding.code, matrix.format.low, matrix.format.high, 0])
        codes = codes_of(self.state, matrix)
        held = codes[row, lanes].copy()
        decay_row(held, words, settings)
        codes[row, lanes] = held
        if matrix.kind is Kind.TWIN:
            put_codes(self.state, matrix, codes)
