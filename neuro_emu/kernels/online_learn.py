"""Learning signals and weight updates in vector code; the integers are those of learn.py, feedback.py and update.py."""

from __future__ import annotations

from typing import Any

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.learn import DELTA_OUTPUT, ERROR_EXACT
from neuro_emu.kernels.online import sum_wide
from neuro_emu.kernels.online_rows import update_rows
from neuro_emu.kernels.pieces import low_bits
from neuro_emu.kernels.update import book
from neuro_emu.kernels.vector.nearest import FRACTION, add_nearest
from neuro_emu.kernels.vector.signals import dot, gate_by_slope, gate_one_bit, requantise32
from neuro_emu.kernels.vector.steps import add_steps
from neuro_emu.network.state import DELTA_OVF, PROJECTION_OVF
from neuro_emu.numerics.modes import RND
from neuro_emu.numerics.ops import table_address, ternary_sign


@kernel
def label_signal(k: int, label: int, first: int, last: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """Row *label* of B_k, by position."""
    row = sheet.plan[k, sh.FEEDBACK] + label * fabric.layers[k, fb.POSITIONS]
    signal, codes = desk.signal[k, first:last], sheet.feedback[row + first : row + last]
    for p in range(last - first):
        signal[p] = codes[p]


@kernel
def _list_above(k: int, step: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> int:
    """List the entries of the vector above that are not 0, as rows *step* apart; returns how many."""
    above = sheet.plan[k, sh.ABOVE]
    delta, position = desk.delta[above], fabric.geometry.position[above]
    n = 0
    for c in range(fabric.layers[above, fb.UNITS]):
        code = int(delta[position[c]])
        if sheet.plan[k, sh.SIGN]:
            code = ternary_sign(fabric.scratch.signals[ERROR_EXACT, c], fabric.constants[fb.DEAD_ZONE])
        desk.offsets[n] = c * step
        desk.vector[n] = code
        n += code != 0
    desk.offsets[n] = 0
    desk.vector[n] = 0
    return n


@routine
def _dot_rows(weights: Any, signal: fb.Int16, at: int, step: int, rows: int, sums: fb.Int32) -> None:
    """``sums[j] = Σ_c M[j, c] · signal[c]`` of a matrix stored as rows: a dot product along each."""
    for j in range(rows):
        sums[j] = dot(weights, signal, at + j * step, step)


@kernel
def summed_signal(k: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """A matrix times the vector above, requantised to the projection format, by position."""
    layers, plan = fabric.layers, sheet.plan
    origin, m, units, positions = plan[k, sh.ORIGIN], plan[k, sh.MATRIX], layers[k, fb.UNITS], layers[k, fb.POSITIONS]
    low, high, shift = layers[k, fb.PROJECTION_LOW], layers[k, fb.PROJECTION_HIGH], plan[k, sh.PROJECTION_SHIFT]
    sums, signal = desk.sums, desk.signal[k]
    if origin == sh.FROM_ROWS:
        n = _list_above(k, positions, fabric, sheet, desk)
        sum_wide(sheet.feedback, plan[k, sh.FEEDBACK], desk.vector, n, 0, positions, desk.offsets, sums)
        clamped = requantise32(sums, signal, 0, positions, shift, low, high)
    else:
        if origin == sh.FROM_COLUMNS:
            length = layers[m, fb.UNIT_STEP]
            n = _list_above(k, length, fabric, sheet, desk)
            sum_wide(fabric.memory.weights, layers[m, fb.OFFSET], desk.vector, n, 0, length, desk.offsets, sums)
        else:
            above, at, step = plan[k, sh.ABOVE], layers[m, fb.OFFSET], layers[m, fb.ROW_STEP]
            if plan[above, sh.BYTES] == 1:
                _dot_rows(sheet.weights8, desk.delta[above], at, step, units, sums)
            else:
                _dot_rows(fabric.memory.weights, desk.delta[above], at, step, units, sums)
        count = (units + fb.CHUNK - 1) // fb.CHUNK * fb.CHUNK
        sums[units:count] = 0
        clamped = requantise32(sums, sums, 0, count, shift, low, high)
        position = fabric.geometry.position[k]
        for j in range(units):
            signal[position[j]] = sums[j]
    fabric.activity.events[k, PROJECTION_OVF] += clamped


@kernel
def gate_signal(k: int, q: sh.Int8, first: int, last: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """δ_k = requantise(signal · f′(q)) by position, and the largest |δ_k|."""
    layers, plan = fabric.layers, sheet.plan
    low, high, shift = layers[k, fb.DELTA_LOW], layers[k, fb.DELTA_HIGH], plan[k, sh.GATE_SHIFT]
    start, stop, count = plan[k, sh.OPEN_FROM], plan[k, sh.OPEN_TO], last - first
    signal, delta, slope = desk.signal[k], desk.delta[k], desk.slope
    if plan[k, sh.ONE_BIT]:
        result = gate_one_bit(signal, q, slope, delta, first, count, start, stop, shift, low, high)
    else:
        slopes, part = sheet.slopes[k], slope[first:last]
        for p in range(last - first):
            part[p] = slopes[table_address(int(q[first + p]))]
        result = gate_by_slope(signal, q, slope, delta, first, count, start, stop, shift, low, high)
    fabric.activity.events[k, DELTA_OVF] += low_bits(result, 32)
    desk.peak[k] = result >> 32


@kernel
def update_matrix(
    k: int, m: int, n: int, words: int, first: int, last: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk
) -> int:
    """Update positions *first* … *last* − 1 of matrix m in the first *n* active rows of layer k, words from *words* on.

    *m* is W_k or its twin, stored as rows.
    """
    masks = (sheet.lows[sh.COMPARED, m], sheet.highs[sh.COMPARED, m], sheet.lows[sh.ADDED, m], sheet.highs[sh.ADDED, m])
    rows = (desk.index[k, :n], desk.value[k, :n], sheet.words[k, words : words + n])
    delta, peak, settings, nearest = desk.delta[k], desk.peak[k], fabric.layers[m], fabric.constants[fb.ROUNDING] == RND
    if sheet.plan[k, sh.BYTES] == 1:
        return int(update_rows(sheet.weights8, delta, peak, masks, rows, desk.lists, nearest, (first, last), settings))
    return int(
        update_rows(fabric.memory.weights, delta, peak, masks, rows, desk.lists, nearest, (first, last), settings)
    )


@kernel
def update_columns(m: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> int:
    """Update the last layer (or its twin), stored as columns, with the draws of its rows on the desk."""
    last = fabric.constants[fb.LAYERS] - 1
    draws = (desk.lows, desk.highs)
    masks, settings = (sheet.lows[sh.ADDED, m], sheet.highs[sh.ADDED, m]), fabric.layers[m]
    weights, codes, delta = fabric.memory.weights, desk.codes[last], desk.delta[last]
    left, units, largest = FRACTION - settings[fb.SHIFT], settings[fb.UNITS], 0
    for c in range(units):
        largest = max(largest, abs(int(delta[c])))
    if fabric.constants[fb.ROUNDING] == RND and left >= 0 and largest << left < 1 << FRACTION:
        at, length = settings[fb.OFFSET], settings[fb.UNIT_STEP]
        low, high = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH]
        return int(add_nearest(weights, codes, desk.numbers, delta, at, length, units, 0, length, left, low, high))
    return int(_update_columns(weights, codes, delta, draws, masks, settings))


@routine
def _update_columns(
    weights: fb.Arena,
    codes: fb.Int16,
    delta: fb.Int16,
    draws: tuple[fb.Int16, fb.Int16],
    masks: tuple[fb.Int16, fb.Int16],
    settings: fb.Int64,
) -> int:
    length, split, rest = settings[fb.UNIT_STEP], settings[fb.SPLIT], settings[fb.SHIFT] - settings[fb.SPLIT]
    bottom, top, (lows, highs) = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH], draws
    result = 0
    for c in range(settings[fb.UNITS]):
        d = int(delta[c])
        if d != 0:
            at, low, high = settings[fb.OFFSET] + c * length, int(masks[0][c]), int(masks[1][c])
            result += add_steps(weights, codes, lows, highs, at, 0, length, d, low, high, split, rest, bottom, top)
    return result


@kernel
def learn_output(fabric: fb.Fabric, desk: sh.Desk) -> None:
    """δ_K onto the desk."""
    last = fabric.constants[fb.LAYERS] - 1
    for c in range(fabric.constants[fb.CLASSES]):
        desk.delta[last, c] = fabric.scratch.signals[DELTA_OUTPUT, c]


@kernel
def book_rows(m: int, n: int, result: int, fabric: fb.Fabric) -> None:
    """Count the update of *n* rows of matrix m."""
    book(m, n * fabric.layers[m, fb.UNITS], result, fabric.layers, fabric.activity.events)
