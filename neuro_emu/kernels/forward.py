"""Forward pass of one fully connected layer: z = Wᵀx over the active rows, activation."""

from __future__ import annotations

import numpy as np

from neuro_emu.jit import kernel, routine, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.narrow import add16, add32, mul16, mul32, shift16, wrap_add16
from neuro_emu.kernels.pieces import join_halves
from neuro_emu.network.state import ACCUMULATOR_OVF, PREACTIVATION_OVF
from neuro_emu.numerics.modes import WRAP
from neuro_emu.numerics.ops import accumulate, align, saturate, table_address, wrap

_UNROLL = fb.PADDING
_INT32 = (1 << 31) - 1
_BLOCK = 248  # rows; a multiple of _UNROLL below 256


@kernel
def _eight_rows(a: int, step: int, arena: fb.Arena, lists: fb.Codes, high: fb.Int16, low: fb.Int16) -> None:
    """Add eight rows: each product p to ``low`` modulo 2^16 and p >> 8 to ``high``."""
    n = high.shape[0]
    index, value = lists[fb.INDEX], lists[fb.VALUE]
    w0 = arena[index[a] * step : index[a] * step + n]
    w1 = arena[index[a + 1] * step : index[a + 1] * step + n]
    w2 = arena[index[a + 2] * step : index[a + 2] * step + n]
    w3 = arena[index[a + 3] * step : index[a + 3] * step + n]
    w4 = arena[index[a + 4] * step : index[a + 4] * step + n]
    w5 = arena[index[a + 5] * step : index[a + 5] * step + n]
    w6 = arena[index[a + 6] * step : index[a + 6] * step + n]
    w7 = arena[index[a + 7] * step : index[a + 7] * step + n]
    x0, x1, x2, x3 = value[a], value[a + 1], value[a + 2], value[a + 3]
    x4, x5, x6, x7 = value[a + 4], value[a + 5], value[a + 6], value[a + 7]
    for p in range(n):
        p0, p1, p2, p3 = mul16(w0[p], x0), mul16(w1[p], x1), mul16(w2[p], x2), mul16(w3[p], x3)
        p4, p5, p6, p7 = mul16(w4[p], x4), mul16(w5[p], x5), mul16(w6[p], x6), mul16(w7[p], x7)
        low03 = wrap_add16(wrap_add16(p0, p1), wrap_add16(p2, p3))
        low47 = wrap_add16(wrap_add16(p4, p5), wrap_add16(p6, p7))
        low[p] = wrap_add16(low[p], wrap_add16(low03, low47))
        high03 = add16(add16(shift16(p0, 8), shift16(p1, 8)), add16(shift16(p2, 8), shift16(p3, 8)))
        high47 = add16(add16(shift16(p4, 8), shift16(p5, 8)), add16(shift16(p6, 8), shift16(p7, 8)))
        high[p] = add16(high[p], add16(high03, high47))


@kernel
def forward_rows16(k: int, plane: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch) -> None:
    """Every product fits 16 bits: z by position, in two 16-bit halves, a block of rows at a time.

    Plain formula: ``z[p] = sum(value[a] * W[index[a], p] for a in active rows)``. Over at most 255 rows the sum of
    p >> 8 fits 16 bits and the sum of p mod 2^8 fits 16 bits unsigned, so the sum of p modulo 2^16 tells the rest.
    """
    n = layers[k, fb.POSITIONS]
    lists, arena = scratch.lists[plane], memory.weights[layers[k, fb.OFFSET] :]
    high, low = scratch.halves16[0, :n], scratch.halves16[1, :n]
    sums = scratch.sums[k, :n]
    sums[:] = 0
    active = scratch.active[plane, 0]
    for block in range(0, active, _BLOCK):
        high[:] = 0
        low[:] = 0
        for a in range(block, min(active, block + _BLOCK), _UNROLL):
            _eight_rows(a, layers[k, fb.ROW_STEP], arena, lists, high, low)
        for p in range(n):
            sums[p] += join_halves(int(high[p]), int(low[p]))


@kernel
def forward_columns32(k: int, plane: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch) -> None:
    """Proven 32-bit bound, codes in 16 bits, a dot product a neuron: ``z[j] = sum(W[j, i] * codes[i])``."""
    rows = layers[k, fb.ROWS]
    codes = scratch.codes16[:rows]
    for i in range(rows):
        codes[i] = scratch.codes[plane, i]
    for j in range(layers[k, fb.UNITS]):
        start = layers[k, fb.OFFSET] + j * layers[k, fb.UNIT_STEP]
        column = memory.weights[start : start + rows]
        total: int = np.int32(0)  # type: ignore[assignment]  # Numba: a 32-bit sum
        for i in range(rows):
            total = add32(total, mul32(column[i], codes[i]))
        scratch.sums[k, j] = total


@kernel
def _four_rows(a: int, row0: int, step: int, arena: fb.Arena, lists: fb.Codes, sums: fb.Int32) -> None:
    """Add four rows in 32 bits."""
    n = sums.shape[0]
    index, value = lists[fb.INDEX], lists[fb.VALUE]
    w0 = arena[row0 + index[a] * step : row0 + index[a] * step + n]
    w1 = arena[row0 + index[a + 1] * step : row0 + index[a + 1] * step + n]
    w2 = arena[row0 + index[a + 2] * step : row0 + index[a + 2] * step + n]
    w3 = arena[row0 + index[a + 3] * step : row0 + index[a + 3] * step + n]
    x0, x1, x2, x3 = value[a], value[a + 1], value[a + 2], value[a + 3]
    for p in range(n):
        sum01 = add32(mul32(w0[p], x0), mul32(w1[p], x1))
        sum23 = add32(mul32(w2[p], x2), mul32(w3[p], x3))
        sums[p] = add32(sums[p], add32(sum01, sum23))


@kernel
def _largest_product(k: int, count: int, values: fb.Codes, layers: fb.Int64) -> int:
    """Bound of the products of weights with the first *count* listed codes; at least 1."""
    largest = 1
    for a in range(count):
        largest = max(largest, abs(int(values[a])))
    return largest * (int(layers[k, fb.WEIGHT_HIGH]) + 1)


@routine
def forward_exact(k: int, plane: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch) -> None:
    """Exact sums over the active rows, whatever the storage; the order is free.

    Row storage takes as many rows at once as fit 32 bits, the rest is summed in 64.
    """
    positions, active, lists = layers[k, fb.POSITIONS], scratch.active[plane, 0], scratch.lists[plane]
    first, row_step, unit_step = layers[k, fb.OFFSET], layers[k, fb.ROW_STEP], layers[k, fb.UNIT_STEP]
    sums, partial = scratch.sums[k, :positions], scratch.delta32[:positions]
    sums[:] = 0
    block = _INT32 // _largest_product(k, active, lists[fb.VALUE], layers) // 4 * 4
    if unit_step == 1 and block:
        for start in range(0, active, block):
            partial[:] = 0
            for a in range(start, min(active, start + block), 4):
                _four_rows(a, first, row_step, memory.weights, lists, partial)
            for p in range(positions):
                sums[p] += int(partial[p])
        return
    for a in range(active):
        row, x = first + lists[fb.INDEX, a] * row_step, int(lists[fb.VALUE, a])
        for p in range(positions):
            sums[p] += int(memory.weights[row + p * unit_step]) * x


@kernel
def _saturate_row(sums: fb.Int32, weights: fb.Arena, x: int, low: int, high: int) -> int:
    """One row in 32 bits, every lane clamped; returns the clamps."""
    clamped: int = np.int32(0)  # type: ignore[assignment]  # Numba: a 32-bit sum
    low32, high32 = add32(low, 0), add32(high, 0)
    for p in range(sums.shape[0]):
        exact = add32(sums[p], mul32(weights[p], x))
        total = min(max(exact, low32), high32)
        sums[p] = total
        clamped = add32(clamped, total != exact)
    return int(clamped)


@routine
def forward_saturating(
    k: int, plane: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch, constants: fb.Int64
) -> int:
    """Clamp after every product, rows ascending; returns the clamps.

    In row storage the lanes of 32 bits are neurons, if those hold accumulators and products.
    """
    low, high = constants[fb.ACCUMULATOR_LOW], constants[fb.ACCUMULATOR_HIGH]
    positions, active, lists = layers[k, fb.POSITIONS], scratch.active[plane, 0], scratch.lists[plane]
    first, row_step, unit_step = layers[k, fb.OFFSET], layers[k, fb.ROW_STEP], layers[k, fb.UNIT_STEP]
    sums, narrow = scratch.sums[k, :positions], scratch.delta32[:positions]
    clamped = 0
    if unit_step == 1 and high + 1 + _largest_product(k, active, lists[fb.VALUE], layers) <= _INT32:
        narrow[:] = 0
        for a in range(active):
            row = first + int(lists[fb.INDEX, a]) * row_step
            weights = memory.weights[row : row + positions]
            clamped += _saturate_row(narrow, weights, int(lists[fb.VALUE, a]), low, high)
        for p in range(positions):
            sums[p] = narrow[p]
        return clamped
    for p in range(positions):
        total = 0
        for a in range(active):
            weight, x = int(memory.weights[first + lists[fb.INDEX, a] * row_step + p * unit_step]), lists[fb.VALUE, a]
            kept = accumulate(total, weight, int(x), low, high)
            clamped += kept != total + weight * int(x)
            total = kept
        sums[p] = total
    return clamped


@section
def forward(
    k: int, plane: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch, constants: fb.Int64, events: fb.Int64
) -> None:
    """Matrix k times a plane of codes into ``scratch.sums[k]``, by the kernel that the bounds allow."""
    kind = layers[k, fb.FORWARD_KIND]
    if kind == fb.FORWARD_ROWS16:
        forward_rows16(k, plane, layers, memory, scratch)
    elif kind == fb.FORWARD_COLUMNS32:
        forward_columns32(k, plane, layers, memory, scratch)
    elif kind == fb.FORWARD_EXACT:
        forward_exact(k, plane, layers, memory, scratch)
    else:
        clamped = forward_saturating(k, plane, layers, memory, scratch, constants)
        events[layers[k, fb.HOST], ACCUMULATOR_OVF] += clamped
    if constants[fb.ACCUMULATOR_MODE] == WRAP and not layers[k, fb.IS_FEEDBACK]:
        low, high = constants[fb.ACCUMULATOR_LOW], constants[fb.ACCUMULATOR_HIGH]
        for p in range(layers[k, fb.POSITIONS]):
            total = wrap(scratch.sums[k, p], low, high)
            events[layers[k, fb.HOST], ACCUMULATOR_OVF] += total != scratch.sums[k, p]
            scratch.sums[k, p] = total


@kernel
def activate(
    k: int, target: int, which: int, layers: fb.Int64, geometry: fb.Geometry, scratch: fb.Scratch, events: fb.Int64
) -> None:
    """Q = requantise(z), y = table[q] into plane *target*, by table *which*; q is kept for the derivative."""
    shift = layers[k, fb.PREACTIVATION_SHIFT]
    position = geometry.position[k]
    table = geometry.tables[k, which]
    sums = scratch.sums[k]
    preactivation = scratch.preactivation[k]
    codes = scratch.codes[target]
    clamped = 0
    for j in range(layers[k, fb.UNITS]):
        aligned = align(sums[position[j]], shift)
        q = saturate(aligned, -128, 127)
        clamped += q != aligned
        preactivation[j] = q
        codes[j] = table[table_address(q)]
    events[layers[k, fb.HOST], PREACTIVATION_OVF] += clamped
