"""Random words as the traced datapath draws them: one written row of one group at a time."""

from __future__ import annotations

import numpy as np

from neuro_emu.machine.chip import Chip
from neuro_emu.network.state import ChipState, Int64
from neuro_emu.numerics.modes import Rounding, WordSource
from neuro_emu.numerics.ops import bit_reverse, lfsr, xorshift


class WordTap:
    """Hands out the words of one update and leaves the registers of *state* advanced.

    Row registers advance once a written row: the first group draws, the others replay what it drew.
    """

    def __init__(self, chip: Chip, state: ChipState) -> None:
        self.draws = chip.numerics.update_rounding is Rounding.STOCH
        self._source = chip.numerics.word_source
        self._lanes = chip.design.lanes
        self._state = state
        self._step = lfsr if self._source in {WordSource.ROW_LFSR, WordSource.LANE_LFSR} else xorshift
        self._replay: dict[int, list[int]] = {}

    def begin(self, matrix: int, group: int) -> None:
        """Start the write of a group of a matrix."""
        if group == 0:
            self._replay[matrix] = []
        self._row = 0

    def words(self, matrix: int, group: int, lanes: int) -> Int64:
        """Words (lanes,) of the next written row for the real neurons of a group."""
        if not self.draws:
            return np.zeros(lanes, dtype=np.int64)
        if self._source.per_lane:
            registers = self._state.lane_registers
            registers[:] = [self._step(int(word)) for word in registers]
            return registers[:lanes].copy()
        word = self._row_word(matrix, group)
        if self._source is WordSource.RAW:
            return np.full(lanes, word, dtype=np.int64)
        first = group * self._lanes
        return np.array([word ^ bit_reverse(j) for j in range(first, first + lanes)], dtype=np.int64)

    def _row_word(self, matrix: int, group: int) -> int:
        if group == 0:
            register = self._step(int(self._state.row_registers[matrix]))
            self._state.row_registers[matrix] = register
            self._replay[matrix].append(register)
        self._row += 1
        return self._replay[matrix][self._row - 1]
