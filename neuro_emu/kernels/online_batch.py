"""Mini-batches in vector code: samples are kept until the batch is full, then each row is summed and written.

``G[i, p] = Σ_t x_t[i] · δ_t[p]`` is a forward pass with the roles changed: the rows are the samples' δ, the codes those
of input i. A batch that reaches over two calls leaves its sums in the fabric's memory, where the chip's state finds
them.
"""

from __future__ import annotations

from typing import Any

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.online import stalls_of_flags, stalls_of_rows, sum_wide
from neuro_emu.kernels.online_learn import book_rows
from neuro_emu.kernels.streams import reserve_words, use_words
from neuro_emu.kernels.vector.write import write_lanes


@kernel
def keep_sample(
    t: int, sample: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, batch: sh.Batch, samples: fb.Samples
) -> None:
    """Put what sample t of the batch learns from aside, and count its gradients as learned."""
    layers, totals, last = fabric.layers, fabric.activity.totals, fabric.constants[fb.LAYERS] - 1
    for k in range(last):
        if sheet.plan[k, sh.ORIGIN] == sh.FROZEN:
            continue
        n, positions = desk.active[k], layers[k, fb.POSITIONS]
        index, value, delta = batch.rows[k, t], batch.value[k, t], batch.delta[k, t]
        for a in range(n):
            index[a] = desk.index[k, a]
            value[a] = desk.value[k, a]
        batch.active[k, t] = n
        for p in range(positions):
            delta[p] = desk.delta[k, p]
        totals[k, fb.LEARNED] += 1
        totals[k, fb.STALLS] += samples.events.stalls[sample] if k == 0 else stalls_of_rows(k, fabric, desk)
    length, banks = layers[last, fb.UNIT_STEP], fabric.scratch.banks
    codes = batch.codes[t]
    for i in range(length):
        codes[i] = desk.codes[last, i]
    for c in range(layers[last, fb.UNITS]):
        batch.delta[last, t, c] = desk.delta[last, c]
    totals[last, fb.LEARNED] += 1
    totals[last, fb.STALLS] += stalls_of_flags(length, sheet.conflicts, fabric.constants, desk.flags, banks)


@routine
def _sort_by_row(k: int, rows: int, n: int, step: int, batch: sh.Batch) -> None:
    """List the active codes of *n* samples row by row: where each row begins, whose δ it takes, times what.

    Sums take two at a time, so what is odd is followed by a 0.
    """
    begin, filled = batch.begin, batch.filled
    filled[:rows] = 0
    for t in range(n):
        index = batch.rows[k, t]
        for a in range(batch.active[k, t]):
            filled[index[a]] += 1
    end = 0
    for i in range(rows):
        begin[i] = end
        count = filled[i]
        end += count
        if count % 2:
            batch.offsets[end] = batch.factors[end] = 0
            end += 1
        filled[i] = begin[i]
    for t in range(n):
        index, value = batch.rows[k, t], batch.value[k, t]
        for a in range(batch.active[k, t]):
            at = filled[index[a]]
            batch.offsets[at] = t * step
            batch.factors[at] = value[a]
            filled[index[a]] = at + 1


@kernel
def _add_carried(at: int, count: int, gradients: fb.Int64, sums: fb.Int32) -> None:
    """Take over what an earlier call summed."""
    carried = gradients[at : at + count]
    for p in range(count):
        sums[p] += carried[p]
        carried[p] = 0


@routine
def _write_rows(
    k: int,
    weights: Any,
    turn: tuple[int, int],
    fabric: fb.Fabric,
    sheet: sh.Sheet,
    desk: sh.Desk,
    batch: sh.Batch,
) -> tuple[int, int]:
    """Sum and write every row of W_k and its twin; ``turn`` = (where the words begin, whether sums were carried)."""
    layers, (at, carried) = fabric.layers, turn
    rows, positions, twin = layers[k, fb.ROWS], layers[k, fb.POSITIONS], layers[k, fb.TWIN]
    delta = batch.delta[k].reshape(-1)
    done, twin_done = 0, 0
    for i in range(rows):
        first, n = batch.begin[i], batch.filled[i] - batch.begin[i]
        if n == 0 and not carried:
            continue
        row = layers[k, fb.OFFSET] + i * positions
        sum_wide(delta, 0, batch.factors[first:], n, 0, positions, batch.offsets[first:], desk.sums)
        if carried:
            _add_carried(row, positions, fabric.memory.gradients, desk.sums)
        word, shift = int(sheet.words[k, at + i]), layers[k, fb.SHIFT]
        low, high = layers[k, fb.WEIGHT_LOW], layers[k, fb.WEIGHT_HIGH]
        done += write_lanes(weights, desk.sums, sheet.masks[k], row, positions, word, shift, low, high)
        if twin >= 0 and i < rows - 1:
            row, shift = layers[twin, fb.OFFSET] + i * positions, layers[twin, fb.SHIFT]
            low, high = layers[twin, fb.WEIGHT_LOW], layers[twin, fb.WEIGHT_HIGH]
            twin_done += write_lanes(weights, desk.sums, sheet.masks[twin], row, positions, word, shift, low, high)
    return done, twin_done


@routine
def _write_columns(
    turn: tuple[int, int], n: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, batch: sh.Batch
) -> tuple[int, int]:
    """The same of the last layer: a column is the sum of the samples' inputs times one δ of each."""
    layers, last, weights, (at, carried) = fabric.layers, fabric.constants[fb.LAYERS] - 1, fabric.memory.weights, turn
    length, rows, twin = layers[last, fb.UNIT_STEP], layers[last, fb.ROWS], layers[last, fb.TWIN]
    codes, words = batch.codes.reshape(-1), sheet.words[last, at : at + length]
    done, twin_done = 0, 0
    for t in range(n):
        batch.offsets[t] = t * batch.codes.shape[1]
    for c in range(layers[last, fb.UNITS]):
        for t in range(n):
            batch.factors[t] = batch.delta[last, t, c]
        batch.factors[n] = batch.offsets[n] = 0
        sum_wide(codes, 0, batch.factors, n, 0, length, batch.offsets, desk.sums)
        column = layers[last, fb.OFFSET] + c * length
        if carried:
            _add_carried(column, length, fabric.memory.gradients, desk.sums)
        mask, shift = int(sheet.masks[last, c]), layers[last, fb.SHIFT]
        low, high = layers[last, fb.WEIGHT_LOW], layers[last, fb.WEIGHT_HIGH]
        done += write_lanes(weights, desk.sums, words, column, length, mask, shift, low, high)
        if twin >= 0:
            desk.sums[rows - 1] = 0  # the bias row has no twin
            own = layers[twin, fb.UNIT_STEP]
            column, shift = layers[twin, fb.OFFSET] + c * own, layers[twin, fb.SHIFT]
            low, high = layers[twin, fb.WEIGHT_LOW], layers[twin, fb.WEIGHT_HIGH]
            twin_done += write_lanes(weights, desk.sums, words, column, own, mask, shift, low, high)
    return done, twin_done


@kernel
def apply_batch(n: int, carried: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, batch: sh.Batch) -> None:
    """Write the batch of which *n* samples were kept and, if *carried*, others summed before."""
    layers, last, totals = fabric.layers, fabric.constants[fb.LAYERS] - 1, fabric.activity.totals
    for k in range(last + 1):
        if k < last and sheet.plan[k, sh.ORIGIN] == sh.FROZEN:
            continue
        rows, twin = layers[k, fb.ROWS], layers[k, fb.TWIN]
        at = reserve_words(k, rows + fb.CHUNK, fabric.constants, sheet)
        use_words(k, rows, fabric.constants, sheet)
        if k == last:
            done, twin_done = _write_columns((at, carried), n, fabric, sheet, desk, batch)
        else:
            _sort_by_row(k, rows, n, batch.delta.shape[2], batch)
            if sheet.plan[k, sh.BYTES] == 1:
                done, twin_done = _write_rows(k, sheet.weights8, (at, carried), fabric, sheet, desk, batch)
            else:
                done, twin_done = _write_rows(k, fabric.memory.weights, (at, carried), fabric, sheet, desk, batch)
        totals[k, fb.APPLIED] += 1
        book_rows(k, rows, done, fabric)
        if twin >= 0:
            book_rows(twin, rows - 1, twin_done, fabric)


@routine
def carry_batch(n: int, fabric: fb.Fabric, sheet: sh.Sheet, batch: sh.Batch) -> None:
    """Add the gradients of *n* kept samples to the fabric's sums: the call ends before the batch does."""
    layers, last, gradients = fabric.layers, fabric.constants[fb.LAYERS] - 1, fabric.memory.gradients
    for t in range(n):
        for k in range(last):
            if sheet.plan[k, sh.ORIGIN] == sh.FROZEN:
                continue
            positions, delta = layers[k, fb.POSITIONS], batch.delta[k, t]
            for a in range(batch.active[k, t]):
                row = layers[k, fb.OFFSET] + batch.rows[k, t, a] * positions
                sums, code = gradients[row : row + positions], int(batch.value[k, t, a])
                for p in range(positions):
                    sums[p] += int(delta[p]) * code
        length = layers[last, fb.UNIT_STEP]
        for c in range(layers[last, fb.UNITS]):
            column, delta_c = layers[last, fb.OFFSET] + c * length, int(batch.delta[last, t, c])
            for i in range(length):
                gradients[column + i] += delta_c * int(batch.codes[t, i])
