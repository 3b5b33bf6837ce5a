"""Writes of weights at the end of a batch: words, steps, velocities, decay, and what they count."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.deep import rows as kn
from neuro_emu.kernels.pieces import low_bits
from neuro_emu.kernels.update import fits32
from neuro_emu.kernels.walk import leap_table, row_words
from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import (
    FEEDBACK_OVF,
    FEEDBACK_UPDATES,
    FEEDBACK_ZERO_UPDATES,
    UPDATES,
    WEIGHT_OVF,
    ZERO_UPDATES,
    Int64,
)
from neuro_emu.numerics.modes import Rounding

Array = NDArray[Any]


class Writer:
    """Writes the matrices of a state in place.

    Args:
        chip: the chip.
        state: what is written.
        events: (layers, events) counters of training.
        parts: threads that may write rows of a matrix at once.

    """

    def __init__(self, chip: DeepChip, state: DeepState, events: Int64, parts: int = 1) -> None:
        self.chip, self.state, self.events, self.epoch = chip, state, events, state.epoch
        widest, longest = (max(getattr(m, side) for m in chip.matrices) for side in ("units", "rows"))
        drawn = chip.numerics.update_rounding is Rounding.STOCH
        self._masks = kn.lane_masks(widest) if drawn else np.zeros(widest, dtype=np.int64)
        self._work = np.zeros((parts, widest), dtype=np.int32)
        self._booking = Lock()
        self._words = np.zeros(2 * longest + fb.PADDING, dtype=np.uint32)
        self._leaps = leap_table()
        self._mirrors = any(reading.mirror for reading in chip.readings)
        self.twins = {self._fed(twin): twin for twin in chip.matrices if twin.kind is Kind.TWIN}
        self._constants = np.zeros(fb.CONSTANTS, dtype=np.int64)
        self._constants[fb.ROUNDING] = chip.numerics.update_rounding.code
        self._constants[fb.WORD_SOURCE] = chip.numerics.word_source.code

    def _fed(self, twin: Matrix) -> int:
        """Index of the weights whose steps a twin takes."""
        crossed = self.chip.crossed(twin.layer)
        assert crossed is not None
        return self.chip.matrices[crossed.layer].index

    def words(self, m: int, count: int) -> Array:
        """Draw the next *count* words of matrix m."""
        row_words(m, count, self.state.row_registers, self._leaps, self._constants, self._words)
        return self._words

    def limits(self, matrix: Matrix, shift: int) -> Int64:
        """Limits of a write; see :mod:`neuro_emu.kernels.deep.rows`."""
        numerics = self.chip.numerics
        settings = [matrix.format.low, matrix.format.high, shift, numerics.update_rounding.code, numerics.overflow.code]
        return np.array(settings, dtype=np.int64)

    def codes(self, matrix: Matrix) -> Array:
        """Codes (rows, units) of a matrix as they lie in the state.

        The twin of a dense layer lies transposed there, column after column in memory (:meth:`.Signals.arrange`).
        """
        state, k = self.state, matrix.layer
        if matrix.kind is Kind.TWIN:
            crossed = self.chip.crossed(k)
            return state.feedback[k] if crossed and crossed.window else state.feedback[k].T
        holders = {Kind.WEIGHTS: state.weights, Kind.CLASSIFIER: state.classifiers, Kind.FEEDBACK: state.feedback}
        return holders[matrix.kind][k]

    def write(self, matrix: Matrix, sums: Array) -> None:
        """Write summed gradients (rows, units) of all rows of a matrix, and its twin."""
        if self.chip.has_velocity(matrix):
            self._write_moving(matrix, sums)
            return
        words = self.words(matrix.index, matrix.rows)
        self.write_rows(matrix, slice(0, matrix.rows), sums, words, _peak(sums))

    def write_rows(self, matrix: Matrix, rows: slice, sums: Array, words: Array, peak: int, part: int = 0) -> None:
        """Write some rows of a matrix and of its twin; *peak* bounds |sums|, *words* are those of all its rows.

        Parts may write different rows at once.
        """
        shift = self.chip.shift_of(matrix, self.epoch)
        self._step_rows(matrix, rows, sums, words[rows], (peak, shift, part))
        twin = self.twins.get(matrix.index)
        if twin and rows.start < twin.rows:
            shared = slice(rows.start, min(rows.stop, twin.rows))
            count = shared.stop - shared.start
            self._step_rows(twin, shared, sums[:count], words[shared], (peak, shift, part))

    def write_some(self, matrix: Matrix, rows: Array, sums: Array) -> None:
        """Write rows by number, ascending, one word each: a step of mirror mode, which knows no velocity."""
        words, codes = self.words(matrix.index, len(rows)), self.codes(matrix)
        chosen, shift = codes[rows], self.chip.shift_of(matrix, self.epoch)
        self._add_steps(matrix, chosen, sums, words, (_peak(sums), shift, 0))
        codes[rows] = chosen

    def _step_rows(self, matrix: Matrix, rows: slice, sums: Array, words: Array, scale: tuple[int, int, int]) -> None:
        self._add_steps(matrix, self.codes(matrix)[rows], sums, words, scale)

    def _add_steps(self, matrix: Matrix, codes: Array, sums: Array, words: Array, scale: tuple[int, int, int]) -> None:
        """Add rounded *sums* to *codes* in place; *scale* is (largest |sum|, shift, part)."""
        limits = self.limits(matrix, scale[1])
        fits = bool(fits32(scale[0], limits))
        masks, work = self._masks[: matrix.units], self._work[scale[2], : matrix.units]
        result = kn.write_rows(codes, sums, words, masks, work, limits, fits)
        self._book(matrix, codes.size, result)

    def _write_moving(self, matrix: Matrix, sums: Array) -> None:
        momentum = self.chip.learning.momentum
        assert momentum
        inner, outer = self.chip.velocity_shifts(matrix, self.epoch)
        velocity = momentum.velocity
        speeds = np.array([velocity.low, velocity.high, inner, momentum.shift, momentum.nesterov], dtype=np.int64)
        words = self.words(matrix.index, 2 * matrix.rows)
        masks, work = self._masks[: matrix.units], self._work[0, : matrix.units]
        speed, limits = self.state.velocities[matrix.index], self.limits(matrix, outer)
        result = kn.write_rows_momentum(self.codes(matrix), speed, sums, words, masks, work, limits, speeds)
        self._book(matrix, matrix.rows * matrix.units, result)
        twin = self.twins.get(matrix.index)
        if twin:
            steps, more = speed[: twin.rows], 0
            if momentum.nesterov:
                more = max(inner, momentum.shift)
                ahead = steps.astype(np.int64) * ((1 << more) - (1 << (more - momentum.shift)))
                steps = ahead + sums[: twin.rows] * (1 << (more - inner))
            second = np.ascontiguousarray(words[1 : 2 * twin.rows : 2])
            self._step_rows(twin, slice(0, twin.rows), steps, second, (_peak(steps), outer + more, 0))

    def _book(self, matrix: Matrix, written: int, result: int) -> None:
        events, feeds = self.events[matrix.layer], matrix.kind in {Kind.FEEDBACK, Kind.TWIN}
        with self._booking:
            events[FEEDBACK_UPDATES if feeds else UPDATES] += written
            events[FEEDBACK_ZERO_UPDATES if feeds else ZERO_UPDATES] += written - low_bits(result, 32)
            events[FEEDBACK_OVF if feeds else WEIGHT_OVF] += (result - low_bits(result, 32)) // (1 << 32)

    def finish(self, samples: int) -> bool:
        """Count a batch of *samples*; returns whether matrices decayed now."""
        self.state.samples += samples
        self.state.updates += 1
        decay, updates = self.chip.learning.weight_decay, self.state.updates
        decays = decay is not None and updates % decay.every == 0
        if decay and decays:
            for layer in self.chip.graph.layers:
                if layer.learns and (layer.layer or decay.first_layer):
                    self._decay(self.chip.matrices[layer.layer], decay.shift_at(self.epoch))
        return (not self._mirrors and self.decay_feedback(updates)) or decays

    def decay_feedback(self, count: int) -> bool:
        """Decay learned feedback without twin if *count* updates, or mirror steps, ask for it; whether they did."""
        decay = self.chip.learning.feedback_decay
        if decay is None or count % decay.every:
            return False
        for matrix in self.chip.matrices:
            if matrix.kind is Kind.FEEDBACK:
                self._decay(matrix, decay.shift_at(self.epoch))
        return True

    def _decay(self, matrix: Matrix, shift: int) -> None:
        rows = matrix.rows - matrix.biased
        words = self.words(matrix.index, rows)
        for target in (matrix, self.twins.get(matrix.index)):
            if target:
                limits, masks, work = (
                    self.limits(target, shift),
                    self._masks[: target.units],
                    self._work[0, : target.units],
                )
                kn.decay_rows(self.codes(target)[:rows], words, masks, work, limits)


def _peak(sums: Array) -> int:
    return int(max(sums.max(), -sums.min())) if sums.size else 0
