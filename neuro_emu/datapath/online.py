"""Chips that the vector loops can run, and what they need for it.

A chip is run so when every operation of its rule and every bound has a vector kernel; any other keeps the general loop
(:mod:`neuro_emu.kernels.epoch`). Which of the two runs is a matter of speed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro_emu.datapath.layout import Storage, masked, split_draw
from neuro_emu.datapath.program import Program
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.learn import DELTA_OUTPUT
from neuro_emu.kernels.vector.codes import LOOKS_UP
from neuro_emu.kernels.vector.entries import COMPARED_BITS
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.numerics.modes import Overflow, Rounding
from neuro_emu.numerics.tables import derivative_table

_INT16, _INT32 = (1 << 15) - 1, (1 << 31) - 1
_BYTE = 255
_MOST_SHIFT = 24


@dataclass(frozen=True)
class Origin:
    """Where the learning signal of one hidden layer comes from; see :mod:`neuro_emu.kernels.sheet`."""

    kind: int = sh.FROZEN
    matrix: int = 0
    above: int = 0
    sign: bool = False
    rows: int = 0
    projection_shift: int = 0
    gate_shift: int = 0


def origins(chip: Chip, program: Program) -> list[Origin] | None:
    """Where each hidden layer's signal comes from; None if the program does anything else."""
    last = len(chip.network.layers) - 1
    twins = {m.layer + 1: m.index for m in chip.matrices if m.kind is Kind.TWIN}
    made: dict[int, tuple[int, ...]] = {}
    deltas = {DELTA_OUTPUT: last}
    found = [Origin() for _ in range(last)]
    gates: dict[int, Origin] = {}
    written: set[int] = set()
    for row in program.code.tolist():
        op, k = row[fb.OP], row[fb.LAYER]
        if op == fb.OP_UPDATE:
            written |= {k, twins.get(k, k)}
            if row[fb.PLANE] != k or deltas.get(row[fb.SOURCE]) != k:
                return None
            if k < last:
                found[k] = gates[k]
            continue
        if op == fb.OP_TRANSPOSE and row[fb.MATRIX] in written:
            return None
        if op == fb.OP_GATE:
            source = _origin(row, made.get(row[fb.SOURCE]), made, deltas)
            if source is None:
                return None
            gates[k] = source
            deltas[row[fb.TARGET]] = k
        elif op in {fb.OP_LABEL_ROW, fb.OP_SIGN, fb.OP_PROJECT, fb.OP_TRANSPOSE}:
            made[row[fb.TARGET]] = tuple(row)
        else:
            return None
    return found if last in written and not len(program.mirror) else None


def _origin(
    gate: list[int], signal: tuple[int, ...] | None, made: dict[int, tuple[int, ...]], deltas: dict[int, int]
) -> Origin | None:
    """Origin of the signal that *gate* gates."""
    if signal is None:
        return None
    op, shift = signal[fb.OP], gate[fb.ALIGN]
    if op == fb.OP_LABEL_ROW:
        return Origin(sh.FROM_LABEL, gate_shift=shift) if signal[fb.MATRIX] < 0 else None
    if op not in {fb.OP_PROJECT, fb.OP_TRANSPOSE} or (op == fb.OP_TRANSPOSE and signal[fb.DETAIL] >= 0):
        return None
    source = made.get(signal[fb.SOURCE])
    sign = source is not None and source[fb.OP] == fb.OP_SIGN
    above, align = deltas.get(DELTA_OUTPUT if sign else signal[fb.SOURCE]), signal[fb.ALIGN]
    if above is None:
        return None
    if op == fb.OP_PROJECT:
        return Origin(sh.FROM_ROWS, 0, above, sign, signal[fb.DETAIL], align, shift)
    return None if sign else Origin(sh.FROM_MATRIX, signal[fb.MATRIX], above, False, 0, align, shift)


def _plain_chip(chip: Chip) -> bool:
    """Whether nothing but forward passes, signals and updates happens, one update a sample."""
    learning, numerics = chip.learning, chip.numerics
    return not (
        learning.momentum
        or (learning.sums and learning.error_gate is not None)
        or learning.weight_norm
        or learning.feedback_decay
        or learning.dropout
        or numerics.strict
        or numerics.overflow is not Overflow.SAT
        or numerics.update_rounding in {Rounding.TRN_ZERO, Rounding.RND_CONV}
        or (numerics.update_rounding is Rounding.STOCH and numerics.word_source.per_lane)
    )


class OnlineChip:
    """What the vector loops know of one chip."""

    def __init__(self, chip: Chip, storages: list[Storage], parts: list[Origin]) -> None:
        self.chip, self.storages, self.origins = chip, storages, parts
        self.last = len(chip.network.layers) - 1

    @classmethod
    def of(cls, chip: Chip, storages: list[Storage], program: Program) -> OnlineChip | None:
        """Return it, or None where the general loop has to run."""
        parts = origins(chip, program)
        if not parts or not _plain_chip(chip):  # without hidden layers there is nothing to gain
            return None
        found = cls(chip, storages, parts)
        fits = all(map(found._matrix_fits, chip.matrices)) and all(map(found._signal_fits, range(found.last)))
        return found if fits else None

    def host(self, matrix: Matrix) -> int:
        """Layer with whose input and δ a matrix learns."""
        return matrix.layer + (matrix.kind is Kind.TWIN)

    def bytes_of(self, matrix: Matrix) -> int:
        """Bytes of a weight in the vector loops."""
        return 1 if matrix.format.bits <= 8 and not self.storages[matrix.index].columns else 2

    def room(self, matrix: Matrix) -> int:
        """Rows, an even number, whose products and the rounding constant fit a 32-bit sum together."""
        half = 1 << max(self._preactivation_shift(matrix), 0)
        return (_INT32 - half) // (matrix.format.magnitude * max(matrix.code, 1)) // 2 * 2

    def _preactivation_shift(self, matrix: Matrix) -> int:
        return matrix.format.frac + self.chip.source_frac(matrix) - self.chip.network.layers[matrix.layer].table_frac

    def _matrix_fits(self, matrix: Matrix) -> bool:
        """Whether a matrix has the storage and the bounds that its kernels need."""
        columns, accumulator = self.storages[matrix.index].columns, self.chip.numerics.accumulator_high
        if matrix.kind not in {Kind.WEIGHTS, Kind.TWIN} or columns != (self.host(matrix) == self.last):
            return False
        if matrix.kind is Kind.TWIN:
            original = self.chip.matrices[self.host(matrix)]
            return self.bytes_of(matrix) == self.bytes_of(original) and matrix.lane * matrix.code <= _INT16
        narrow = self.bytes_of(matrix) == 1
        return (
            matrix.format.bits <= 16
            and matrix.bias_code > 0  # the general loops write the bias row even where its code is 0
            and matrix.accumulator_bound <= accumulator
            and matrix.code <= (_BYTE if narrow else _INT16)
            and self.room(matrix) >= (matrix.rows if narrow or columns else 2)
            and matrix.lane * matrix.code <= _INT16
            and 0 <= self._preactivation_shift(matrix) <= _MOST_SHIFT
        )

    def _signal_fits(self, k: int) -> bool:
        """Whether the sums, products and formats of a layer's learning signal fit their registers."""
        layer, origin = self.chip.network.layers[k], self.origins[k]
        if origin.kind == sh.FROZEN:
            return True
        shifts = (origin.gate_shift, origin.projection_shift)
        if min(shifts) < 0 or max(shifts) > _MOST_SHIFT or layer.delta.magnitude > _INT16 + 1:
            return False
        matrix, fixed = self.chip.matrices[origin.matrix], origin.kind in {sh.FROM_LABEL, sh.FROM_ROWS}
        stored = layer.feedback if fixed else matrix.format
        assert stored is not None
        signal, above = stored.magnitude, self.chip.matrices[origin.above]
        if origin.kind != sh.FROM_LABEL:
            signal = layer.projection.magnitude
            terms = origin.rows if fixed else above.units
            if terms * stored.magnitude * above.lane + (1 << origin.projection_shift) > _INT32:
                return False
        bound = signal * layer.derivative.magnitude + (1 << origin.gate_shift)
        return stored.bits <= 16 and above.lane <= _INT16 and bound <= _INT32

    def fits_epoch(self, epoch: int) -> bool:
        """Whether the updates of *epoch*, with its shifts, have kernels."""
        for matrix in self.chip.matrices:
            shift = self.chip.shift_of(matrix, epoch)
            peak = matrix.lane * matrix.code
            adds = self.storages[matrix.index].columns or peak > 1 << shift or not masked(self.chip)
            decay = self.chip.learning.weight_decay
            if decay and decay.shift_at(epoch) > COMPARED_BITS:
                return False
            if self.chip.learning.batch > 1:
                if not 1 <= shift <= 30 or self.chip.learning.batch * peak + (1 << shift) > _INT32:
                    return False
                continue
            if shift < 1 or (adds and split_draw(self.chip, matrix, shift, by_lane=True) is None):
                return False
        return True

    def plan(self) -> fb.Int64:
        """Table that the loops read."""
        table = np.zeros((self.last + 1, sh.PLAN_COLUMNS), dtype=np.int64)
        feedback = 0
        for k, layer in enumerate(self.chip.network.layers):
            matrix = self.chip.matrices[k]
            table[k, sh.BYTES] = self.bytes_of(matrix)
            table[k, sh.SIGNED] = int(layer.input.low < 0)
            table[k, sh.ROOM] = self.room(matrix)
            if k == self.last:
                break
            origin, slopes = self.origins[k], derivative_table(layer.activation, layer.table_frac)
            kind = origin.kind
            if kind == sh.FROM_MATRIX and self.storages[origin.matrix].columns:
                kind = sh.FROM_COLUMNS
            opened = np.flatnonzero(np.roll(slopes, 128)) - 128
            one_bit = bool(slopes.max() == 1 and len(opened) == opened[-1] - opened[0] + 1)
            columns = {
                sh.ORIGIN: kind,
                sh.FEEDBACK: feedback,
                sh.MATRIX: origin.matrix,
                sh.ABOVE: origin.above,
                sh.SIGN: int(origin.sign),
                sh.PROJECTION_SHIFT: origin.projection_shift,
                sh.GATE_SHIFT: origin.gate_shift,
                sh.ONE_BIT: int(one_bit),
                sh.OPEN_FROM: int(opened[0]) if one_bit else 0,
                sh.OPEN_TO: int(opened[-1]) if one_bit else 0,
                sh.BYTE_LEVELS: self.storages[k].levels if LOOKS_UP and layer.output.bits <= 8 else 0,
                sh.BYTE_OFFSET: -layer.output.low,
            }
            table[k, list(columns)] = list(columns.values())
            feedback += self.feedback_rows(k) * self.storages[k].positions
        return table

    def feedback_rows(self, k: int) -> int:
        """Rows of the fixed feedback matrix of layer k that its signal reads."""
        origin = self.origins[k]
        return self.chip.labels if origin.kind == sh.FROM_LABEL else origin.rows
