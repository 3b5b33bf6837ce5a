"""The weight update of a matrix stored as rows, compiled on its own: it is the longest loop of all."""

from __future__ import annotations

from typing import Any

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.pieces import low_bits
from neuro_emu.kernels.vector.entries import (
    COLUMNS,
    COMPARED_BITS,
    SIZES,
    down32,
    down32_checked,
    down64,
    down64_checked,
    down128,
    list_blocks,
    up32,
    up32_checked,
    up64,
    up64_checked,
    up128,
)
from neuro_emu.kernels.vector.nearest import FRACTION, add_nearest, add_nearest_whole
from neuro_emu.kernels.vector.steps import add_same_steps, add_steps, levels, step_signed
from neuro_emu.numerics.ops import draw

_INT16 = (1 << 15) - 1

Masks = tuple[fb.Int16, fb.Int16]
Rows = tuple[fb.Int32, fb.Int16, fb.Words]


@kernel
def _add_rows(
    weights: Any, delta: fb.Int16, masks: Masks, rows: Rows, tile: tuple[int, int], settings: fb.Int64
) -> int:
    """Steps of any size."""
    (lows, highs), (index, value, words), (first, last) = masks, rows, tile
    offset, step, shift = settings[fb.OFFSET], settings[fb.ROW_STEP], settings[fb.SHIFT]
    split, most, count = settings[fb.SPLIT], settings[fb.LEVELS], last - first
    bottom, top, rest = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH], shift - split
    result = 0
    for a in range(index.shape[0]):
        x, start, r = int(value[a]), offset + index[a] * step, draw(int(words[a]), shift)
        low, high = low_bits(r, split), r >> split
        if most:
            result += add_steps(
                weights, delta, lows, highs, start, first, count, x, low, high, split, rest, bottom, top
            )
        else:  # without lane masks all draws of a row are one
            result += add_same_steps(
                weights, delta, lows, highs, start, first, count, x, low, high, split, rest, bottom, top
            )
    return result


@kernel
def _add_nearest(
    weights: Any, delta: fb.Int16, rows: Rows, left: int, tile: tuple[int, int], settings: fb.Int64
) -> int:
    """Steps of any size to the nearest code."""
    (index, value, _), (first, last), n = rows, tile, rows[0].shape[0]
    offset, step, bottom, top = (
        settings[fb.OFFSET],
        settings[fb.ROW_STEP],
        settings[fb.WEIGHT_LOW],
        settings[fb.WEIGHT_HIGH],
    )
    count = last - first
    if top == _INT16 and count % (2 * fb.CHUNK) == 0:
        return int(add_nearest_whole(weights, delta, index, value, offset, step, n, first, count, left, bottom, top))
    return int(add_nearest(weights, delta, index, value, offset, step, n, first, count, left, bottom, top))


@kernel
def _step_tile(
    weights: Any, delta: fb.Int16, masks: Masks, rows: Rows, level: int, tile: tuple[int, int], settings: fb.Int64
) -> int:
    """Steps of −1, 0 and 1: down in one of 2^level blocks of each row, up in another, as far as they lie in *tile*."""
    (lows, highs), (index, value, words), (first, last) = masks, rows, tile
    offset, step, shift = settings[fb.OFFSET], settings[fb.ROW_STEP], settings[fb.SHIFT]
    bottom, top, positions = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH], settings[fb.POSITIONS]
    above, size = max(shift - COMPARED_BITS, 0), positions >> level
    below, mirror = shift - above, shift - level
    flip, ones_above = (1 << below) - 1, (1 << above) - 1
    result = 0
    for a in range(index.shape[0]):
        x, start, r = int(value[a]), offset + index[a] * step, draw(int(words[a]), shift)
        low, high, zeros = low_bits(r, below), r >> below, (r >> mirror) * size
        ones, low_up, high_up = positions - size - zeros, low ^ flip, high ^ ones_above
        at, end = max(zeros, first), min(zeros + size, last)
        if at < end:
            result += step_signed(weights, delta, lows, highs, start, at, end - at, x, low, high, bottom, -1)
        at, end = max(ones, first), min(ones + size, last)
        if at < end:
            result += step_signed(weights, delta, lows, highs, start, at, end - at, x, low_up, high_up, top, 1)
    return result


@routine
def _step_listed(
    weights: Any,
    delta: fb.Int16,
    masks: Masks,
    lists: fb.Int32,
    counts: int,
    size: int,
    checked: bool,
    limits: tuple[int, int],
) -> int:
    """Steps in listed blocks that have code of their own."""
    (lows, highs), (bottom, top) = masks, limits
    down, up, n, more = lists[0], lists[1], low_bits(counts, 32), counts >> 32
    room = lists.shape[1] // COLUMNS
    if size == SIZES[0]:
        if checked:
            result = down32_checked(weights, delta, lows, highs, down, room, n, bottom)
            result += up32_checked(weights, delta, lows, highs, up, room, more, top)
        else:
            result = down32(weights, delta, lows, highs, down, room, n, bottom)
            result += up32(weights, delta, lows, highs, up, room, more, top)
    elif size == SIZES[1]:
        if checked:
            result = down64_checked(weights, delta, lows, highs, down, room, n, bottom)
            result += up64_checked(weights, delta, lows, highs, up, room, more, top)
        else:
            result = down64(weights, delta, lows, highs, down, room, n, bottom)
            result += up64(weights, delta, lows, highs, up, room, more, top)
    else:
        result = down128(weights, delta, lows, highs, down, room, n, bottom)
        result += up128(weights, delta, lows, highs, up, room, more, top)
    return int(result)


@kernel
def _step_rows(
    weights: Any,
    delta: fb.Int16,
    masks: Masks,
    rows: Rows,
    lists: fb.Int32,
    level: int,
    tile: tuple[int, int],
    settings: fb.Int64,
) -> int:
    """The same with the blocks listed beforehand."""
    (index, value, words), (first, last), shift = rows, tile, settings[fb.SHIFT]
    offset, step, positions = settings[fb.OFFSET], settings[fb.ROW_STEP], settings[fb.POSITIONS]
    limits, room, n = (settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH]), lists.shape[1] // COLUMNS, index.shape[0]
    counts = list_blocks(
        index, value, words, lists[0], lists[1], room, n, shift, level, offset, step, positions, first, last
    )
    checked = level < shift - COMPARED_BITS
    return int(_step_listed(weights, delta, masks, lists, counts, positions >> level, checked, limits))


@routine
def update_rows(
    weights: Any,
    delta: fb.Int16,
    largest: int,
    masks: tuple[fb.Int16, fb.Int16, fb.Int16, fb.Int16],
    rows: Rows,
    lists: fb.Int32,
    nearest: bool,
    tile: tuple[int, int],
    settings: fb.Int64,
) -> int:
    """W ← SAT(W + R(δ·x, s)) in the active rows.

    A step is 0 unless the draw lies within |δ·x| of an end of its range. Lane masks are bit-reversed neuron numbers
    and neurons lie in the order of their masks, so when |δ·x| ≤ 2^(s−m) only two of the 2^m blocks of a row can have
    steps: where the top m bits of the draw are zeros they go down, where they are ones they go up.

    Args:
        weights: int8 or int16, flat.
        delta: (positions,) δ by position.
        largest: largest |δ|.
        masks: low and high part of the lane masks, cut to be compared, and cut to be added.
        rows: numbers, codes and random words of the active rows.
        lists: (2, COLUMNS · (rows + ROWS)) working registers.
        nearest: draws are half a step: it rounds to the nearest code, ties up.
        tile: first position to update and end, multiples of a vector tile.
        settings: the matrix's row of the table of matrices.

    Returns:
        Steps that were not 0 + 2^32 · overflows.

    """
    shift, most, value, (first, last) = settings[fb.SHIFT], settings[fb.LEVELS], rows[1], tile
    code = 0
    for a in range(value.shape[0]):
        code = max(code, abs(int(value[a])))
    peak = largest * code
    if peak == 0:
        return 0
    left = FRACTION - shift
    if nearest and left >= 0 and code << left < 1 << FRACTION:
        return _add_nearest(weights, delta, rows, left, tile, settings)
    # Without lane masks a whole row is compared twice, which only pays where adding does not fit 16 bits.
    if peak > (1 << shift) or (most == 0 and shift <= COMPARED_BITS):
        return _add_rows(weights, delta, (masks[2], masks[3]), rows, tile, settings)
    level, compared = levels(peak, shift, most), (masks[0], masks[1])
    size, checked = settings[fb.POSITIONS] >> level, level < shift - COMPARED_BITS
    if level and last - first >= size and (size in SIZES[:2] or (size == SIZES[2] and not checked)):
        return _step_rows(weights, delta, compared, rows, lists, level, tile, settings)
    return _step_tile(weights, delta, compared, rows, level, tile, settings)
