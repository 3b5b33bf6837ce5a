"""Forward passes in vector code, layer by layer; the integers are those of :mod:`neuro_emu.kernels.forward`."""

from __future__ import annotations

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.conflicts import listed_stalls
from neuro_emu.kernels.schedule import clear_ports, stalls_of_run
from neuro_emu.kernels.vector.codes import GROUP as NEURONS
from neuro_emu.kernels.vector.codes import outputs1, outputs2, outputs3, outputs4, outputs5, prefetch
from neuro_emu.kernels.vector.signals import dot, requantise8
from neuro_emu.kernels.vector.sums import GROUP, TILE, sum_group8, sum_group16, sum_rows8, sum_rows16
from neuro_emu.kernels.vector.words import scan, trailing_zeros
from neuro_emu.network.state import PREACTIVATION_OVF
from neuro_emu.numerics.ops import align, saturate, table_address

_WIDE = TILE * GROUP
_FOUR = 4


@kernel
def list_inputs(sample: int, fabric: fb.Fabric, samples: fb.Samples, desk: sh.Desk) -> None:
    """List the active rows of layer 0; hits are counted from the flags of whole blocks of samples."""
    start, stop = samples.events.ends[sample], samples.events.ends[sample + 1]
    index, value = desk.index[0], desk.value[0]
    # Slices begin at 0: an index that might be negative would be looked up lane by lane.
    inputs, codes = samples.events.inputs[start:stop], samples.events.value[start:stop]
    n = stop - start
    for a in range(n):
        index[a] = inputs[a]
        value[a] = codes[a]
    index[n] = fabric.layers[0, fb.ROWS] - 1
    value[n] = fabric.layers[0, fb.BIAS]
    desk.active[0] = n + 1


@kernel
def expect_inputs(t: int, stop: int, samples: fb.Samples) -> None:
    """Ask for what the samples behind place t need: they come in any order, which no hardware foresees."""
    events = samples.events
    if t + 2 < stop:
        sample = samples.order[t + 2]
        prefetch(events.ends, sample, sample + 1)
        prefetch(events.stalls, sample, sample + 1)
        prefetch(samples.labels, sample, sample + 1)
    if t + 1 < stop:
        sample = samples.order[t + 1]
        first, last = events.ends[sample], events.ends[sample + 1]
        prefetch(events.inputs, first, last)
        prefetch(events.value, first, last)


@kernel
def list_codes(k: int, fabric: fb.Fabric, desk: sh.Desk) -> None:
    """List the active rows of hidden layer k ≥ 1 and count them as hits."""
    codes, index, value, hits = desk.codes[k], desk.index[k], desk.value[k], fabric.activity.hits[fb.FORWARDS, k]
    n = 0
    for i in range(fabric.layers[k, fb.ROWS]):
        code = codes[i]
        index[n] = i
        value[n] = code
        active = 1 if code != 0 else 0
        hits[i] += active
        n += active
    desk.active[k] = n


@kernel
def _list_sizes(k: int, step: int, plan: fb.Int64, desk: sh.Desk) -> tuple[int, int]:
    """Offsets and magnitudes of the active rows, negative codes first; returns how many of both, padded to fours."""
    index, value, offsets, sizes, n = desk.index[k], desk.value[k], desk.offsets, desk.sizes, desk.active[k]
    if plan[k, sh.SIGNED] == 0:
        for a in range(n):
            offsets[a] = index[a] * step
            sizes[a] = value[a]
        for a in range(n, n + _FOUR - 1):
            offsets[a] = 0
            sizes[a] = 0
        return 0, n + _FOUR - 1
    negative = 0
    at = 0
    for sign in range(2):
        for a in range(n):
            code = int(value[a])
            offsets[at] = index[a] * step
            sizes[at] = abs(code)
            at += (code < 0) == (sign == 0)
        while at % _FOUR:
            offsets[at] = 0
            sizes[at] = 0
            at += 1
        if sign == 0:
            negative = at
    return negative, at


@routine
def _sum_narrow(
    rows: sh.Int8,
    base: int,
    sizes: fb.UInt8,
    counts: tuple[int, int],
    first: int,
    last: int,
    offsets: fb.Int32,
    sums: fb.Int32,
) -> None:
    """Sum 8-bit rows over positions *first* … *last* − 1; ``counts`` = (rows to subtract, rows), multiples of 4."""
    negative, count = counts
    at = first
    while at + _WIDE <= last:
        sum_group8(rows, offsets, sizes, sums, base, at, negative, count)
        at += _WIDE
    while at < last:
        sum_rows8(rows, offsets, sizes, sums, base, at, negative, count)
        at += TILE


@routine
def sum_wide(
    rows: fb.Int16, base: int, codes: fb.Int16, count: int, first: int, last: int, offsets: fb.Int32, sums: fb.Int32
) -> None:
    """``sums[p] = Σ_a codes[a] · rows[base + offsets[a] + p]``; *count* is even, or a 0 follows."""
    count += count % 2
    at = first
    while at + _WIDE <= last:
        sum_group16(rows, offsets, codes, sums, base, at, count)
        at += _WIDE
    while at < last:
        sum_rows16(rows, offsets, codes, sums, base, at, count)
        at += TILE // 2


@kernel
def _forward16(k: int, q: sh.Int8, first: int, last: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> int:
    """Pre-activations of 16-bit weights; more rows than a 32-bit sum has room for are summed in parts."""
    base, step = fabric.layers[k, fb.OFFSET], fabric.layers[k, fb.ROW_STEP]
    index, value, n, room = desk.index[k], desk.value[k], desk.active[k], sheet.plan[k, sh.ROOM]
    shift = fabric.layers[k, fb.PREACTIVATION_SHIFT]
    value[n] = 0
    for a in range(n):
        desk.offsets[a] = index[a] * step
    desk.offsets[n] = 0
    if n <= room:
        sum_wide(fabric.memory.weights, base, value, n, first, last, desk.offsets, desk.sums)
        return int(requantise8(desk.sums, q, first, last - first, shift, -128, 127))
    totals, sums = desk.totals[first:last], desk.sums[first:last]
    totals[:] = 0
    for block in range(0, n, room):
        part = min(room, n - block)
        sum_wide(fabric.memory.weights, base, value[block:], part, first, last, desk.offsets[block:], desk.sums)
        for p in range(last - first):
            totals[p] += sums[p]
    clamped = 0
    for p in range(last - first):
        aligned = align(totals[p], shift)
        kept = saturate(aligned, -128, 127)
        clamped += kept != aligned
        q[first + p] = kept
    return clamped


@kernel
def forward_layer(k: int, q: sh.Int8, first: int, last: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """Pre-activations q of positions *first* … *last* − 1 of hidden layer k, from its list of active rows."""
    if sheet.plan[k, sh.BYTES] == 1:
        base, step = fabric.layers[k, fb.OFFSET], fabric.layers[k, fb.ROW_STEP]
        negative, count = _list_sizes(k, step, sheet.plan, desk)
        counts = (negative, count - count % _FOUR)
        _sum_narrow(sheet.weights8, base, desk.sizes, counts, first, last, desk.offsets, desk.sums)
        shift = fabric.layers[k, fb.PREACTIVATION_SHIFT]
        clamped = requantise8(desk.sums, q, first, last - first, shift, -128, 127)
    else:
        clamped = _forward16(k, q, first, last, fabric, sheet, desk)
    fabric.activity.events[k, PREACTIVATION_OVF] += clamped


@routine
def _look_up_bytes(
    q: sh.Int8, table: fb.UInt8, codes: fb.Int16, positions: int, count: int, offset: int, levels: int
) -> None:
    if levels == 1:
        outputs1(q, table, codes, positions, count, offset)
    elif levels == 2:
        outputs2(q, table, codes, positions, count, offset)
    elif levels == 3:
        outputs3(q, table, codes, positions, count, offset)
    elif levels == 4:
        outputs4(q, table, codes, positions, count, offset)
    else:
        outputs5(q, table, codes, positions, count, offset)


@kernel
def look_up(k: int, which: int, q: sh.Int8, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """Outputs of hidden layer k in the order of its neurons, with the bias code of the layer above behind them."""
    codes, units = desk.codes[k + 1], fabric.layers[k, fb.UNITS]
    levels = sheet.plan[k, sh.BYTE_LEVELS]
    if levels:
        table, offset, positions = sheet.tables[k, which], sheet.plan[k, sh.BYTE_OFFSET], fabric.layers[k, fb.POSITIONS]
        count = (units + NEURONS - 1) // NEURONS * NEURONS
        _look_up_bytes(q, table, codes, positions, count, offset, levels)
        codes[units:count] = 0
    else:
        values, position = fabric.geometry.tables[k, which], fabric.geometry.position[k]
        for j in range(units):
            codes[j] = values[table_address(int(q[position[j]]))]
    codes[units] = fabric.layers[k + 1, fb.BIAS]


@kernel
def forward_output(which: int, fabric: fb.Fabric, desk: sh.Desk) -> None:
    """Sums, pre-activations and outputs of the last layer, a dot product a neuron, into the fabric's registers."""
    k = fabric.constants[fb.LAYERS] - 1
    layers, scratch = fabric.layers, fabric.scratch
    length, shift, table = layers[k, fb.UNIT_STEP], layers[k, fb.PREACTIVATION_SHIFT], fabric.geometry.tables[k, which]
    clamped = 0
    for j in range(layers[k, fb.UNITS]):
        total = dot(fabric.memory.weights, desk.codes[k], layers[k, fb.OFFSET] + j * length, length)
        aligned = align(total, shift)
        q = saturate(aligned, -128, 127)
        clamped += q != aligned
        scratch.sums[k, j] = total
        scratch.preactivation[k, j] = q
        scratch.codes[k + 1, j] = table[table_address(q)]
    fabric.activity.events[k, PREACTIVATION_OVF] += clamped


@kernel
def scan_rows(fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, words: int) -> int:
    """Look through the inputs of the last layer: hits, flags, and the draws of its rows from *words* on."""
    k = fabric.constants[fb.LAYERS] - 1
    layers = fabric.layers
    shift, split, length = layers[k, fb.SHIFT], layers[k, fb.SPLIT], layers[k, fb.UNIT_STEP]
    hits = fabric.activity.hits[fb.FORWARDS, k]
    return int(
        scan(desk.codes[k], sheet.words[k], desk.lows, desk.highs, hits, desk.flags, words, length, shift, split)
    )


@routine
def stalls_of_flags(count: int, lists: fb.Int64, constants: fb.Int64, flags: fb.Int16, ports: fb.Int64) -> int:
    """Stalls of an update over the rows that are flagged, *count* rows, a multiple of 16; *lists* may be empty."""
    if lists.shape[1]:
        return int(listed_stalls(count, flags, lists))
    return int(stalls_of_runs(count, constants, flags, ports))


@routine
def stalls_of_runs(count: int, constants: fb.Int64, flags: fb.Int16, ports: fb.Int64) -> int:
    """Stalls of an update over the rows that are flagged, run by run."""
    clear_ports(constants, ports)
    now = 0
    stalls = 0
    begin = -1
    end = 0
    before = 0
    for group in range(count // 16):
        bits = int(flags[group]) % 65536
        edges = bits ^ ((2 * bits + before) % 65536)
        before = bits // 32768
        while edges:
            at = 16 * group + trailing_zeros(edges)
            edges -= edges & -edges
            if begin < 0:
                begin = at
                if constants[fb.GATED_ROWS]:
                    now += begin - end
            else:
                lost = stalls_of_run(begin, at - begin, now, constants, ports)
                stalls += lost
                now += at - begin + lost
                begin, end = -1, at
    if begin >= 0:
        stalls += stalls_of_run(begin, count - begin, now, constants, ports)
    return stalls


@kernel
def stalls_of_rows(k: int, fabric: fb.Fabric, desk: sh.Desk) -> int:
    """Stalls of an update over the active rows of layer k."""
    return int(_stalls_of_list(desk.index[k, : desk.active[k]], fabric.constants, fabric.scratch.banks))


@routine
def _stalls_of_list(index: fb.Int32, constants: fb.Int64, ports: fb.Int64) -> int:
    n = index.shape[0]
    clear_ports(constants, ports)
    now = 0
    stalls = 0
    begin = 0
    for a in range(1, n + 1):
        if a == n or index[a] != index[a - 1] + 1:
            if constants[fb.GATED_ROWS] and begin:
                now += index[begin] - index[begin - 1] - 1
            lost = stalls_of_run(int(index[begin]), a - begin, now, constants, ports)
            stalls += lost
            now += a - begin + lost
            begin = a
    return stalls
