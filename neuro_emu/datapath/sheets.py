"""The sheet and the desk of a chip: narrow copies in the order of positions, and working registers."""

from __future__ import annotations

import numpy as np

from neuro_emu.datapath.conflicts import conflict_lists
from neuro_emu.datapath.layout import aligned_zeros, masked, split_draw
from neuro_emu.datapath.online import OnlineChip
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.vector.entries import COLUMNS, COMPARED_BITS
from neuro_emu.kernels.vector.words import BATCH, STRETCHES, leap_tables
from neuro_emu.machine.design import WRITE_DELAY, ZeroInput
from neuro_emu.network.state import ChipState
from neuro_emu.numerics.modes import WordSource
from neuro_emu.numerics.ops import draw
from neuro_emu.numerics.tables import derivative_table


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
        for which, cut in ((sh.COMPARED, min(shift, COMPARED_BITS)), (sh.ADDED, split)):
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
        conflicts=conflict_lists(chip.design.weight_banks, WRITE_DELAY, chip.design.zero_input is ZeroInput.GATE),
    )


def batch_of(online: OnlineChip, desk: sh.Desk) -> sh.Batch:
    """Return a place for a mini-batch."""
    kept, hidden = online.chip.learning.batch, max(online.last, 1)
    kept = kept if kept > 1 else 0
    rows, positions, length = desk.index.shape[1], desk.delta.shape[1], desk.codes.shape[1]
    return sh.Batch(
        delta=aligned_zeros((online.last + 1, kept, positions), np.int16),
        codes=aligned_zeros((kept, length), np.int16),
        rows=aligned_zeros((hidden, kept, rows), np.int32),
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
        numbers=np.arange(length, dtype=np.int32),
        lists=aligned_zeros((2, COLUMNS * (rows + line)), np.int32),
    )
