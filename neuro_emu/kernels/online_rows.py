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


@kernel
def _step_whole(
    weights: Any,
    delta: fb.Int16,
    masks: tuple[fb.Int16, fb.Int16],
    draws: tuple[int, int, int, int],
    blocks: tuple[int, int, int, int],
    x: int,
    known: bool,
    limits: tuple[int, int],
) -> int:
    """Steps of one row, down in one block and up in another; the high parts of their draws may be *known* to fit."""
    (lows, highs), (low, high, low_up, high_up), (bottom, top) = masks, draws, limits
    start, zeros, ones, size = blocks
    if known and size % (2 * fb.CHUNK) == 0:
        return int(
            step_both_wide(
                weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top
            )
        )
    if known:
        return int(
            step_both(weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top)
        )
    return int(
        step_both_checked(
            weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top
        )
    )


@kernel
def _step_half(
    weights: Any,
    delta: fb.Int16,
    masks: tuple[fb.Int16, fb.Int16],
    draws: tuple[int, int, int, int],
    blocks: tuple[int, int, int, int],
    x: int,
    known: bool,
    limits: tuple[int, int],
    tile: tuple[int, int],
) -> int:
    """Steps of one row in a tile of half a row, which one of the two blocks lies in."""
    (lows, highs), (low, high, low_up, high_up), (bottom, top) = masks, draws, limits
    start, zeros, ones, size = blocks
    down = tile[0] <= zeros < tile[1]
    at, sign, limit = (zeros, -1, bottom) if down else (ones, 1, top)
    own_low, own_high = (low, high) if down else (low_up, high_up)
    if known and size % (2 * fb.CHUNK) == 0:
        return int(step_signed_wide(weights, delta, lows, highs, start, at, size, x, own_low, own_high, limit, sign))
    return int(step_signed(weights, delta, lows, highs, start, at, size, x, own_low, own_high, limit, sign))


@kernel
def _step_part(
    weights: Any,
    delta: fb.Int16,
    masks: tuple[fb.Int16, fb.Int16],
    draws: tuple[int, int, int, int],
    blocks: tuple[int, int, int, int],
    x: int,
    limits: tuple[int, int],
    tile: tuple[int, int],
) -> int:
    """Steps of one row in any tile."""
    (lows, highs), (low, high, low_up, high_up), (bottom, top) = masks, draws, limits
    start, zeros, ones, size = blocks
    result = 0
    at, end = max(zeros, tile[0]), min(zeros + size, tile[1])
    if at < end:
        result += step_signed(weights, delta, lows, highs, start, at, end - at, x, low, high, bottom, -1)
    at, end = max(ones, tile[0]), min(ones + size, tile[1])
    if at < end:
        result += step_signed(weights, delta, lows, highs, start, at, end - at, x, low_up, high_up, top, 1)
    return result


@routine
def update_rows(
    weights: Any,
    delta: fb.Int16,
    largest: int,
    masks: tuple[fb.Int16, fb.Int16, fb.Int16, fb.Int16],
    rows: tuple[fb.Int32, fb.Int16, fb.Words],
    first: int,
    last: int,
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
        first: first position to update, a multiple of a vector tile, like *last*.
        last: end of the positions to update.
        settings: the matrix's row of the table of matrices.

    Returns:
        Steps that were not 0 + 2^32 · overflows.

    """
    index, value, words = rows
    compared, added = (masks[0], masks[1]), (masks[2], masks[3])
    positions, shift, most = settings[fb.POSITIONS], settings[fb.SHIFT], settings[fb.LEVELS]
    offset, step, split = settings[fb.OFFSET], settings[fb.ROW_STEP], settings[fb.SPLIT]
    bottom, top, rest = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH], shift - split
    above = max(shift - COMPARED_BITS, 0)
    below = shift - above
    flip, ones_above = (1 << below) - 1, (1 << above) - 1
    limits, tile = (bottom, top), (first, last)
    whole, halved = last - first == positions, 2 * (last - first) == positions
    # A whole row is compared only where few lanes step; without lane masks all draws of a row are one.
    most_compared = 1 << shift if most > 0 or above > 0 else 0
    result = 0
    for a in range(index.shape[0]):
        x = int(value[a])
        peak = largest * abs(x)
        if peak == 0:
            continue
        r = draw(int(words[a]), shift)
        start = offset + index[a] * step
        if peak > most_compared:
            count, low, high, add = last - first, low_bits(r, split), r >> split, added
            if most:
                result += add_steps(
                    weights, delta, add[0], add[1], start, first, count, x, low, high, split, rest, bottom, top
                )
            else:
                result += add_same_steps(
                    weights, delta, add[0], add[1], start, first, count, x, low, high, split, rest, bottom, top
                )
            continue
        level = levels(peak, shift, most)
        size = positions >> level
        low, high = low_bits(r, below), r >> below
        draws = (low, high, low ^ flip, high ^ ones_above)
        zeros = (r >> (shift - level)) * size
        blocks = (start, zeros, positions - size - zeros, size)
        if whole:
            result += _step_whole(weights, delta, compared, draws, blocks, x, level >= above, limits)
        elif halved and level:
            result += _step_half(weights, delta, compared, draws, blocks, x, level >= above, limits, tile)
        else:
            result += _step_part(weights, delta, compared, draws, blocks, x, limits, tile)
    return result
