"""Writes of weights at the end of a batch: words, steps, velocities, decay, and what they count."""

from __future__ import annotations

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
from neuro_emu.network.state import UPDATES, WEIGHT_OVF, ZERO_UPDATES, Int64
from neuro_emu.numerics.modes import Rounding

Array = NDArray[Any]


class Writer:
    """Writes the matrices of a state in place.

    Args:
        chip: the chip.
        state: what is written.
        events: (layers, events) counters of training.

    """

    def __init__(self, chip: DeepChip, state: DeepState, events: Int64) -> None:
        self.chip, self.state, self.events, self.epoch = chip, state, events, state.epoch
        widest, longest = (max(getattr(m, side) for m in chip.matrices) for side in ("units", "rows"))
        drawn = chip.numerics.update_rounding is Rounding.STOCH
        self._masks = kn.lane_masks(widest) if drawn else np.zeros(widest, dtype=np.int64)
        self._work = np.zeros(widest, dtype=np.int32)
        self._words = np.zeros(2 * longest + fb.PADDING, dtype=np.uint32)
        self._leaps = leap_table()
        self._constants = np.zeros(fb.CONSTANTS, dtype=np.int64)
        self._constants[fb.ROUNDING] = chip.numerics.update_rounding.code
        self._constants[fb.WORD_SOURCE] = chip.numerics.word_source.code

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
        """Codes of a matrix as they lie in the state."""
        assert matrix.kind is Kind.WEIGHTS
        return self.state.weights[matrix.layer]

    def write(self, matrix: Matrix, sums: Array) -> None:
        """Write summed gradients (rows, units) of all rows of a matrix."""
        if self.chip.learning.momentum:
            self._write_moving(matrix, sums)
            return
        words = self.words(matrix.index, matrix.rows)
        peak = int(np.abs(sums).max())
        self.write_rows(matrix, slice(0, matrix.rows), sums, words, peak)

    def write_rows(self, matrix: Matrix, rows: slice, sums: Array, words: Array, peak: int) -> None:
        """Write some rows of a matrix; *peak* bounds |sums|, *words* are those of all its rows."""
        limits = self.limits(matrix, self.chip.shift_of(matrix, self.epoch))
        fits = bool(fits32(peak, limits))
        masks, work = self._masks[: matrix.units], self._work[: matrix.units]
        result = kn.write_rows(self.codes(matrix)[rows], sums, words[rows], masks, work, limits, fits)
        self._book(matrix, (rows.stop - rows.start) * matrix.units, result)

    def _write_moving(self, matrix: Matrix, sums: Array) -> None:
        momentum = self.chip.learning.momentum
        assert momentum
        inner, outer = self.chip.velocity_shifts(matrix, self.epoch)
        velocity = momentum.velocity
        speeds = np.array([velocity.low, velocity.high, inner, momentum.shift, momentum.nesterov], dtype=np.int64)
        words = self.words(matrix.index, 2 * matrix.rows)
        masks, work = self._masks[: matrix.units], self._work[: matrix.units]
        speed, limits = self.state.velocities[matrix.index], self.limits(matrix, outer)
        result = kn.write_rows_momentum(self.codes(matrix), speed, sums, words, masks, work, limits, speeds)
        self._book(matrix, matrix.rows * matrix.units, result)

    def _book(self, matrix: Matrix, written: int, result: int) -> None:
        events = self.events[matrix.layer]
        events[UPDATES] += written
        events[ZERO_UPDATES] += written - low_bits(result, 32)
        events[WEIGHT_OVF] += (result - low_bits(result, 32)) // (1 << 32)

    def finish(self, samples: int) -> tuple[int, ...]:
        """Count a batch of *samples*; returns the layers whose weights decayed now."""
        self.state.samples += samples
        self.state.updates += 1
        decay = self.chip.learning.weight_decay
        if decay is None or self.state.updates % decay.every:
            return ()
        layers = range(0 if decay.first_layer else 1, len(self.chip.graph.layers))
        for k in layers:
            self._decay(self.chip.matrices[k], decay.shift_at(self.epoch))
        return tuple(layers)

    def _decay(self, matrix: Matrix, shift: int) -> None:
        rows = matrix.rows - matrix.biased
        words, limits = self.words(matrix.index, rows), self.limits(matrix, shift)
        masks, work = self._masks[: matrix.units], self._work[: matrix.units]
        kn.decay_rows(self.codes(matrix)[:rows], words, masks, work, limits)
