"""Whole blocks of samples in compiled code: no Python between them."""

from __future__ import annotations

from neuro_emu.jit import entry, kernel, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.decay import decay_all
from neuro_emu.kernels.execute import count_rows, execute
from neuro_emu.kernels.forward import activate, forward
from neuro_emu.kernels.learn import output_error
from neuro_emu.kernels.normalise import normalise_all
from neuro_emu.kernels.outputs import drop, most_owned, softmax
from neuro_emu.kernels.schedule import end_list, find_active
from neuro_emu.network.state import FIRST_OVERFLOW


@section
def _load(sample: int, fabric: fb.Fabric, samples: fb.Samples) -> None:
    """Bring one sample into the input registers of layer 0, with its list of active rows."""
    rows = fabric.layers[0, fb.ROWS]
    codes = fabric.scratch.codes[0]
    pixels = samples.codes[sample]
    for i in range(rows - 1):
        codes[i] = pixels[i]
    codes[rows - 1] = fabric.layers[0, fb.BIAS]
    index, value = fabric.scratch.lists[0, fb.INDEX], fabric.scratch.lists[0, fb.VALUE]
    start = samples.events.ends[sample]
    n = samples.events.ends[sample + 1] - start
    for a in range(n):
        index[a] = samples.events.inputs[start + a]
        value[a] = samples.events.value[start + a]
    fabric.scratch.active[0, 0] = end_list(n, rows, codes[rows - 1], index, value)


@section
def _forward_all(sample: int, fabric: fb.Fabric, samples: fb.Samples) -> int:
    """Forward pass of one sample through all layers; returns the prediction, ties to the lowest index."""
    layers, scratch, activity = fabric.layers, fabric.scratch, fabric.activity
    _load(sample, fabric, samples)
    last = fabric.constants[fb.LAYERS] - 1
    which = fb.LEARNING_TABLE if samples.learn else fb.TESTING_TABLE
    for k in range(last + 1):
        if k:
            rows = layers[k, fb.ROWS]
            scratch.codes[k, rows - 1] = layers[k, fb.BIAS]
            find_active(scratch.codes[k], rows, 1, scratch.lists[k], scratch.active[k])
        count_rows(k, k, fb.FORWARDS, fabric)
        activity.totals[k, fb.FORWARDS] += 1
        forward(k, k, layers, fabric.memory, scratch, fabric.constants, activity.events)
        activate(k, k + 1, which, layers, fabric.geometry, scratch, activity.events)
        if fabric.constants[fb.DROPOUT] and samples.learn and k < last:
            drop(k, fabric)
    if fabric.constants[fb.SOFTMAX] and samples.learn:
        softmax(fabric)
    if fabric.constants[fb.HOT] != 1:
        return most_owned(fabric, samples)
    best = 0
    position = fabric.geometry.position[last]
    for j in range(1, layers[last, fb.UNITS]):
        if scratch.sums[last, position[j]] > scratch.sums[last, position[best]]:
            best = j
    return best


@kernel
def _overflowed(events: fb.Int64) -> bool:
    for k in range(events.shape[0]):
        for e in range(FIRST_OVERFLOW, events.shape[1]):
            if events[k, e]:
                return True
    return False


@section
def _finish_write(fabric: fb.Fabric) -> None:
    """End a written sample or mini-batch: empty its sums, decay weights when it is time."""
    constants, progress = fabric.constants, fabric.memory.progress
    if constants[fb.SUMS]:
        for at in range(fabric.memory.gradients.shape[0]):
            fabric.memory.gradients[at] = 0
    progress[fb.WRITES] += 1
    if constants[fb.WEIGHT_DECAY] and progress[fb.WRITES] % constants[fb.WEIGHT_DECAY_EVERY] == 0:
        decay_all(fb.DECAY_WEIGHTS, constants[fb.WEIGHT_DECAY], fabric)


@section
def _decay_feedback(count: int, fabric: fb.Fabric) -> None:
    """Decay learned feedback after every so many of what its rule counts: writes, or mirror steps."""
    constants = fabric.constants
    if constants[fb.FEEDBACK_DECAY] and count % constants[fb.FEEDBACK_DECAY_EVERY] == 0:
        decay_all(fb.DECAY_FEEDBACK, constants[fb.FEEDBACK_DECAY], fabric)


@section
def _learn(label: int, input_stalls: int, full: bool, short: bool, fabric: fb.Fabric) -> None:
    """Learn from the sample that is in the registers.

    Its update follows at once or, when the mini-batch is *full*, that of the batch; then mirror mode; then a *short*
    batch.
    """
    constants, progress = fabric.constants, fabric.memory.progress
    output_error(fabric.layers, constants, fabric.geometry, fabric.scratch, fabric.activity.events)
    progress[fb.SAMPLES] += 1
    mirrors = fabric.mirror.shape[0] > 0
    steps = constants[fb.MIRROR_STEPS] if progress[fb.SAMPLES] % constants[fb.MIRROR_EVERY] == 0 else 0
    runs = 2 + steps + (1 if short else 0)
    for run in range(runs):
        kind = fb.LEARN if run == 0 else fb.APPLY if run == 1 or run == 2 + steps else fb.MIRROR
        writes = kind == fb.APPLY and (full or run != 1)
        if kind != fb.APPLY or (writes and constants[fb.SUMS]):
            execute(kind, label, input_stalls, fabric)
        if writes:
            _finish_write(fabric)
        if kind == fb.MIRROR:
            progress[fb.MIRRORED] += 1
        if kind == fb.MIRROR or (writes and not mirrors):
            _decay_feedback(progress[fb.MIRRORED] if mirrors else progress[fb.WRITES], fabric)
        if writes and constants[fb.NORM_EVERY] and progress[fb.WRITES] % constants[fb.NORM_EVERY] == 0:
            normalise_all(fabric)


@entry
def run_block(fabric: fb.Fabric, samples: fb.Samples, start: int, stop: int, fill: int) -> int:
    """Present ``order[start:stop]``: train, or only infer when ``samples.learn`` is 0.

    *fill* samples are in the current batch already; a batch is applied when it is full, and when ``samples.flush``
    is set a short one is applied at the end. Returns the number of samples done: fewer than asked for only when
    ``strict`` stops at an overflow.
    """
    batch = fabric.constants[fb.BATCH]
    for t in range(start, stop):
        sample = samples.order[t]
        samples.predictions[t] = _forward_all(sample, fabric, samples)
        if samples.outputs.shape[0]:
            for c in range(samples.outputs.shape[1]):
                samples.outputs[t, c] = fabric.scratch.codes[fabric.constants[fb.LAYERS], c]
        if samples.learn:
            fill += 1
            row = samples.labels[sample] if fabric.constants[fb.HOT] else sample
            for c in range(fabric.constants[fb.CLASSES]):
                fabric.scratch.targets[c] = samples.targets[row, c]
            full = fill == batch
            short = not full and bool(samples.flush) and t == stop - 1
            _learn(int(samples.labels[sample]), samples.events.stalls[sample], full, short, fabric)
            if full or short:
                fill = 0
        if fabric.constants[fb.STRICT] and _overflowed(fabric.activity.events):
            return t - start + 1
    return stop - start
