"""What the parts of the traced datapath share: state, counters, lanes, row slots, whole vectors of a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neuro_emu.datapath.facts import ChipFacts
from neuro_emu.datapath.program import record as record_program
from neuro_emu.datapath.words import WordTap
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.counts import Component as C
from neuro_emu.machine.counts import Counts, Phase
from neuro_emu.machine.design import ZeroInput
from neuro_emu.machine.matrices import Matrix
from neuro_emu.machine.targets import target_table
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState, Int64, Tally
from neuro_emu.numerics.tables import activation_table, derivative_table, exponential_table


@dataclass(frozen=True)
class Signal:
    """A vector of codes: the neurons of the present group, or the whole of a vector.

    Attributes:
        codes: the codes.
        frac: their fractional bits.
        whole: whether it is a whole vector, from which a group takes its lanes.
        name: the operation that made it, its layer and what it was made from.

    """

    codes: Int64
    frac: int
    whole: bool = False
    name: tuple[object, ...] = ()


Record = Callable[[str, int, int, Int64], None]
"""Called as record(what, layer, group, codes) for every intermediate vector."""


def ignore(*_: object) -> None:
    """Record nothing."""


class TracedBase(ChipFacts):
    """State and counters; see :class:`neuro_emu.datapath.traced.TracedDatapath`."""

    def __init__(self, chip: Chip, state: ChipState, record: Record = ignore) -> None:
        chip.refuse_adam()
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
        self._exponentials = exponential_table(chip.network.output.table_frac)
        self._targets = target_table(chip).astype(np.int64)
        self._target = np.zeros(chip.network.classes, dtype=np.int64)
        self._dropped = [np.zeros(la.units, dtype=np.bool_) for la in layers]
        self._words = WordTap(chip, self.state)
        self._codes: list[Int64] = []
        self._q = [np.zeros(la.units, dtype=np.int64) for la in layers]
        self._z = [np.zeros(la.units, dtype=np.int64) for la in layers]
        self._deltas = [np.zeros(la.units, dtype=np.int64) for la in layers]
        self._error = np.zeros(chip.network.classes, dtype=np.int64)
        self._made: dict[tuple[object, ...], Signal] = {}
        self._learning = False
        self._label = self._group = self.row = 0

    def _once(self, name: tuple[object, ...], make: Callable[[], tuple[Int64, int]]) -> Signal:
        """Return a whole vector; it is made when it is first asked for in a sample."""
        if name not in self._made:
            codes, frac = make()
            self._made[name] = Signal(codes, frac, whole=True, name=name)
        return self._made[name]

    def _count(self, phase: Phase, layer: int, component: C, count: int = 1) -> None:
        counts = self.counts if self._learning else self.inference_counts
        counts.add(phase, layer, component, count)

    def _tallied(self, layer: int, event: int, count: int) -> None:
        tally = self.tally if self._learning else self.inference_tally
        tally.events[layer, event] += count

    def _groups(self, units: int) -> range:
        return range(self.chip.design.groups(units))

    def _slice(self, units: int, group: int) -> slice:
        first = group * self.chip.design.lanes
        return slice(first, first + self.chip.design.valid(units, group))

    def _lanes(self, layer: DenseLayer, group: int) -> slice:
        return self._slice(layer.units, group)

    def _of_group(self, signal: Signal, units: int) -> Int64:
        return signal.codes[self._slice(units, self._group)] if signal.whole else signal.codes

    def _row_slots(self, codes: Int64, matrix: Matrix) -> list[tuple[int, int, bool]]:
        """(row, code, accessed) of every row slot that takes a cycle, by the zero-input mode."""
        mode, slots = self.chip.design.zero_input, []
        for row in range(matrix.rows):
            is_bias = matrix.biased and row == matrix.rows - 1
            code = matrix.bias_code if is_bias else int(codes[row])
            active = is_bias or code != 0
            if active or mode is not ZeroInput.SKIP:
                slots.append((row, code, active or mode is ZeroInput.NONE))
        return slots

    def _operand_read(self, phase: Phase, layer: int, row: int, matrix: Matrix, operand: C) -> None:
        if not (matrix.biased and row == matrix.rows - 1):  # the bias code is a constant
            self._count(phase, layer, operand)
