"""One run of a learning program: the signals and writes of a sample, the write of a mini-batch, a mirror step."""

from __future__ import annotations

from neuro_emu.jit import kernel, routine, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.activations import above_rest, list_plane, list_signal, make_noise, pool
from neuro_emu.kernels.feedback import projected, stored_row, transpose
from neuro_emu.kernels.forward import activate, forward
from neuro_emu.kernels.learn import ERROR_EXACT, error_sign, gate, label_row, local_error, project
from neuro_emu.kernels.momentum import apply_momentum
from neuro_emu.kernels.schedule import update_stalls
from neuro_emu.kernels.update import sum_gradient, update


@kernel
def count_rows(m: int, plane: int, kind: int, fabric: fb.Fabric) -> None:
    """Book the active rows of matrix m under *kind* (FORWARDS or LEARNED)."""
    hits = fabric.activity.hits[kind, m]
    if plane == 0:
        for a in range(fabric.scratch.active[0, 0]):
            hits[fabric.scratch.lists[0, fb.INDEX, a]] += 1
        return
    codes = fabric.scratch.codes[plane]
    for i in range(fabric.layers[m, fb.ROWS]):
        hits[i] += codes[i] != 0


@routine
def _through(instruction: fb.Int64, fabric: fb.Fabric) -> None:
    """Send a plane of codes forward through a matrix other than in the forward pass proper."""
    op, k, m, plane = instruction[fb.OP], instruction[fb.LAYER], instruction[fb.MATRIX], instruction[fb.PLANE]
    layers, scratch, events = fabric.layers, fabric.scratch, fabric.activity.events
    if op == fb.OP_PROJECT_LEARNED:
        list_signal(instruction[fb.SOURCE], plane, layers[m, fb.ROWS], fabric)
    if op == fb.OP_DRIVE:
        fabric.activity.totals[m, fb.DRIVEN] += 1
    else:
        count_rows(m, plane, fb.FORWARDS, fabric)
        fabric.activity.totals[m, fb.FORWARDS] += 1
    forward(m, plane, layers, fabric.memory, scratch, fabric.constants, events)
    if op == fb.OP_PROJECT_LEARNED:
        projected(instruction, fabric)
        return
    activate(m, instruction[fb.DETAIL], fb.LEARNING_TABLE, layers, fabric.geometry, scratch, events)
    if op == fb.OP_RANDOM_FORWARD:
        list_plane(instruction[fb.DETAIL], k, fabric)
    elif op == fb.OP_LOCAL_ERROR:
        local_error(instruction, layers, fabric.constants, scratch, events)
    else:
        above_rest(instruction, fabric)


@section
def _rows_of_batch(plane: int, rows: int, fabric: fb.Fabric) -> None:
    """List every row: the write of a mini-batch skips none."""
    for i in range(rows):
        fabric.scratch.lists[plane, fb.INDEX, i] = i
    fabric.scratch.active[plane, 0] = rows


@routine
def _write(kind: int, instruction: fb.Int64, input_stalls: int, fabric: fb.Fabric) -> None:
    """Update a matrix, or sum its gradient, and book rows and stalls."""
    layers, scratch, constants, totals = fabric.layers, fabric.scratch, fabric.constants, fabric.activity.totals
    op, m, plane, register = instruction[fb.OP], instruction[fb.MATRIX], instruction[fb.PLANE], instruction[fb.SOURCE]
    if kind == fb.APPLY:
        _rows_of_batch(plane, layers[m, fb.ROWS], fabric)
        totals[m, fb.APPLIED] += 1
        register = -1
    else:
        if op == fb.OP_LEARN_FEEDBACK:
            list_signal(register, plane, layers[m, fb.ROWS], fabric)
            register = scratch.signals.shape[0] - 1  # the last one is kept for this
            for j in range(layers[m, fb.UNITS]):
                scratch.signals[register, j] = scratch.codes[instruction[fb.DETAIL], j]
        count_rows(m, plane, fb.LEARNED, fabric)
        totals[m, fb.LEARNED] += 1
        if plane == 0:
            totals[m, fb.STALLS] += input_stalls
        else:
            lists, active = scratch.lists[plane], scratch.active[plane]
            totals[m, fb.STALLS] += update_stalls(lists, active, constants, scratch.banks)
    if constants[fb.SUMS] and kind == fb.LEARN:
        sum_gradient(m, plane, fabric, register)
    elif constants[fb.MOMENTUM] and kind == fb.APPLY:
        apply_momentum(m, fabric)
    else:
        update(m, plane, fabric, register, layers[m, fb.TWIN])


@section
def execute(kind: int, label: int, input_stalls: int, fabric: fb.Fabric) -> None:
    """Run a program once; *kind* is LEARN, APPLY or MIRROR. A closed gate leaves out what hidden layers ask for."""
    layers, scratch, constants, events = fabric.layers, fabric.scratch, fabric.constants, fabric.activity.events
    last = constants[fb.LAYERS] - 1
    program = fabric.mirror if kind == fb.MIRROR else fabric.program
    is_open = True
    if kind == fb.LEARN and constants[fb.GATED]:
        is_open = scratch.signals[ERROR_EXACT, label] > constants[fb.ERROR_GATE]
    for step in range(program.shape[0]):
        instruction = program[step]
        op, k = instruction[fb.OP], instruction[fb.LAYER]
        if (instruction[fb.OWNER] != last and not is_open) or (kind == fb.APPLY and op < fb.OP_UPDATE):
            continue
        if op >= fb.OP_UPDATE:
            _write(kind, instruction, input_stalls, fabric)
        elif op >= fb.OP_PROJECT_LEARNED:
            _through(instruction, fabric)
        elif op == fb.OP_LABEL_ROW:
            if instruction[fb.MATRIX] < 0:
                label_row(k, label, instruction[fb.TARGET], layers, fabric.memory, scratch)
            else:
                stored_row(instruction, label, fabric)
        elif op == fb.OP_SIGN:
            error_sign(instruction[fb.TARGET], constants, scratch)
        elif op == fb.OP_PROJECT:
            project(instruction, layers, fabric.memory, scratch, events)
        elif op == fb.OP_GATE:
            gate(instruction, layers, fabric.geometry, scratch, events)
        elif op == fb.OP_TRANSPOSE:
            transpose(instruction, fabric)
        elif op == fb.OP_POOL:
            pool(instruction, fabric)
        else:
            make_noise(instruction, fabric)
