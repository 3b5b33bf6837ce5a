"""The random words of a chip's first update, known before anything runs: what draws can be aimed at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuro_emu.golden.site_names import learns
from neuro_emu.machine.chip import Chip
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.modes import Rounding, WordSource
from neuro_emu.numerics.ops import bit_reverse, lfsr, xorshift

Int64 = NDArray[np.int64]


class FirstWords:
    """Words that update the weights after the first sample, or after a flush behind it.

    Args:
        chip: the chip.
        state: whose registers it starts with.

    """

    def __init__(self, chip: Chip, state: ChipState) -> None:
        self.chip = chip
        source = chip.numerics.word_source
        registers = state.lane_registers if source.per_lane else state.row_registers
        self._sequences = [[word] for word in registers.tolist()]
        self._step = lfsr if source in {WordSource.ROW_LFSR, WordSource.LANE_LFSR} else xorshift

    def of(self, layer: DenseLayer, neuron: int, rows: Int64, factors: list[Int64]) -> Int64:
        """Words (rows,) of *neuron* in the written *rows* of *layer*; zeros if nothing is drawn.

        Args:
            layer: the layer.
            neuron: its number in the layer.
            rows: rows of the weight matrix.
            factors: input codes and bias code (rows,) of each layer that is updated before this one, and of this one.

        """
        numerics, k = self.chip.numerics, layer.index
        if numerics.update_rounding is not Rounding.STOCH:
            return np.zeros(len(rows), dtype=np.int64)
        turns = np.searchsorted(self._written(factors[k]), rows)
        if not numerics.word_source.per_lane:
            words = self._words(k, turns)
            return words if numerics.word_source is WordSource.RAW else words ^ bit_reverse(neuron)
        group, lane = divmod(neuron, self.chip.design.lanes)
        turns += group * len(self._written(factors[k])) + self._before(layer, factors)
        return self._words(lane, turns)

    def _written(self, factors: Int64) -> Int64:
        """Rows that are written: all of them at the end of a mini-batch."""
        if self.chip.learning.batch > 1:
            return np.arange(len(factors))
        return np.append(np.flatnonzero(factors[:-1]), len(factors) - 1)

    def _before(self, layer: DenseLayer, factors: list[Int64]) -> int:
        """Words that each lane has drawn when *layer* is updated."""
        drawn = 0
        for k in self.chip.training_order:
            if k == layer.index:
                break
            other = self.chip.network.layers[k]
            if learns(self.chip, other):
                drawn += self.chip.design.groups(other.units) * len(self._written(factors[k]))
        return drawn

    def _words(self, register: int, turns: Int64) -> Int64:
        """What *register* holds after turns + 1 steps."""
        sequence = self._sequences[register]
        while len(sequence) < turns.max(initial=0) + 2:
            sequence.append(self._step(sequence[-1]))
        return np.array(sequence, dtype=np.int64)[turns + 1]
