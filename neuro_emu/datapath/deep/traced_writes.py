"""Writes of the traced datapath of graphs at the end of a batch: group by group, row by row."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.deep.traced_base import Array, TracedBase
from neuro_emu.kernels.plain import decay_row, update_row, velocity_row
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Phase, Port
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.machine.ports import UpdatePass
from neuro_emu.network import state as st
from neuro_emu.network.state import Int32, Int64
from neuro_emu.numerics.modes import Rounding, WordSource
from neuro_emu.numerics.ops import bit_reverse, lfsr, velocity_sum, xorshift


class TracedWrites(TracedBase):
    """Everything that outlives a batch."""

    _words: list[int]

    # --- random words: a register a matrix, a word a written row, which all groups share ---

    def draw(self, m: int, count: int) -> None:
        """Draw the words of the next *count* rows of matrix m."""
        numerics, registers = self.chip.numerics, self.state.row_registers
        self._words = [0] * count
        if numerics.update_rounding is not Rounding.STOCH:
            return
        step = lfsr if numerics.word_source is WordSource.ROW_LFSR else xorshift
        for row in range(count):
            registers[m] = self._words[row] = step(int(registers[m]))

    def lane_words(self, row: int, lanes: slice, phase: Phase, layer: int) -> Int64:
        """Words (lanes,) of the next row of a group."""
        if self.chip.numerics.update_rounding is not Rounding.STOCH:
            return np.zeros(lanes.stop - lanes.start, dtype=np.int64)
        self.count(phase, layer, C.RANDOM_WORD)
        return np.array([self._words[row] ^ bit_reverse(j) for j in range(lanes.start, lanes.stop)], dtype=np.int64)

    # --- matrices ---

    def codes(self, matrix: Matrix) -> Int32:
        """Codes (rows, units) of a matrix, to be changed in place; the twin of a dense layer lies transposed."""
        state, k = self.state, matrix.layer
        if matrix.kind is Kind.TWIN:
            crossed = self.chip.crossed(k)
            return state.feedback[k] if crossed and crossed.window else state.feedback[k].T
        holders = {
            Kind.WEIGHTS: state.weights,
            Kind.CLASSIFIER: state.classifiers,
            Kind.FEEDBACK: state.feedback,
            Kind.FORWARD: state.forward,
        }
        return holders[matrix.kind][k]

    def _accessed(self, matrix: Matrix, address: int, ports: tuple[Port, ...]) -> None:
        for port in ports:
            self.access(self.phase(matrix), matrix.layer, port, address)

    def stored(self, matrix: Matrix, address: int) -> None:
        """Count reading and writing back a word of a matrix."""
        if matrix.kind is Kind.FEEDBACK:
            for component in (C.FEEDBACK_READ, C.FEEDBACK_WRITE):
                self.count(Phase.FEEDBACK, matrix.layer, component)
        else:
            self._accessed(matrix, address, (Port.WEIGHT_READ, Port.WEIGHT_WRITE))

    def _twin_of(self, matrix: Matrix, row: int) -> Matrix | None:
        """The twin that a row of weights has; the bias row has none."""
        twin = self.mapping.twin_of(matrix)
        return twin if twin and row < twin.rows else None

    def _shared(self, twin: Matrix, component: C, lanes: slice) -> None:
        """Count what a twin does beside its weights."""
        for access in (C.FEEDBACK_READ, C.FEEDBACK_WRITE):
            self.count(Phase.FEEDBACK, twin.layer, access)
        self.count(Phase.FEEDBACK, twin.layer, component, lanes.stop - lanes.start)

    def write(self, kind: Kind, layer: int, sums: Array) -> None:
        """See :class:`Ops`."""
        matrix = self.chip.matrix(kind, layer)
        moving = self.chip.has_velocity(matrix)
        self.draw(matrix.index, matrix.rows * (1 + moving))
        for group, lanes in self.groups(matrix.units):
            update, phase = UpdatePass(self.design.weight_banks), self.phase(matrix)
            for row in range(matrix.rows):
                address = group * matrix.rows + row
                update.row(address)
                self._accessed(matrix, address, (Port.GRADIENT_READ, Port.GRADIENT_WRITE))
                self.stored(matrix, address)
                self.count(phase, layer, C.UPDATE, lanes.stop - lanes.start)
                self._step_row(matrix, row, lanes, sums[row, lanes].astype(np.int64), address)
            self.finish_pass(phase, layer, update)

    def finish_pass(self, phase: Phase, layer: int, update: UpdatePass) -> None:
        """Count the cycles of a pass over the rows of a group."""
        self.count(phase, layer, C.CYCLES, update.cycles)
        self.count(phase, layer, C.STALLS, update.stalls)

    def _step_row(self, matrix: Matrix, row: int, lanes: slice, sums: Int64, address: int) -> None:
        """Write one row of one group, through its velocities if it has some."""
        epoch, phase, k = self.state.epoch, self.phase(matrix), matrix.layer
        if not self.chip.has_velocity(matrix):
            words = self.lane_words(row, lanes, phase, k)
            self._add_both(matrix, row, lanes, sums, (words, self.chip.shift_of(matrix, epoch)))
            return
        momentum, numerics = self.chip.learning.momentum, self.chip.numerics
        assert momentum
        inner, outer = self.chip.velocity_shifts(matrix, epoch)
        held = self.state.velocities[matrix.index][row, lanes].copy()
        bounds = momentum.velocity.low, momentum.velocity.high
        settings = np.array([momentum.shift, inner, numerics.update_rounding.code, *bounds])
        velocity_row(held, sums, self.lane_words(2 * row, lanes, phase, k), settings)
        self.state.velocities[matrix.index][row, lanes] = held
        self._accessed(matrix, address, (Port.VELOCITY_READ, Port.VELOCITY_WRITE))
        self.count(phase, k, C.VELOCITY, len(held))
        steps = held.astype(np.int64)
        if momentum.nesterov:
            pairs = zip(held.tolist(), sums.tolist(), strict=True)
            steps = np.array([velocity_sum(v, g, momentum.shift, inner) for v, g in pairs], dtype=np.int64)
            outer += max(momentum.shift, inner)
        words = self.lane_words(2 * row + 1, lanes, phase, k)
        self._add_both(matrix, row, lanes, steps, (words, outer))

    def _add_both(self, matrix: Matrix, row: int, lanes: slice, steps: Int64, by: tuple[Int64, int]) -> None:
        """Add rounded steps to a row of weights, and the same steps to its twin's."""
        self._add_steps(matrix, row, lanes, steps, by)
        if twin := self._twin_of(matrix, row):
            self._shared(twin, C.SHARED_UPDATE, lanes)
            self._add_steps(twin, row, lanes, steps, by)

    def _add_steps(self, matrix: Matrix, row: int, lanes: slice, steps: Int64, by: tuple[Int64, int]) -> None:
        words, shift = by
        numerics, learned = self.chip.numerics, matrix.kind in {Kind.FEEDBACK, Kind.TWIN}
        settings = np.array(
            [shift, numerics.update_rounding.code, matrix.format.low, matrix.format.high, numerics.overflow.code]
        )
        counts, codes = np.zeros(2, dtype=np.int64), self.codes(matrix)
        held = codes[row, lanes].copy()
        update_row(held, steps, words, settings, counts)
        codes[row, lanes] = held
        self.happened(matrix.layer, st.FEEDBACK_UPDATES if learned else st.UPDATES, len(held))
        self.happened(matrix.layer, st.FEEDBACK_ZERO_UPDATES if learned else st.ZERO_UPDATES, int(counts[0]))
        self.happened(matrix.layer, st.FEEDBACK_OVF if learned else st.WEIGHT_OVF, int(counts[1]))

    def write_row(self, matrix: Matrix, row: int, word: int, lanes: slice, steps: Int64, group: int) -> None:
        """Write one row of one group at once, with the word that was drawn *word*-th: a step of mirror mode."""
        phase, k = self.phase(matrix), matrix.layer
        self.stored(matrix, group * matrix.rows + row)
        self.count(phase, k, C.UPDATE, len(steps))
        words = self.lane_words(word, lanes, phase, k)
        self._add_steps(matrix, row, lanes, steps, (words, self.chip.shift_of(matrix, self.state.epoch)))

    # --- the end of a batch ---

    def finish(self) -> None:
        """See :class:`Ops`."""
        self.state.samples += self._samples
        self.state.updates += 1
        decay, updates = self.chip.learning.weight_decay, self.state.updates
        if decay and updates % decay.every == 0:
            for layer in self.graph.layers:
                if layer.learns and (layer.layer or decay.first_layer):
                    self._decay(self.chip.matrices[layer.layer], decay.shift_at(self.state.epoch))
        if not any(reading.mirror for reading in self.chip.readings):
            self.decay_feedback(updates)

    def decay_feedback(self, count: int) -> None:
        """Decay learned feedback without twin, if *count* updates or mirror steps ask for it."""
        decay = self.chip.learning.feedback_decay
        if decay and count % decay.every == 0:
            for matrix in self.chip.matrices:
                if matrix.kind is Kind.FEEDBACK:
                    self._decay(matrix, decay.shift_at(self.state.epoch))

    def _decay(self, matrix: Matrix, shift: int) -> None:
        """M ← M − R(M, shift) of every row but the bias row, and of its twin with the same words."""
        rows, phase, k = matrix.rows - matrix.biased, self.phase(matrix), matrix.layer
        self.draw(matrix.index, rows)
        for group, lanes in self.groups(matrix.units):
            update = UpdatePass(self.design.weight_banks)
            for row in range(rows):
                update.row(group * matrix.rows + row)
                self.stored(matrix, group * matrix.rows + row)
                words = self.lane_words(row, lanes, phase, k)
                self.count(phase, k, C.UPDATE, lanes.stop - lanes.start)
                self._decay_row(matrix, row, lanes, words, shift)
                if twin := self._twin_of(matrix, row):
                    self._shared(twin, C.UPDATE, lanes)
                    self._decay_row(twin, row, lanes, words, shift)
            self.finish_pass(phase, k, update)

    def _decay_row(self, matrix: Matrix, row: int, lanes: slice, words: Int64, shift: int) -> None:
        settings = np.array([shift, self.chip.numerics.update_rounding.code, matrix.format.low, matrix.format.high, 0])
        codes = self.codes(matrix)
        held = codes[row, lanes].copy()
        decay_row(held, words, settings)
        codes[row, lanes] = held
