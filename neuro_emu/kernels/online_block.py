"""Whole blocks of samples in vector code: train sample by sample, infer, or layer by layer where labels suffice."""

from __future__ import annotations

from neuro_emu.jit import entry, kernel
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.learn import ERROR_EXACT, output_error
from neuro_emu.kernels.online import (
    expect_inputs,
    forward_layer,
    forward_output,
    list_codes,
    list_inputs,
    look_up,
    scan_rows,
    stalls_of_flags,
    stalls_of_rows,
)
from neuro_emu.kernels.online_batch import apply_batch, carry_batch, keep_sample
from neuro_emu.kernels.online_decay import decay_matrices
from neuro_emu.kernels.online_learn import (
    book_rows,
    gate_signal,
    label_signal,
    learn_output,
    summed_signal,
    update_columns,
    update_matrix,
)
from neuro_emu.kernels.outputs import most_owned, softmax
from neuro_emu.kernels.streams import close_streams, open_streams, reserve_words, use_words


@kernel
def _predict(fabric: fb.Fabric, samples: fb.Samples) -> int:
    last = fabric.constants[fb.LAYERS] - 1
    if fabric.constants[fb.SOFTMAX] and samples.learn:
        softmax(fabric)
    if fabric.constants[fb.HOT] != 1:
        return most_owned(fabric, samples)
    sums = fabric.scratch.sums[last]
    best = 0
    for j in range(1, fabric.layers[last, fb.UNITS]):
        if sums[j] > sums[best]:
            best = j
    return best


@kernel
def _outputs(t: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, samples: fb.Samples) -> int:
    """Last layer of the sample at place t of the order: forward pass, prediction, error; returns its active rows."""
    last = fabric.constants[fb.LAYERS] - 1
    learns = samples.learn != 0
    forward_output(fb.LEARNING_TABLE if learns else fb.TESTING_TABLE, fabric, desk)
    fabric.activity.totals[last, fb.FORWARDS] += 1
    samples.predictions[t] = _predict(fabric, samples)
    if samples.outputs.shape[0]:
        for c in range(samples.outputs.shape[1]):
            samples.outputs[t, c] = fabric.scratch.codes[last + 1, c]
    # A batch draws when it is written; what is reserved must be used, or the end of the call finds no last word.
    draws = learns and fabric.constants[fb.BATCH] == 1
    words = reserve_words(last, fabric.layers[last, fb.UNIT_STEP], fabric.constants, sheet) if draws else 0
    active = scan_rows(fabric, sheet, desk, words)
    if learns:
        sample = samples.order[t]
        row = samples.labels[sample] if fabric.constants[fb.HOT] else sample
        for c in range(fabric.constants[fb.CLASSES]):
            fabric.scratch.targets[c] = samples.targets[row, c]
        output_error(fabric.layers, fabric.constants, fabric.geometry, fabric.scratch, fabric.activity.events)
        learn_output(fabric, desk)
    return active


@kernel
def _update_output(active: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """Update the last layer and its twin, which has no bias row."""
    layers, last, totals = fabric.layers, fabric.constants[fb.LAYERS] - 1, fabric.activity.totals
    book_rows(last, active, update_columns(last, fabric, sheet, desk), fabric)
    totals[last, fb.LEARNED] += 1
    flagged, banks = layers[last, fb.UNIT_STEP], fabric.scratch.banks
    totals[last, fb.STALLS] += stalls_of_flags(flagged, sheet.conflicts, fabric.constants, desk.flags, banks)
    twin = layers[last, fb.TWIN]
    if twin >= 0:
        rows = layers[twin, fb.ROWS]
        bias = desk.codes[last, rows]
        desk.codes[last, rows] = 0
        book_rows(twin, active - 1, update_columns(twin, fabric, sheet, desk), fabric)
        desk.codes[last, rows] = bias


@kernel
def _update_hidden(k: int, stalls: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """Update W_k and its twin, all positions."""
    layers, totals, n = fabric.layers, fabric.activity.totals, desk.active[k]
    words = reserve_words(k, n, fabric.constants, sheet)
    use_words(k, n, fabric.constants, sheet)
    positions = layers[k, fb.POSITIONS]
    book_rows(k, n, update_matrix(k, k, n, words, 0, positions, fabric, sheet, desk), fabric)
    totals[k, fb.LEARNED] += 1
    totals[k, fb.STALLS] += stalls
    if fabric.constants[fb.GATED]:
        hits = fabric.activity.hits[fb.LEARNED, k]
        for a in range(n):
            hits[desk.index[k, a]] += 1
    twin = layers[k, fb.TWIN]
    if twin >= 0:
        book_rows(twin, n - 1, update_matrix(k, twin, n - 1, words, 0, positions, fabric, sheet, desk), fabric)


@kernel
def _open(label: int, fabric: fb.Fabric) -> bool:
    """Whether the error gate lets the hidden layers learn."""
    constants = fabric.constants
    return bool(constants[fb.GATED] == 0 or fabric.scratch.signals[ERROR_EXACT, label] > constants[fb.ERROR_GATE])


@kernel
def _signals(label: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk) -> None:
    """δ of every hidden layer that learns, from the last one down."""
    for k in range(fabric.constants[fb.LAYERS] - 2, -1, -1):
        origin, positions = sheet.plan[k, sh.ORIGIN], fabric.layers[k, fb.POSITIONS]
        if origin == sh.FROZEN:
            continue
        if origin == sh.FROM_LABEL:
            label_signal(k, label, 0, positions, fabric, sheet, desk)
        else:
            summed_signal(k, fabric, sheet, desk)
        gate_signal(k, desk.q[k], 0, positions, fabric, sheet, desk)


@entry
def run_hidden(
    k: int,
    tile: tuple[int, int],
    fabric: fb.Fabric,
    sheet: sh.Sheet,
    desk: sh.Desk,
    samples: fb.Samples,
    held: sh.Int8,
    start: int,
    stop: int,
) -> int:
    """Train one tile of hidden layer k, whose signal waits for nothing but the label, on ``order[start:stop]``.

    Args:
        k: hidden layer.
        tile: first position and end; tiles of a layer may run side by side, as no neuron knows of another.
        fabric: the chip, with counters of this tile's own.
        sheet: the same, with streams of its own.
        desk: working registers of its own.
        samples: what to present.
        held: (samples, layers, positions) pre-activations of the block: read of layer k − 1, written of layer k.
        start: where the block begins in the order.
        stop: where it ends.

    Returns:
        Samples presented. Streams go on from block to block; registers are moved on when all tiles are done.

    """
    totals, (first, last) = fabric.activity.totals, tile
    leads = first == 0  # rows, hits and stalls are the same for every tile: one counts them
    for t in range(start, stop):
        sample = samples.order[t]
        if k:
            look_up(k - 1, fb.LEARNING_TABLE, held[t - start, k - 1], fabric, sheet, desk)
            list_codes(k, fabric, desk)
        else:
            expect_inputs(t, stop, samples)
            list_inputs(sample, fabric, samples, desk)
        q = held[t - start, k]
        forward_layer(k, q, first, last, fabric, sheet, desk)
        totals[k, fb.FORWARDS] += 1
        if sheet.plan[k, sh.ORIGIN] == sh.FROZEN:
            continue
        label_signal(k, int(samples.labels[sample]), first, last, fabric, sheet, desk)
        gate_signal(k, q, first, last, fabric, sheet, desk)
        n = desk.active[k]
        words = reserve_words(k, n, fabric.constants, sheet)
        use_words(k, n, fabric.constants, sheet)
        result = update_matrix(k, k, n, words, first, last, fabric, sheet, desk)
        book_rows(k, n if leads else 0, result, fabric)
        if leads:
            totals[k, fb.LEARNED] += 1
            totals[k, fb.STALLS] += samples.events.stalls[sample] if k == 0 else stalls_of_rows(k, fabric, desk)
    return stop - start


@entry
def run_last(
    fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, samples: fb.Samples, held: sh.Int8, start: int, stop: int
) -> int:
    """Train the last layer on ``order[start:stop]``, whose hidden pre-activations are *held*; see `run_hidden`."""
    below = fabric.constants[fb.LAYERS] - 2
    for t in range(start, stop):
        look_up(below, fb.LEARNING_TABLE, held[t - start, below], fabric, sheet, desk)
        active = _outputs(t, fabric, sheet, desk, samples)
        use_words(fabric.constants[fb.LAYERS] - 1, active, fabric.constants, sheet)
        fabric.memory.progress[fb.SAMPLES] += 1
        fabric.memory.progress[fb.WRITES] += 1
        _update_output(active, fabric, sheet, desk)
    return stop - start


@kernel
def _present(t: int, stop: int, fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, samples: fb.Samples) -> int:
    """Forward pass and output error of the sample at place t; returns the active rows of the last layer."""
    last = fabric.constants[fb.LAYERS] - 1
    expect_inputs(t, stop, samples)
    list_inputs(samples.order[t], fabric, samples, desk)
    which = fb.LEARNING_TABLE if samples.learn else fb.TESTING_TABLE
    for k in range(last):
        if k:
            list_codes(k, fabric, desk)
        fabric.activity.totals[k, fb.FORWARDS] += 1
        forward_layer(k, desk.q[k], 0, fabric.layers[k, fb.POSITIONS], fabric, sheet, desk)
        look_up(k, which, desk.q[k], fabric, sheet, desk)
    return _outputs(t, fabric, sheet, desk, samples)


@kernel
def _after_write(fabric: fb.Fabric, sheet: sh.Sheet) -> None:
    """Count a write, and decay weights when it is time."""
    constants, progress = fabric.constants, fabric.memory.progress
    progress[fb.WRITES] += 1
    if constants[fb.WEIGHT_DECAY] and progress[fb.WRITES] % constants[fb.WEIGHT_DECAY_EVERY] == 0:
        decay_matrices(fabric, sheet)


@entry
def run_online(fabric: fb.Fabric, sheet: sh.Sheet, desk: sh.Desk, samples: fb.Samples, start: int, stop: int) -> int:
    """Present ``order[start:stop]``: train, one update a sample, or only infer; returns how many were presented."""
    last = fabric.constants[fb.LAYERS] - 1
    if samples.learn:
        open_streams(fabric, sheet)
    for t in range(start, stop):
        active = _present(t, stop, fabric, sheet, desk, samples)
        if not samples.learn:
            continue
        sample = samples.order[t]
        fabric.memory.progress[fb.SAMPLES] += 1
        use_words(last, active, fabric.constants, sheet)
        if _open(int(samples.labels[sample]), fabric):
            _signals(int(samples.labels[sample]), fabric, sheet, desk)
            for k in range(last):
                if sheet.plan[k, sh.ORIGIN] != sh.FROZEN:
                    stalls = samples.events.stalls[sample] if k == 0 else stalls_of_rows(k, fabric, desk)
                    _update_hidden(k, stalls, fabric, sheet, desk)
        _update_output(active, fabric, sheet, desk)
        _after_write(fabric, sheet)
    if samples.learn:
        close_streams(fabric, sheet)
    return stop - start


@entry
def run_batches(
    fabric: fb.Fabric,
    sheet: sh.Sheet,
    desk: sh.Desk,
    batch: sh.Batch,
    samples: fb.Samples,
    start: int,
    stop: int,
    fill: int,
) -> int:
    """Train on ``order[start:stop]`` in mini-batches; *fill* samples of the first are summed already.

    Returns how many were presented. A batch that is short at the end is written if ``samples.flush``, else summed.
    """
    open_streams(fabric, sheet)
    carried = 1 if fill else 0
    kept = 0
    for t in range(start, stop):
        _present(t, stop, fabric, sheet, desk, samples)
        sample = samples.order[t]
        fabric.memory.progress[fb.SAMPLES] += 1
        _signals(int(samples.labels[sample]), fabric, sheet, desk)
        keep_sample(kept, sample, fabric, sheet, desk, batch, samples)
        kept += 1
        if fill + kept == fabric.constants[fb.BATCH] or (samples.flush and t == stop - 1):
            apply_batch(kept, carried, fabric, sheet, desk, batch)
            _after_write(fabric, sheet)
            fill = carried = kept = 0
    carry_batch(kept, fabric, sheet, batch)
    close_streams(fabric, sheet)
    return stop - start
