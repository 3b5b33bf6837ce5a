"""Whole blocks of samples in compiled code: no Python between them."""

from __future__ import annotations

from neuro_emu.jit import kernel, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.forward import activate, forward
from neuro_emu.kernels.learn import ERROR_EXACT, error_sign, gate, label_row, output_error, project
from neuro_emu.kernels.schedule import end_list, find_active, update_stalls
from neuro_emu.kernels.update import sum_gradient, update
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
def _count_rows(k: int, kind: int, fabric: fb.Fabric) -> None:
    """Book the active rows of layer k under *kind* (FORWARDS or LEARNED)."""
    hits = fabric.activity.hits[kind, k]
    if k == 0:
        for a in range(fabric.scratch.active[0, 0]):
            hits[fabric.scratch.lists[0, fb.INDEX, a]] += 1
        return
    codes = fabric.scratch.codes[k]
    for i in range(fabric.layers[k, fb.ROWS]):
        hits[i] += codes[i] != 0


@section
def _forward_all(sample: int, fabric: fb.Fabric, samples: fb.Samples) -> int:
    """Forward pass of one sample through all layers; returns the prediction, ties to the lowest index."""
    layers, scratch, activity = fabric.layers, fabric.scratch, fabric.activity
    _load(sample, fabric, samples)
    last = layers.shape[0] - 1
    for k in range(last + 1):
        if k:
            rows = layers[k, fb.ROWS]
            scratch.codes[k, rows - 1] = layers[k, fb.BIAS]
            find_active(scratch.codes[k], rows, scratch.lists[k], scratch.active[k])
        _count_rows(k, fb.FORWARDS, fabric)
        activity.totals[k, fb.FORWARDS] += 1
        forward(k, layers, fabric.memory, scratch, fabric.constants, activity.events)
        activate(k, layers, fabric.geometry, scratch, activity.events)
    best = 0
    position = fabric.geometry.position[last]
    for j in range(1, layers[last, fb.UNITS]):
        if scratch.sums[last, position[j]] > scratch.sums[last, position[best]]:
            best = j
    return best


@section
def _learn_from(k: int, fabric: fb.Fabric, register: int, input_stalls: int) -> None:
    """Update layer k, or sum its gradient, and book the rows and stalls."""
    activity, constants = fabric.activity, fabric.constants
    if constants[fb.GATED]:
        _count_rows(k, fb.LEARNED, fabric)
    activity.totals[k, fb.LEARNED] += 1
    if k == 0:
        activity.totals[k, fb.STALLS] += input_stalls
    else:
        lists, active = fabric.scratch.lists[k], fabric.scratch.active[k]
        activity.totals[k, fb.STALLS] += update_stalls(lists, active, constants, fabric.scratch.banks)
    if constants[fb.BATCH] > 1:
        sum_gradient(k, fabric, register)
    else:
        update(k, fabric, register)


@section
def _execute(label: int, input_stalls: int, fabric: fb.Fabric) -> None:
    """Run the learning program of one sample; a closed gate leaves the hidden layers out."""
    layers, scratch, constants = fabric.layers, fabric.scratch, fabric.constants
    events = fabric.activity.events
    last = layers.shape[0] - 1
    output_error(label, layers, constants, scratch, events)
    is_open = not constants[fb.GATED] or scratch.signals[ERROR_EXACT, label] > constants[fb.ERROR_GATE]
    for step in range(fabric.program.shape[0]):
        instruction = fabric.program[step]
        op, k = instruction[0], instruction[1]
        if k != last and not is_open:
            continue
        if op == fb.OP_LABEL_ROW:
            label_row(k, label, instruction[3], layers, fabric.memory, scratch)
        elif op == fb.OP_SIGN:
            error_sign(instruction[3], layers, constants, scratch)
        elif op == fb.OP_PROJECT:
            project(instruction, layers, fabric.memory, scratch, events)
        elif op == fb.OP_GATE:
            gate(instruction, layers, fabric.geometry, scratch, events)
        else:
            _learn_from(k, fabric, instruction[2], input_stalls)


@kernel
def _overflowed(events: fb.Int64) -> bool:
    for k in range(events.shape[0]):
        for e in range(FIRST_OVERFLOW, events.shape[1]):
            if events[k, e]:
                return True
    return False


@section
def _apply_batch(fabric: fb.Fabric) -> None:
    """Write the gradient sums of a batch into the weights, in the order of the program."""
    layers, scratch = fabric.layers, fabric.scratch
    for step in range(fabric.program.shape[0]):
        k = fabric.program[step, 1]
        if fabric.program[step, 0] != fb.OP_UPDATE:
            continue
        rows = layers[k, fb.ROWS]
        for i in range(rows):
            scratch.lists[k, fb.INDEX, i] = i
        scratch.active[k, 0] = rows
        update(k, fabric, -1)
        fabric.activity.totals[k, fb.APPLIED] += 1
    for at in range(fabric.memory.gradients.shape[0]):
        fabric.memory.gradients[at] = 0


@kernel
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
        if samples.learn:
            _execute(int(samples.labels[sample]), samples.events.stalls[sample], fabric)
            fill += 1
        ends = batch > 1 and samples.learn and (fill == batch or (samples.flush and t == stop - 1))
        if ends:
            _apply_batch(fabric)
            fill = 0
        if fabric.constants[fb.STRICT] and _overflowed(fabric.activity.events):
            return t - start + 1
    return stop - start
