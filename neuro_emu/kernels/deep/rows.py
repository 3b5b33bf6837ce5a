"""Writes of summed gradients, rows ascending with one word a row: R ^ bitreverse32(j) (docs/numerics.md, section 6).

Plain matrices (rows, units) int32. ``limits`` = (low, high, shift, rounding, overflow) of a write. ``words`` holds a
word a row as :func:`neuro_emu.kernels.walk.row_words` draws it, ``masks`` (units,) the bit-reversed numbers of the
columns, ``work`` (units,) is overwritten. Results are nonzero steps + 2^32 · overflows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels.fabric import Int32, Int64, Words
from neuro_emu.kernels.update import add_steps
from neuro_emu.kernels.walk import signed, unsigned
from neuro_emu.numerics.modes import SAT
from neuro_emu.numerics.ops import add_step, bit_reverse, round_shift, saturate, velocity_sum

Gradients = NDArray[Any]
"""Sums of gradients (rows, units): int64, or int32 where 32 bits hold them."""


def lane_masks(units: int) -> Int64:
    """Bit-reversed numbers of the columns, (units,)."""
    return np.array([bit_reverse(j) for j in range(units)], dtype=np.int64)


@kernel
def _row_words(word: int, masks: Int64, work: Int32) -> None:
    for j in range(work.shape[0]):
        work[j] = signed(word ^ masks[j])


@routine
def write_rows(
    weights: Int32, sums: Gradients, words: Words, masks: Int64, work: Int32, limits: Int64, fits: bool
) -> int:
    """W ← OVF(W + R(G, s)) for every row; *fits*: :func:`neuro_emu.kernels.update.fits32` holds for all of G."""
    result = 0
    for i in range(weights.shape[0]):
        _row_words(int(words[i]), masks, work)
        result += add_steps(weights[i], sums[i, : work.shape[0]], 1, work, limits, fits)
    return result


@routine
def write_rows_momentum(
    weights: Int32,
    velocities: Int32,
    sums: Gradients,
    words: Words,
    masks: Int64,
    work: Int32,
    limits: Int64,
    speeds: Int64,
) -> int:
    """The same through velocities, with two words a row, the velocity's first.

    ``limits[2]`` is s_W; ``speeds`` = (low, high, s_V, m, nesterov) of the velocities.
    """
    low, high, outer, rounding, mode = limits[0], limits[1], limits[2], limits[3], limits[4]
    shift, decay = speeds[2], speeds[3]
    more = max(shift, decay)
    result = 0
    for i in range(weights.shape[0]):
        _row_words(int(words[2 * i]), masks, work)
        for j in range(work.shape[0]):
            exact = velocity_sum(int(velocities[i, j]), int(sums[i, j]), decay, shift)
            rounded = round_shift(exact, more, rounding, unsigned(int(work[j])))
            velocities[i, j] = saturate(rounded, speeds[0], speeds[1])
        _row_words(int(words[2 * i + 1]), masks, work)
        for j in range(work.shape[0]):
            code, drop = int(velocities[i, j]), outer
            if speeds[4]:
                code = velocity_sum(code, int(sums[i, j]), decay, shift)
                drop = more + outer
            step = round_shift(code, drop, rounding, unsigned(int(work[j])))
            old = int(weights[i, j])
            new = add_step(old, step, low, high, mode)
            weights[i, j] = new
            result += (1 if step != 0 else 0) + ((1 if new != old + step else 0) << 32)
    return result


@routine
def decay_rows(weights: Int32, words: Words, masks: Int64, work: Int32, limits: Int64) -> None:
    """W ← W − R(W, d) for the rows of *weights*, without the bias row; ``limits[2]`` is d."""
    for i in range(weights.shape[0]):
        _row_words(int(words[i]), masks, work)
        for j in range(work.shape[0]):
            old = int(weights[i, j])
            step = round_shift(old, limits[2], limits[3], unsigned(int(work[j])))
            weights[i, j] = add_step(old, -step, limits[0], limits[1], SAT)
