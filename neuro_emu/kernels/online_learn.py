"""Learning signals and weight updates in vector code; the integers are those of learn.py, feedback.py and update.py."""

from __future__ import annotations

from neuro_emu.jit import kernel
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.learn import DELTA_OUTPUT, ERROR_EXACT
from neuro_emu.kernels.online import sum_wide
from neuro_emu.kernels.online_rows import update_rows
from neuro_emu.kernels.pieces import low_bits
from neuro_emu.kernels.update import book
from neuro_emu.kernels.vector.signals import dot8, dot16, gate_by_slope, gate_one_bit, requantise32
from neuro_emu.kernels.vector.steps import add_steps
from neuro_emu.network.state import DELTA_OVF, PROJECTION_OVF
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


@kernel
def _dot_rows(m: int, above: int, rows: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """``sums[j] = Σ_c M[j, c] · δ[c]`` of a matrix stored as rows: a dot product along each."""
    at, step = fabric.layers[m, fb.OFFSET], fabric.layers[m, fb.ROW_STEP]
    for j in range(rows):
        if sheet.plan[above, sh.BYTES] == 1:
            desk.sums[j] = dot8(sheet.weights8, desk.delta[above], at + j * step, step)
        else:
            desk.sums[j] = dot16(fabric.memory.weights, desk.delta[above], at + j * step, step)


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
            _dot_rows(m, plan[k, sh.ABOVE], units, fabric, sheet, desk)
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
    delta, peak, settings = desk.delta[k], desk.peak[k], fabric.layers[m]
    if sheet.plan[k, sh.BYTES] == 1:
        return int(update_rows(sheet.weights8, delta, peak, masks, rows, first, last, settings))
    return int(update_rows(fabric.memory.weights, delta, peak, masks, rows, first, last, settings))


@kernel
def update_columns(m: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> int:
    """Update the last layer (or its twin), stored as columns, with the draws of its rows on the desk."""
    layers, last = fabric.layers, fabric.constants[fb.LAYERS] - 1
    length, split, rest = layers[m, fb.UNIT_STEP], layers[m, fb.SPLIT], layers[m, fb.SHIFT] - layers[m, fb.SPLIT]
    bottom, top = layers[m, fb.WEIGHT_LOW], layers[m, fb.WEIGHT_HIGH]
    result = 0
    for c in range(layers[m, fb.UNITS]):
        delta = int(desk.delta[last, c])
        if delta != 0:
            at, mask = layers[m, fb.OFFSET] + c * length, int(sheet.highs[sh.ADDED, m, c])
            result += add_steps(
                fabric.memory.weights,
                desk.codes[last],
                desk.lows,
                desk.highs,
                at,
                0,
                length,
                delta,
                0,
                mask,
                split,
                rest,
                bottom,
                top,
            )
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
