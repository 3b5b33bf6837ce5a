"""Weight updates W ← overflow(W + R(δ·x, s)): random words, 16-bit vector forms, plain forms.

The plain forms are the definition written with numerics/ops; the 16-bit ones are proven equal by bounds and tests.
Every update returns its counts as one number: nonzero steps + 2^32 · overflows.
"""

from __future__ import annotations

import operator

import numpy as np

from neuro_emu.jit import kernel, narrow_op, routine, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.narrow import add32, mul32
from neuro_emu.kernels.pieces import low_bits
from neuro_emu.kernels.vectors import update_any_sign16, update_any_sign32, update_one_sign16, update_one_sign32
from neuro_emu.kernels.walk import leap, leap_table, next_words, open_words, row_words, unsigned
from neuro_emu.network.state import (
    FEEDBACK_OVF,
    FEEDBACK_UPDATES,
    FEEDBACK_ZERO_UPDATES,
    UPDATES,
    WEIGHT_OVF,
    ZERO_UPDATES,
)
from neuro_emu.numerics.modes import RND_CONV, SAT, TRN_ZERO
from neuro_emu.numerics.ops import add_step, draw, round_shift

__all__ = ["leap", "leap_table", "sum_gradient", "update"]

shift32 = narrow_op("ashr", 32, operator.rshift)
head32 = narrow_op("lshr", 32, lambda word, count: (word & 0xFFFFFFFF) >> count)

_LANE_SUM = 32767  # what one 16-bit lane of the counts holds


@kernel
def _levels(peak: int, shift: int, most: int) -> int:
    """Largest m ≤ *most* with *peak* ≤ 2^(shift − m), or 0."""
    m = 0
    while m < most and peak <= (1 << (shift - m - 1)):
        m += 1
    return m


@kernel
def _lane_total(lanes: fb.Int16) -> int:
    total = 0
    for lane in range(fb.CHUNK):
        total += int(lanes[lane])
    return total


@kernel
def _take_counts(sums: fb.Int16) -> int:
    """Empty the lane-wise sums of the vector updates; terms of one sign count up to their sign."""
    moved = 0
    clamped = 0
    for kind in range(sums.shape[0]):
        moved += abs(_lane_total(sums[kind, 0]))
        clamped += abs(_lane_total(sums[kind, 1]))
    sums[:] = 0
    return moved + (clamped << 32)


@section
def update_rows(
    k: int, plane: int, count: int, layers: fb.Int64, memory: fb.Memory, geometry: fb.Geometry, scratch: fb.Scratch
) -> int:
    """The first *count* active rows of a row-stored layer.

    A step is 0 unless the draw lies within |δ·x| of an end of its range. Lane masks are bit-reversed neuron numbers and
    neurons are stored in the order of their masks, so when |δ·x| ≤ 2^(s−m) only two aligned blocks of
    1/2^m of the row can have nonzero steps: those whose top m draw bits are all zeros (steps 0 and −1) or all ones
    (steps 0 and +1). Each kind has its own sums, which therefore count. Without such a block (m = 0) the whole row is
    updated.
    """
    positions = layers[k, fb.POSITIONS]
    w, delta = memory.weights, scratch.delta16
    masks16, masks32 = geometry.masks16[k], geometry.masks32[k]
    in16 = layers[k, fb.UPDATE_KIND] == fb.UPDATE_ROWS16
    largest = 0
    for p in range(positions):
        largest = max(largest, abs(int(delta[p])))
    shift, split = layers[k, fb.SHIFT], layers[k, fb.SPLIT]
    rest = shift - split
    low, high = layers[k, fb.WEIGHT_LOW], layers[k, fb.WEIGHT_HIGH]
    sums = scratch.sums16
    down, up, any_sign = sums[0], sums[1], sums[2]
    result = 0
    chunks = positions // fb.CHUNK
    room = _LANE_SUM
    for a in range(count):
        x = int(scratch.lists[plane, fb.VALUE, a])
        peak = largest * abs(x)
        if peak == 0:
            continue
        if room < chunks:
            result += _take_counts(sums)
            room = _LANE_SUM
        room -= chunks
        word = int(scratch.words[a])
        r = draw(word, shift)
        r0, r1 = low_bits(r, split), r >> split
        at = layers[k, fb.OFFSET] + scratch.lists[plane, fb.INDEX, a] * layers[k, fb.ROW_STEP]
        m = _levels(peak, shift, layers[k, fb.LEVELS])
        if m == 0:
            if in16:
                update_any_sign16(w, delta, masks16, any_sign, at, 0, positions, x, r0, r1, split, rest, low, high)
            else:
                update_any_sign32(w, delta, masks32, any_sign, at, 0, positions, x, r0, r1, split, rest, low, high)
            continue
        size = positions >> m
        zeros = draw(word, m) * size
        ones = positions - size - zeros
        if in16:
            update_one_sign16(w, delta, masks16, down, at + zeros, zeros, size, x, r0, r1, split, rest, low, high)
            update_one_sign16(w, delta, masks16, up, at + ones, ones, size, x, r0, r1, split, rest, low, high)
        else:
            update_one_sign32(w, delta, masks32, down, at + zeros, zeros, size, x, r0, r1, split, rest, low, high)
            update_one_sign32(w, delta, masks32, up, at + ones, ones, size, x, r0, r1, split, rest, low, high)
    return result + _take_counts(sums)


@section
def update_columns(
    k: int, plane: int, count: int, layers: fb.Int64, memory: fb.Memory, geometry: fb.Geometry, scratch: fb.Scratch
) -> int:
    """Every neuron of a column-stored layer whose δ is not 0; here the vector lanes are inputs."""
    rows, length = layers[k, fb.ROWS], layers[k, fb.UNIT_STEP]
    shift = layers[k, fb.SHIFT]
    w, codes, draws = memory.weights, scratch.codes16, scratch.draws
    low, high = layers[k, fb.WEIGHT_LOW], layers[k, fb.WEIGHT_HIGH]
    for i in range(length):
        draws[i] = 0
        codes[i] = scratch.codes[plane, i] if i < rows else 0
    for a in range(count):
        draws[scratch.lists[plane, fb.INDEX, a]] = draw(int(scratch.words[a]), shift)
    sums = scratch.sums16
    result = 0
    chunks = length // fb.CHUNK
    room = _LANE_SUM
    for j in range(layers[k, fb.UNITS]):
        if scratch.delta16[j] != 0:
            if room < chunks:
                result += _take_counts(sums)
                room = _LANE_SUM
            room -= chunks
            d, mask = int(scratch.delta16[j]), int(geometry.masks32[k, j])
            at = layers[k, fb.OFFSET] + j * length
            update_any_sign32(w, codes, draws, sums[2], at, 0, length, d, 0, mask, 0, shift, low, high)
    return result + _take_counts(sums)


@routine
def add_steps(weights: fb.Arena, factors: fb.Int64, scale: int, words: fb.Int32, limits: fb.Int64, fits: bool) -> int:
    """Round products ``factors · scale`` and add them; ``limits`` = (low, high, shift, rounding, overflow).

    Where it *fits* 32 bits, rounding is the addition of what the words draw, and overflow saturates.
    """
    low, high, shift, rounding, mode = limits[0], limits[1], limits[2], limits[3], limits[4]
    n = words.shape[0]
    if fits:
        moved: int = np.int32(0)  # type: ignore[assignment]  # Numba: 32-bit sums
        clamped: int = np.int32(0)  # type: ignore[assignment]
        low32, high32, rest = add32(low, 0), add32(high, 0), 32 - shift
        for p in range(n):
            head = add32(mul32(factors[p], scale), head32(words[p], rest))
            step = shift32(head, shift)
            total = add32(weights[p], step)
            kept = min(max(total, low32), high32)
            weights[p] = kept
            moved = add32(moved, step != 0)
            clamped = add32(clamped, kept != total)
        return int(moved) + (int(clamped) << 32)
    result = 0
    for p in range(n):
        result += _add_step(weights, p, factors[p] * scale, int(words[p]), low, high, shift, rounding, mode)
    return result


@kernel
def _add_step(
    weights: fb.Arena, at: int, product: int, word: int, low: int, high: int, shift: int, rounding: int, mode: int
) -> int:
    """One weight, by the definition."""
    step = round_shift(product, shift, rounding, unsigned(word))
    old = int(weights[at])
    new = add_step(old, step, low, high, mode)
    weights[at] = new
    return (1 if step != 0 else 0) + ((1 if new != old + step else 0) << 32)


@routine
def add_apart(
    weights: fb.Arena,
    row: int,
    apart: int,
    factors: fb.Int64,
    factors_apart: int,
    scale: int,
    words: fb.Int32,
    limits: fb.Int64,
) -> int:
    """The same for weights that are *apart* places from each other, by the definition alone."""
    low, high, shift, rounding, mode = limits[0], limits[1], limits[2], limits[3], limits[4]
    result = 0
    for p in range(words.shape[0]):
        product = factors[p * factors_apart] * scale
        result += _add_step(weights, row + p * apart, product, int(words[p]), low, high, shift, rounding, mode)
    return result


@kernel
def _place_signal(k: int, register: int, layers: fb.Int64, geometry: fb.Geometry, scratch: fb.Scratch) -> int:
    """Bring a signal into ``scratch.sums[k]`` by position, z_k being used; returns its largest magnitude."""
    signal, placed, position = scratch.signals[register], scratch.sums[k], geometry.position[k]
    for p in range(layers[k, fb.POSITIONS]):
        placed[p] = 0
    largest = 0
    for j in range(layers[k, fb.UNITS]):
        placed[position[j]] = signal[j]
        largest = max(largest, abs(signal[j]))
    return largest


@kernel
def _largest_code(count: int, codes: fb.Codes) -> int:
    largest = 0
    for a in range(count):
        largest = max(largest, abs(int(codes[a])))
    return largest


@kernel
def _set_limits(k: int, layers: fb.Int64, constants: fb.Int64, limits: fb.Int64) -> None:
    limits[0], limits[1] = layers[k, fb.WEIGHT_LOW], layers[k, fb.WEIGHT_HIGH]
    limits[2] = layers[k, fb.SHIFT]
    limits[3], limits[4] = constants[fb.ROUNDING], constants[fb.OVERFLOW]


@kernel
def fits32(peak: int, limits: fb.Int64) -> bool:
    """Whether 32 bits hold every sum of products up to *peak*, and rounding only adds a draw before the shift."""
    plain = limits[2] == 0 or limits[4] != SAT or limits[3] == RND_CONV or limits[3] == TRN_ZERO
    return not plain and peak < 1 << 30 and peak + (1 << limits[2]) + limits[1] + 1 < (1 << 31)


@section
def update_walk(k: int, source: int, plane: int, draws: int, rows: int, fabric: fb.Fabric, register: int) -> int:
    """The first *rows* active rows, any words, rounding, overflow and width; *draws* words a neuron are drawn.

    ``register`` < 0 takes the product from the sums of *source*. A twin (k ≠ *source*) repeats its words.
    """
    layers, memory, scratch, constants = fabric.layers, fabric.memory, fabric.scratch, fabric.constants
    limits, lists, n = scratch.limits, scratch.lists[plane], layers[k, fb.POSITIONS]
    _set_limits(k, layers, constants, limits)
    if layers[k, fb.UPDATE_KIND] == fb.UPDATE_LANES:
        open_words(k, draws, layers, memory, fabric.geometry, scratch, constants)
    peak = 1 << 31
    if register >= 0:
        peak = _place_signal(k, register, layers, fabric.geometry, scratch) * _largest_code(rows, lists[fb.VALUE])
    fits = fits32(peak, limits)
    signal, words = scratch.sums[k, :n], scratch.delta32[:n]
    result = 0
    for a in range(rows):
        i = int(lists[fb.INDEX, a])
        next_words(k, a, layers, fabric.geometry, scratch, constants)
        row, apart = layers[k, fb.OFFSET] + i * layers[k, fb.ROW_STEP], layers[k, fb.UNIT_STEP]
        factors, scale = signal, int(lists[fb.VALUE, a])
        if register < 0:
            at = layers[source, fb.OFFSET] + i * layers[source, fb.ROW_STEP]
            factors, scale = memory.gradients[at : at + (n - 1) * layers[source, fb.UNIT_STEP] + 1], 1
        if apart == 1:
            result += add_steps(memory.weights[row : row + n], factors, scale, words, limits, fits)
        else:
            factors_apart = 1 if register >= 0 else layers[source, fb.UNIT_STEP]
            result += add_apart(memory.weights, row, apart, factors, factors_apart, scale, words, limits)
    return result


@kernel
def book(k: int, written: int, result: int, layers: fb.Int64, events: fb.Int64) -> None:
    """Count what a write did: updates, those whose step was 0, overflows."""
    host, feedback = layers[k, fb.HOST], layers[k, fb.IS_FEEDBACK]
    events[host, FEEDBACK_UPDATES if feedback else UPDATES] += written
    events[host, FEEDBACK_ZERO_UPDATES if feedback else ZERO_UPDATES] += written - low_bits(result, 32)
    events[host, FEEDBACK_OVF if feedback else WEIGHT_OVF] += result >> 32


@section
def update(k: int, plane: int, fabric: fb.Fabric, register: int, twin: int) -> None:
    """One update of matrix k, and of its twin, from signal *register* or, when that is negative, from its sums."""
    layers, scratch, geometry = fabric.layers, fabric.scratch, fabric.geometry
    count = scratch.active[plane, 0]
    lanes = layers[k, fb.UPDATE_KIND] == fb.UPDATE_LANES
    if lanes and twin >= 0:
        for lane in range(fabric.constants[fb.LANES]):
            scratch.saved[lane] = fabric.memory.lane_registers[lane]
    if not lanes:
        row_words(k, count, fabric.memory.row_registers, fabric.memory.leaps, fabric.constants, scratch.words)
    for turn in range(2 if twin >= 0 else 1):
        target = k if turn == 0 else twin
        rows = count if turn == 0 else count - 1  # the bias row, listed last, has no twin
        kind = layers[target, fb.UPDATE_KIND]
        if kind >= fb.UPDATE_PLAIN:  # or UPDATE_LANES
            if lanes and turn:
                for lane in range(fabric.constants[fb.LANES]):
                    fabric.memory.lane_registers[lane] = scratch.saved[lane]
            result = update_walk(target, k, plane, count, rows, fabric, register)
        else:
            for p in range(layers[target, fb.POSITIONS]):
                scratch.delta16[p] = 0  # padding positions never learn
            for j in range(layers[target, fb.UNITS]):
                scratch.delta16[geometry.position[target, j]] = scratch.signals[register, j]
            if kind == fb.UPDATE_COLUMNS32:
                result = update_columns(target, plane, rows, layers, fabric.memory, geometry, scratch)
            else:
                result = update_rows(target, plane, rows, layers, fabric.memory, geometry, scratch)
        book(target, rows * layers[target, fb.UNITS], result, layers, fabric.activity.events)


@routine
def _add_products(sums: fb.Int64, factors: fb.Int64, scale: int) -> None:
    for p in range(sums.shape[0]):
        sums[p] += factors[p] * scale


@routine
def _add_code_products(sums: fb.Int64, codes: fb.Codes, scale: int) -> None:
    for i in range(sums.shape[0]):
        sums[i] += int(codes[i]) * scale


@section
def sum_gradient(k: int, plane: int, fabric: fb.Fabric, register: int) -> None:
    """G += δ·x, exactly: over the active rows, or in column storage over all of them, where x = 0 adds nothing."""
    layers, scratch, gradients, lists = fabric.layers, fabric.scratch, fabric.memory.gradients, fabric.scratch.lists
    n, rows = layers[k, fb.POSITIONS], layers[k, fb.ROWS]
    if layers[k, fb.UNIT_STEP] == 1:
        _place_signal(k, register, layers, fabric.geometry, scratch)
        for a in range(scratch.active[plane, 0]):
            at = layers[k, fb.OFFSET] + int(lists[plane, fb.INDEX, a]) * layers[k, fb.ROW_STEP]
            _add_products(gradients[at : at + n], scratch.sums[k, :n], int(lists[plane, fb.VALUE, a]))
        return
    for j in range(n):
        delta = scratch.signals[register, j]
        if delta != 0:
            at = layers[k, fb.OFFSET] + j * layers[k, fb.UNIT_STEP]
            _add_code_products(gradients[at : at + rows], scratch.codes[plane, :rows], delta)
