"""The weight update of a matrix stored as rows, compiled on its own: it is the longest loop of all."""

from __future__ import annotations

from typing import Any

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.pieces import low_bits
from neuro_emu.kernels.vector.steps import (
    add_same_steps,
    add_steps,
    levels,
    step_both,
    step_both_checked,
    step_both_wide,
    step_signed,
    step_signed_wide,
)
from neuro_emu.numerics.ops import draw

COMPARED_BITS = 15
"""Low bits of a draw that are compared with δ·x."""

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
def _step_rows(weights: Any, delta: fb.Int16, masks: Masks, rows: Rows, level: int, settings: fb.Int64) -> int:
    """Steps of −1, 0 and 1 in whole rows: down in one of 2^level blocks, up in another."""
    (lows, highs), (index, value, words) = masks, rows
    offset, step, shift = settings[fb.OFFSET], settings[fb.ROW_STEP], settings[fb.SHIFT]
    bottom, top, size = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH], settings[fb.POSITIONS] >> level
    above = max(shift - COMPARED_BITS, 0)
    below, mirror, last = shift - above, shift - level, settings[fb.POSITIONS] - size
    flip, ones_above = (1 << below) - 1, (1 << above) - 1
    known = level >= above
    wide = known and size % (2 * fb.CHUNK) == 0
    result = 0
    for a in range(index.shape[0]):
        x, start, r = int(value[a]), offset + index[a] * step, draw(int(words[a]), shift)
        low, high, zeros = low_bits(r, below), r >> below, (r >> mirror) * size
        ones, low_up, high_up = last - zeros, low ^ flip, high ^ ones_above
        if wide:
            result += step_both_wide(
                weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top
            )
        elif known:
            result += step_both(
                weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top
            )
        else:
            result += step_both_checked(
                weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top
            )
    return result


@kernel
def _step_tile(
    weights: Any, delta: fb.Int16, masks: Masks, rows: Rows, level: int, tile: tuple[int, int], settings: fb.Int64
) -> int:
    """The same in a tile. One of half a row has just one of the two blocks in it: they mirror each other."""
    (lows, highs), (index, value, words), (first, last) = masks, rows, tile
    offset, step, shift = settings[fb.OFFSET], settings[fb.ROW_STEP], settings[fb.SHIFT]
    bottom, top, positions = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH], settings[fb.POSITIONS]
    above, size = max(shift - COMPARED_BITS, 0), positions >> level
    below, mirror = shift - above, shift - level
    flip, ones_above = (1 << below) - 1, (1 << above) - 1
    halved, wide = level > 0 and 2 * (last - first) == positions, level >= above and size % (2 * fb.CHUNK) == 0
    result = 0
    for a in range(index.shape[0]):
        x, start, r = int(value[a]), offset + index[a] * step, draw(int(words[a]), shift)
        low, high, zeros = low_bits(r, below), r >> below, (r >> mirror) * size
        ones, low_up, high_up = positions - size - zeros, low ^ flip, high ^ ones_above
        if halved:
            down = first <= zeros < last
            at, sign, limit = (zeros, -1, bottom) if down else (ones, 1, top)
            low, high = (low, high) if down else (low_up, high_up)
            if wide:
                result += step_signed_wide(weights, delta, lows, highs, start, at, size, x, low, high, limit, sign)
            else:
                result += step_signed(weights, delta, lows, highs, start, at, size, x, low, high, limit, sign)
            continue
        at, end = max(zeros, first), min(zeros + size, last)
        if at < end:
            result += step_signed(weights, delta, lows, highs, start, at, end - at, x, low, high, bottom, -1)
        at, end = max(ones, first), min(ones + size, last)
        if at < end:
            result += step_signed(weights, delta, lows, highs, start, at, end - at, x, low_up, high_up, top, 1)
    return result


@routine
def update_rows(
    weights: Any,
    delta: fb.Int16,
    largest: int,
    masks: tuple[fb.Int16, fb.Int16, fb.Int16, fb.Int16],
    rows: Rows,
    first: int,
    last: int,
    settings: fb.Int64,
) -> int:
    """W ← SAT(W + R(δ·x, s)) in the active rows.

    A step is 0 unless the draw lies within |δ·x| of an end of its range. Lane masks are bit-reversed neuron numbers
    and neurons lie in the order of their masks, so when |δ·x| ≤ 2^(s−m) only two of the 2^m blocks of a row can have
    steps: where the top m bits of the draw are zeros they go down, where they are ones they go up. One m serves all
    rows of a sample: choosing it by row costs more in branches than it saves.

    Args:
        weights: int8 or int16, flat.
        delta: (positions,) δ by position.
        largest: largest |δ|.
        masks: low and high part of the lane masks, cut to be compared, and cut to be added.
        rows: numbers, codes and random words of the active rows.
        first: first position to update, a multiple of a vector tile, like *last*.
        last: end of the positions to update.
        settings: the matrix's row of the table of matrices.

    Returns:
        Steps that were not 0 + 2^32 · overflows.

    """
    shift, most, value, tile = settings[fb.SHIFT], settings[fb.LEVELS], rows[1], (first, last)
    code = 0
    for a in range(value.shape[0]):
        code = max(code, abs(int(value[a])))
    peak = largest * code
    if peak == 0:
        return 0
    # Without lane masks a whole row is compared twice, which only pays where adding does not fit 16 bits.
    if peak > (1 << shift) or (most == 0 and shift <= COMPARED_BITS):
        return _add_rows(weights, delta, (masks[2], masks[3]), rows, tile, settings)
    level, compared = levels(peak, shift, most), (masks[0], masks[1])
    if last - first == settings[fb.POSITIONS]:
        return _step_rows(weights, delta, compared, rows, level, settings)
    return _step_tile(weights, delta, compared, rows, level, tile, settings)
