"""Chips that the vector loops can run, and what they need for it.

A chip is run so when every operation of its rule and every bound has a vector kernel; any other keeps the general loop
(:mod:`neuro_emu.kernels.epoch`). Which of the two runs is a matter of speed alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from neuro_emu.datapath.layout import Storage, aligned_zeros, masked, split_draw
from neuro_emu.datapath.program import Program
from neuro_emu.datapath.tiles import Bench, TiledTraining
from neuro_emu.jit import jit_enabled
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.learn import DELTA_OUTPUT
from neuro_emu.kernels.online_block import run_batches, run_online
from neuro_emu.kernels.vector.code import LEVEL
from neuro_emu.kernels.vector.codes import LOOKS_UP
from neuro_emu.kernels.vector.words import BATCH, STRETCHES, leap_tables
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.modes import Overflow, Rounding, WordSource
from neuro_emu.numerics.ops import draw
from neuro_emu.numerics.tables import derivative_table

_INT16, _INT32 = (1 << 15) - 1, (1 << 31) - 1
_BYTE = 255
_COMPARED_BITS = 15
_MOST_SHIFT = 24


def available() -> bool:
    """Whether there is vector code for this processor (without JIT its plain formulas run)."""
    return bool(LEVEL) or not jit_enabled()


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
        if parts is None or not _plain_chip(chip):
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
            if decay and decay.shift_at(epoch) > _COMPARED_BITS:
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


def feedback_of(online: OnlineChip, state: ChipState) -> fb.Int16:
    """Fixed feedback by position, one layer after the other."""
    parts = [np.zeros(0, dtype=np.int16)]
    for k in range(online.last):
        rows, storage = online.feedback_rows(k), online.storages[k]
        part = np.zeros((rows, storage.positions), dtype=np.int16)
        if rows:
            part[:, storage.position] = state.feedback[k][:rows]
        parts.append(part.reshape(-1))
    return np.concatenate(parts)


def set_masks(online: OnlineChip, epoch: int, layers: fb.Int64, geometry: fb.Geometry, sheet: sh.Sheet) -> None:
    """Cut the lane masks as the shifts of *epoch* ask, and note where in the table of matrices."""
    for matrix in online.chip.matrices:
        m, storage = matrix.index, online.storages[matrix.index]
        shift = int(layers[m, fb.SHIFT])
        split = split_draw(online.chip, matrix, shift, by_lane=True) or 0
        layers[m, fb.LEVELS] = min(storage.levels, shift) if masked(online.chip) else 0
        layers[m, fb.SPLIT] = split
        draws = np.array([draw(mask, shift) for mask in geometry.masks[m].tolist()], dtype=np.int64)
        for which, cut in ((sh.COMPARED, min(shift, _COMPARED_BITS)), (sh.ADDED, split)):
            sheet.lows[which, m, : len(draws)] = draws % 2**cut
            sheet.highs[which, m, : len(draws)] = (draws // 2**cut).astype(np.int16)


def sheet_of(online: OnlineChip, state: ChipState, arena: int, geometry: fb.Geometry) -> sh.Sheet:
    """Return the sheet of a chip; *arena* is the length of the arena of weights."""
    chip, matrices = online.chip, online.chip.matrices
    positions = -(-geometry.masks.shape[1] // 64) * 64
    most = max(max(m.stored_rows, st.length) for m, st in zip(matrices, online.storages, strict=True))
    slopes = [derivative_table(layer.activation, layer.table_frac) for layer in chip.network.layers]
    lowest = np.array([layer.output.low for layer in chip.network.layers]).reshape(-1, 1, 1)
    return sh.Sheet(
        plan=online.plan(),
        weights8=aligned_zeros(arena, np.int8),
        feedback=feedback_of(online, state),
        lows=aligned_zeros((2, len(matrices), positions), np.int16),
        highs=aligned_zeros((2, len(matrices), positions), np.int16),
        masks=geometry.masks.astype(np.uint32),
        slopes=np.array(slopes, dtype=np.int32),
        tables=(geometry.tables[: online.last + 1] - lowest).astype(np.uint8),
        leaps=leap_tables(chip.numerics.word_source is WordSource.ROW_LFSR),
        words=np.zeros((len(matrices), most + 2 * BATCH), dtype=np.uint32),
        starts=np.zeros((len(matrices), STRETCHES), dtype=np.uint32),
        cursor=np.zeros((len(matrices), 2), dtype=np.int64),
    )


def batch_of(online: OnlineChip, desk: sh.Desk) -> sh.Batch:
    """Return a place for a mini-batch."""
    kept, hidden = online.chip.learning.batch, max(online.last, 1)
    kept = kept if kept > 1 else 0
    rows, positions, length = desk.index.shape[1], desk.delta.shape[1], desk.codes.shape[1]
    return sh.Batch(
        delta=aligned_zeros((online.last + 1, kept, positions), np.int16),
        codes=aligned_zeros((kept, length), np.int16),
        index=aligned_zeros((hidden, kept, rows), np.int32),
        value=aligned_zeros((hidden, kept, rows), np.int16),
        active=aligned_zeros((hidden, kept), np.int64),
        begin=aligned_zeros(rows, np.int64),
        filled=aligned_zeros(rows, np.int64),
        offsets=aligned_zeros((kept + 1) * rows + 1, np.int32),
        factors=aligned_zeros((kept + 1) * rows + 1, np.int16),
    )


def desk_of(online: OnlineChip) -> sh.Desk:
    """Return working registers, empty."""
    layers = online.last + 1
    line = 2 * fb.CHUNK  # a whole number of cache lines of any type
    positions = -(-max(max(st.positions, st.length) for st in online.storages) // line) * line
    rows = -(-(max(m.stored_rows for m in online.chip.matrices) + fb.PADDING) // line) * line
    length = max(rows, positions) + line
    return sh.Desk(
        q=aligned_zeros((layers, positions), np.int8),
        codes=aligned_zeros((layers + 1, length), np.int16),
        index=aligned_zeros((layers, rows), np.int32),
        value=aligned_zeros((layers, rows), np.int16),
        active=aligned_zeros(layers, np.int64),
        offsets=aligned_zeros(length, np.int32),
        sizes=aligned_zeros(length, np.uint8),
        vector=aligned_zeros(length, np.int16),
        sums=aligned_zeros(positions, np.int32),
        totals=aligned_zeros(positions, np.int64),
        signal=aligned_zeros((layers, positions), np.int32),
        slope=aligned_zeros(positions, np.int32),
        delta=aligned_zeros((layers, positions), np.int16),
        peak=aligned_zeros(layers, np.int64),
        lows=aligned_zeros(length, np.int16),
        highs=aligned_zeros(length, np.int16),
        flags=aligned_zeros(length, np.int16),
    )


class VectorRun:
    """Runs blocks of samples in vector code on a fabric whose weights it shares.

    Weights of 8 bits live on the sheet while vector blocks run; :meth:`enter` and :meth:`leave` bring them over.
    """

    def __init__(self, online: OnlineChip, state: ChipState, fabric: fb.Fabric, threads: int = 1) -> None:
        self._online, self._fabric, self._threads = online, fabric, threads
        self._sheet = sheet_of(online, state, len(fabric.memory.weights), fabric.geometry)
        self._desk = desk_of(online)
        self._batch = batch_of(online, self._desk)
        self._entered = False
        self._tiled = TiledTraining(fabric, self._sheet, self._desk, threads) if self._tiles() else None
        self._learns = [m for m in range(online.last) if online.origins[m].kind != sh.FROZEN]
        self.trains = False
        narrow = [m for m in online.chip.matrices if online.bytes_of(m) == 1]
        starts = [int(fabric.layers[m.index, fb.OFFSET]) for m in narrow]
        sizes = [m.stored_rows * online.storages[m.index].positions for m in narrow]
        self._narrow = [slice(a, a + n) for a, n in zip(starts, sizes, strict=True)]

    def _tiles(self) -> bool:
        """Whether hidden layers wait for nothing but the label, so that threads can share them."""
        alone = all(origin.kind in {sh.FROZEN, sh.FROM_LABEL} for origin in self._online.origins)
        learning = self._online.chip.learning
        gated = learning.error_gate is not None
        return alone and self._threads > 1 and not (gated or learning.weight_decay or learning.sums)

    def begin_epoch(self, epoch: int) -> None:
        """Take over the shifts of *epoch* from the fabric."""
        self.trains = self._online.fits_epoch(epoch)
        if self.trains:
            set_masks(self._online, epoch, self._fabric.layers, self._fabric.geometry, self._sheet)

    def enter(self) -> None:
        """Bring narrow weights onto the sheet."""
        if not self._entered:
            for part in self._narrow:
                self._sheet.weights8[part] = self._fabric.memory.weights[part]
            self._entered = True

    def copy_back(self) -> None:
        """Bring narrow weights back to the fabric; the sheet stays in charge."""
        if self._entered:
            for part in self._narrow:
                self._fabric.memory.weights[part] = self._sheet.weights8[part]

    def leave(self) -> None:
        """Give the weights back to the fabric."""
        self.copy_back()
        self._entered = False

    def train(self, samples: fb.Samples, start: int, stop: int, fill: int) -> int:
        """Train on ``samples.order[start:stop]``, *fill* samples being in the batch already; returns how many."""
        self.enter()
        hits = self._fabric.activity.hits
        before = hits[fb.FORWARDS].copy()
        if self._tiled:
            done = self._tiled.train(samples, start, stop)
        elif self._online.chip.learning.batch > 1:
            done = int(run_batches(self._fabric, self._sheet, self._desk, self._batch, samples, start, stop, fill))
        else:
            done = int(run_online(self._fabric, self._sheet, self._desk, samples, start, stop))
        # Every sample that is learned from is presented just before, so both have the same active rows.
        gained = hits[fb.FORWARDS] - before
        gated = bool(self._fabric.constants[fb.GATED])
        for m in [self._online.last, *([] if gated else self._learns)]:
            hits[fb.LEARNED, m] += gained[m]
        return done

    def infer(self, samples: fb.Samples, start: int, stop: int, activity: fb.Activity) -> int:
        """Forward passes over ``samples.order[start:stop]``, counted in *activity*; threads share the samples."""
        self.enter()
        fabric = self._fabric._replace(activity=activity)
        if self._threads == 1:
            return int(run_online(fabric, self._sheet, self._desk, samples, start, stop))
        benches = [Bench.beside(fabric, self._sheet, self._desk) for _ in range(self._threads)]
        borders = np.linspace(start, stop, self._threads + 1).astype(int).tolist()

        def part(bench: Bench, first: int, last: int) -> int:
            return int(run_online(bench.fabric, bench.sheet, bench.desk, samples, first, last))

        with ThreadPoolExecutor(self._threads) as pool:
            done = sum(pool.map(part, benches, borders[:-1], borders[1:]))
        for bench in benches:
            for total, counted in zip(activity, bench.fabric.activity, strict=True):
                np.add(total, counted, out=total)
        return done
