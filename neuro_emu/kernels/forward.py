"""Forward pass of one fully connected layer: which rows are active, z = Wᵀx, activation."""

from __future__ import annotations

from neuro_emu.jit import kernel
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.narrow import add32, mul16, mul32
from neuro_emu.network.state import ACCUMULATOR_OVF, PREACTIVATION_OVF
from neuro_emu.numerics.modes import WRAP
from neuro_emu.numerics.ops import accumulate, align, saturate, table_address, wrap

_UNROLL = 8


@kernel
def find_active(codes: fb.Int32, rows: int, lists: fb.Int32, counts: fb.Int64, hits: fb.Int64) -> None:
    """List the rows whose code is not 0 (the bias row always counts) and the runs of adjacent ones.

    Args:
        codes: (rows,) input codes, bias last.
        rows: rows of the layer.
        lists: (3, rows + 8), written: row numbers, codes, starts of runs.
        counts: (2,), written: number of active rows, number of runs.
        hits: (rows,), how often each input was not 0; incremented.
    """
    index, value, runs = lists[fb.INDEX], lists[fb.VALUE], lists[fb.RUNS]
    n = 0
    n_runs = 0
    before = 0
    for i in range(rows - 1):
        code = codes[i]
        index[n] = i
        value[n] = code
        runs[n_runs] = n
        active = 1 if code != 0 else 0
        n_runs += active & (1 - before)
        n += active
        before = active
    for i in range(rows - 1):
        hits[i] += codes[i] != 0
    index[n] = rows - 1
    value[n] = codes[rows - 1]
    runs[n_runs] = n
    counts[0] = n + 1
    counts[1] = n_runs + 1 - before
    n += 1
    while n % _UNROLL:
        index[n] = rows - 1
        value[n] = 0
        n += 1


@kernel
def forward_rows16(k: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch) -> None:
    """Proven bound, 16-bit products: z by position, eight active rows a pass.

    Plain formula: ``z[p] = sum(value[a] * W[index[a], p] for a in active rows)``.
    """
    n = layers[k, fb.POSITIONS]
    step = layers[k, fb.ROW_STEP]
    index = scratch.lists[k, fb.INDEX]
    value = scratch.lists[k, fb.VALUE]
    arena = memory.weights[layers[k, fb.OFFSET] :]
    sums = scratch.sums32[:n]
    for p in range(n):
        sums[p] = 0
    for a in range(0, scratch.active[k, 0], _UNROLL):
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
            low = add32(
                add32(mul16(w0[p], x0), mul16(w1[p], x1)), add32(mul16(w2[p], x2), mul16(w3[p], x3))
            )
            high = add32(
                add32(mul16(w4[p], x4), mul16(w5[p], x5)), add32(mul16(w6[p], x6), mul16(w7[p], x7))
            )
            sums[p] = add32(sums[p], add32(low, high))
    wide = scratch.sums[k]
    for p in range(n):
        wide[p] = sums[p]


@kernel
def forward_columns32(k: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch) -> None:
    """Proven 32-bit bound, codes in 16 bits, a dot product a neuron: ``z[j] = sum(W[j, i] * codes[i])``."""
    rows = layers[k, fb.ROWS]
    codes = scratch.parts16[0, :rows]
    for i in range(rows):
        codes[i] = scratch.codes[k, i]
    for j in range(layers[k, fb.UNITS]):
        start = layers[k, fb.OFFSET] + j * layers[k, fb.UNIT_STEP]
        column = memory.weights[start : start + rows]
        total = 0
        for i in range(rows):
            total = add32(total, mul32(column[i], codes[i]))
        scratch.sums[k, j] = total


@kernel
def forward_exact(k: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch) -> None:
    """Exact 64-bit sums over the active rows, whatever the storage; the order is free."""
    sums = scratch.sums[k]
    for p in range(layers[k, fb.POSITIONS]):
        sums[p] = 0
    for a in range(scratch.active[k, 0]):
        row = layers[k, fb.OFFSET] + scratch.lists[k, fb.INDEX, a] * layers[k, fb.ROW_STEP]
        x = int(scratch.lists[k, fb.VALUE, a])
        for p in range(layers[k, fb.POSITIONS]):
            sums[p] += int(memory.weights[row + p * layers[k, fb.UNIT_STEP]]) * x


@kernel
def forward_saturating(
    k: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch, constants: fb.Int64
) -> int:
    """Clamp after every product, rows ascending; lanes are neurons, so the order is kept. Returns the clamps."""
    low, high = constants[fb.ACCUMULATOR_LOW], constants[fb.ACCUMULATOR_HIGH]
    sums = scratch.sums[k]
    for p in range(layers[k, fb.POSITIONS]):
        sums[p] = 0
    clamped = 0
    for a in range(scratch.active[k, 0]):
        row = layers[k, fb.OFFSET] + scratch.lists[k, fb.INDEX, a] * layers[k, fb.ROW_STEP]
        x = int(scratch.lists[k, fb.VALUE, a])
        for p in range(layers[k, fb.POSITIONS]):
            weight = int(memory.weights[row + p * layers[k, fb.UNIT_STEP]])
            total = accumulate(sums[p], weight, x, low, high)
            clamped += total != sums[p] + weight * x
            sums[p] = total
    return clamped


@kernel
def forward(
    k: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch, constants: fb.Int64, events: fb.Int64
) -> None:
    """z_k of one layer into ``scratch.sums[k]``, by the kernel that the bounds allow."""
    kind = layers[k, fb.FORWARD_KIND]
    if kind == fb.FORWARD_ROWS16:
        forward_rows16(k, layers, memory, scratch)
    elif kind == fb.FORWARD_COLUMNS32:
        forward_columns32(k, layers, memory, scratch)
    elif kind == fb.FORWARD_EXACT:
        forward_exact(k, layers, memory, scratch)
    else:
        events[k, ACCUMULATOR_OVF] += forward_saturating(k, layers, memory, scratch, constants)
    if constants[fb.ACCUMULATOR_MODE] == WRAP:
        low, high = constants[fb.ACCUMULATOR_LOW], constants[fb.ACCUMULATOR_HIGH]
        for p in range(layers[k, fb.POSITIONS]):
            total = wrap(scratch.sums[k, p], low, high)
            events[k, ACCUMULATOR_OVF] += total != scratch.sums[k, p]
            scratch.sums[k, p] = total


@kernel
def activate(k: int, layers: fb.Int64, geometry: fb.Geometry, scratch: fb.Scratch, events: fb.Int64) -> None:
    """q = requantise(z), y = table[q]; q is kept for the derivative."""
    shift = layers[k, fb.PREACTIVATION_SHIFT]
    position = geometry.position[k]
    table = geometry.tables[k, 0]
    sums = scratch.sums[k]
    preactivation = scratch.preactivation[k]
    codes = scratch.codes[k + 1]
    clamped = 0
    for j in range(layers[k, fb.UNITS]):
        aligned = align(sums[position[j]], shift)
        q = saturate(aligned, -128, 127)
        clamped += q != aligned
        preactivation[j] = q
        codes[j] = table[table_address(q)]
    events[k, PREACTIVATION_OVF] += clamped
