"""Weight updates W ← overflow(W + R(δ·x, s)): random words, 16-bit vector forms, plain forms.

The plain forms are the definition written with numerics/ops; the 16-bit ones are proven equal by bounds and tests.
Every update returns its counts as one number: nonzero steps + 2^32 · overflows.
"""

from __future__ import annotations

import numpy as np

from neuro_emu.jit import kernel, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.pieces import byte_of, low_bits
from neuro_emu.kernels.vectors import update_any_sign16, update_any_sign32, update_one_sign16, update_one_sign32
from neuro_emu.network.state import (
    FEEDBACK_OVF,
    FEEDBACK_UPDATES,
    FEEDBACK_ZERO_UPDATES,
    UPDATES,
    WEIGHT_OVF,
    ZERO_UPDATES,
)
from neuro_emu.numerics.modes import LANE_LFSR, RND, ROW_LFSR, STOCH
from neuro_emu.numerics.ops import add_step, draw, lfsr, round_shift, xorshift

_LEAP = 4
_LANE_SUM = 32767  # what one 16-bit lane of the counts holds
_HALF_WORD = 0x80000000  # its top s bits are 2^(s−1): nearest rounding as a constant draw


@kernel
def leap(word: int, leaps: fb.Int64) -> int:
    """Four xorshift steps at once: they are linear, so the four bytes of *word* contribute independently."""
    low = leaps[0, byte_of(word, 0)] ^ leaps[1, byte_of(word, 1)]
    high = leaps[2, byte_of(word, 2)] ^ leaps[3, byte_of(word, 3)]
    return int(low ^ high)


def leap_table() -> fb.Int64:
    """Table (4, 256) of :func:`leap`: four xorshift steps from each value of each byte."""
    table = np.zeros((4, 256), dtype=np.int64)
    for position in range(4):
        for byte in range(256):
            word = byte << 8 * position
            for _ in range(_LEAP):
                word = xorshift(word)
            table[position, byte] = word
    return table


@kernel
def row_words(k: int, count: int, memory: fb.Memory, constants: fb.Int64, words: fb.Words) -> None:
    """One word for each of *count* written rows: advance, then use; a constant where nothing is drawn."""
    if constants[fb.ROUNDING] != STOCH:
        word = _HALF_WORD if constants[fb.ROUNDING] == RND else 0
        for a in range(count):
            words[a] = word
        return
    register = int(memory.row_registers[k])
    if constants[fb.WORD_SOURCE] == ROW_LFSR:
        for a in range(count):
            register = lfsr(register)
            words[a] = register
    else:
        # One step waits for the one before it; four words that each leap four steps do not.
        leaps = memory.leaps
        word0 = xorshift(register)
        word1 = xorshift(word0)
        word2 = xorshift(word1)
        word3 = xorshift(word2)
        for a in range(0, count, _LEAP):
            words[a], words[a + 1], words[a + 2], words[a + 3] = word0, word1, word2, word3
            word0, word1, word2, word3 = (
                leap(word0, leaps),
                leap(word1, leaps),
                leap(word2, leaps),
                leap(word3, leaps),
            )
        if count:
            register = int(words[count - 1])
    memory.row_registers[k] = register


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


@kernel
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


@kernel
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


@kernel
def _write(weights: fb.Arena, at: int, product: int, word: int, limits: fb.Int64) -> int:
    """One weight, by the definition; ``limits`` = (low, high, shift, rounding, overflow)."""
    step = round_shift(product, limits[2], limits[3], word)
    old = int(weights[at])
    new = add_step(old, step, limits[0], limits[1], limits[4])
    weights[at] = new
    return (1 if step != 0 else 0) + ((1 if new != old + step else 0) << 32)


@kernel
def _set_limits(k: int, layers: fb.Int64, constants: fb.Int64, limits: fb.Int64) -> None:
    limits[0], limits[1] = layers[k, fb.WEIGHT_LOW], layers[k, fb.WEIGHT_HIGH]
    limits[2] = layers[k, fb.SHIFT]
    limits[3], limits[4] = constants[fb.ROUNDING], constants[fb.OVERFLOW]


@kernel
def update_plain(k: int, source: int, plane: int, count: int, fabric: fb.Fabric, register: int) -> int:
    """Row words, any rounding, overflow and width; ``register`` < 0 takes the product from the sums of *source*."""
    layers, memory, scratch = fabric.layers, fabric.memory, fabric.scratch
    limits = scratch.limits
    _set_limits(k, layers, fabric.constants, limits)
    result = 0
    for a in range(count):
        i = scratch.lists[plane, fb.INDEX, a]
        row = layers[k, fb.OFFSET] + i * layers[k, fb.ROW_STEP]
        row_of_sums = layers[source, fb.OFFSET] + i * layers[source, fb.ROW_STEP]
        x = int(scratch.lists[plane, fb.VALUE, a])
        word = int(scratch.words[a])
        for j in range(layers[k, fb.UNITS]):
            p = int(fabric.geometry.position[k, j])
            if register < 0:
                product = memory.gradients[row_of_sums + p * layers[source, fb.UNIT_STEP]]
            else:
                product = scratch.signals[register, j] * x
            at = row + p * layers[k, fb.UNIT_STEP]
            result += _write(memory.weights, at, product, word ^ fabric.geometry.masks[k, p], limits)
    return result


@kernel
def update_lanes(k: int, source: int, plane: int, fabric: fb.Fabric, register: int) -> int:
    """Per-lane words: groups ascending, rows ascending, every lane advances once a written word.

    A twin (k ≠ *source*) repeats the words of *source*, the one of the bias row included, which it does not have.
    """
    layers, memory, scratch = fabric.layers, fabric.memory, fabric.scratch
    limits = scratch.limits
    _set_limits(k, layers, fabric.constants, limits)
    lanes, units = fabric.constants[fb.LANES], layers[k, fb.UNITS]
    is_lfsr = fabric.constants[fb.WORD_SOURCE] == LANE_LFSR
    result = 0
    for first in range(0, units, lanes):
        for a in range(scratch.active[plane, 0]):
            i = scratch.lists[plane, fb.INDEX, a]
            row = layers[k, fb.OFFSET] + i * layers[k, fb.ROW_STEP]
            row_of_sums = layers[source, fb.OFFSET] + i * layers[source, fb.ROW_STEP]
            x = int(scratch.lists[plane, fb.VALUE, a])
            for lane in range(lanes):
                word = int(memory.lane_registers[lane])
                word = lfsr(word) if is_lfsr else xorshift(word)
                memory.lane_registers[lane] = word
                j = first + lane
                if j < units and i < layers[k, fb.ROWS]:
                    p = int(fabric.geometry.position[k, j])
                    if register < 0:
                        product = memory.gradients[row_of_sums + p * layers[source, fb.UNIT_STEP]]
                    else:
                        product = scratch.signals[register, j] * x
                    result += _write(memory.weights, row + p * layers[k, fb.UNIT_STEP], product, word, limits)
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
        row_words(k, count, fabric.memory, fabric.constants, scratch.words)
    for turn in range(2 if twin >= 0 else 1):
        target = k if turn == 0 else twin
        rows = count if turn == 0 else count - 1  # the bias row, listed last, has no twin
        kind = layers[target, fb.UPDATE_KIND]
        if kind == fb.UPDATE_LANES:
            if turn:
                for lane in range(fabric.constants[fb.LANES]):
                    fabric.memory.lane_registers[lane] = scratch.saved[lane]
            result = update_lanes(target, k, plane, fabric, register)
        elif kind == fb.UPDATE_PLAIN:
            result = update_plain(target, k, plane, rows, fabric, register)
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


@kernel
def sum_gradient(k: int, plane: int, fabric: fb.Fabric, register: int) -> None:
    """G += δ·x over the active rows, exactly."""
    layers, scratch = fabric.layers, fabric.scratch
    for a in range(scratch.active[plane, 0]):
        row = layers[k, fb.OFFSET] + scratch.lists[plane, fb.INDEX, a] * layers[k, fb.ROW_STEP]
        x = int(scratch.lists[plane, fb.VALUE, a])
        for j in range(layers[k, fb.UNITS]):
            at = row + int(fabric.geometry.position[k, j]) * layers[k, fb.UNIT_STEP]
            fabric.memory.gradients[at] += scratch.signals[register, j] * x
