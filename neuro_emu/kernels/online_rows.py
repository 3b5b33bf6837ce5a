"""The weight update of a matrix stored as rows, compiled on its own: it is the longest loop of all."""

from __future__ import annotations

from typing import Any

from neuro_emu.jit import routine
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
)
from neuro_emu.numerics.ops import draw

COMPARED_BITS = 15
"""Low bits of a draw that are compared with δ·x."""


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
    lows, highs, added_lows, added_highs = masks
    positions, shift, most = settings[fb.POSITIONS], settings[fb.SHIFT], settings[fb.LEVELS]
    offset, step, split = settings[fb.OFFSET], settings[fb.ROW_STEP], settings[fb.SPLIT]
    bottom, top, rest = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH], shift - split
    above = max(shift - COMPARED_BITS, 0)
    below = shift - above
    flip, ones_above = (1 << below) - 1, (1 << above) - 1
    whole = first == 0 and last == positions
    halved = 2 * (last - first) == positions
    # A whole row is compared only where few lanes step; without lane masks all draws of a row are one.
    limit = 1 << shift if most > 0 or above > 0 else 0
    result = 0
    for a in range(index.shape[0]):
        x = int(value[a])
        peak = largest * abs(x)
        if peak == 0:
            continue
        r = draw(int(words[a]), shift)
        start = offset + index[a] * step
        if peak > limit and most == 0:
            count, low, high = last - first, low_bits(r, split), r >> split
            result += add_same_steps(
                weights, delta, added_lows, added_highs, start, first, count, x, low, high, split, rest, bottom, top
            )
            continue
        if peak > limit:
            count, low, high = last - first, low_bits(r, split), r >> split
            result += add_steps(
                weights, delta, added_lows, added_highs, start, first, count, x, low, high, split, rest, bottom, top
            )
            continue
        level = levels(peak, shift, most)
        size = positions >> level
        low, high = low_bits(r, below), r >> below
        zeros = (r >> (shift - level)) * size
        ones = positions - size - zeros
        low_up, high_up = low ^ flip, high ^ ones_above
        if whole and level >= above and size % (2 * fb.CHUNK) == 0:
            result += step_both_wide(
                weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top
            )
        elif whole and level >= above:
            result += step_both(
                weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top
            )
        elif whole:
            result += step_both_checked(
                weights, delta, lows, highs, start, zeros, ones, size, x, low, high, low_up, high_up, bottom, top
            )
        else:
            # The two blocks never lie in the same half of a row, so a tile of half a row has work in one of them.
            sign = -1 if zeros < last and zeros + size > first else 1
            for _ in range(1 if level > 0 and halved else 2):
                up = sign > 0
                at, end = max(ones if up else zeros, first), min((ones if up else zeros) + size, last)
                if at < end:
                    one_low, one_high, limit_of = (low_up, high_up, top) if up else (low, high, bottom)
                    result += step_signed(
                        weights, delta, lows, highs, start, at, end - at, x, one_low, one_high, limit_of, sign
                    )
                sign = -sign
    return result
