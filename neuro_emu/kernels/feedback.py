"""Signals that come back through banked matrices: transposed reads, learned feedback, requantised projections."""

from __future__ import annotations

import numpy as np

from neuro_emu.jit import kernel, routine, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.narrow import add32, mul32
from neuro_emu.network.state import PROJECTION_OVF
from neuro_emu.numerics.ops import align, saturate, ternary_sign


@kernel
def requantise_sums(
    instruction: fb.Int64, layers: fb.Int64, scratch: fb.Scratch, sums: fb.Int64, events: fb.Int64
) -> None:
    """Exact sums (units,) in neuron order → the projection format of the layer, into the target register."""
    k, target, shift = instruction[fb.LAYER], instruction[fb.TARGET], instruction[fb.ALIGN]
    clamped = 0
    for j in range(layers[k, fb.UNITS]):
        aligned = align(sums[j], shift)
        value = saturate(aligned, layers[k, fb.PROJECTION_LOW], layers[k, fb.PROJECTION_HIGH])
        clamped += value != aligned
        scratch.signals[target, j] = value
    events[k, PROJECTION_OVF] += clamped


@section
def _spread(m: int, source: int, fabric: fb.Fabric) -> int:
    """Bring a signal register into the places of matrix m's columns; returns its largest magnitude."""
    layers, scratch = fabric.layers, fabric.scratch
    largest = 0
    for p in range(layers[m, fb.POSITIONS]):
        scratch.delta32[p] = 0
    for c in range(layers[m, fb.UNITS]):
        value = scratch.signals[source, c]
        largest = max(largest, abs(value))
        scratch.delta32[fabric.geometry.position[m, c]] = value
    return largest


@section
def transpose_rows(m: int, rows: int, largest: int, fabric: fb.Fabric, sums: fb.Int64) -> None:
    """``sums[j] = Σ_c M[j, c] · s[c]`` of a row-stored matrix: a dot product along each row.

    In 32 bits where the largest entry of s shows that they suffice.
    """
    layers, memory, s = fabric.layers, fabric.memory, fabric.scratch.delta32
    n = layers[m, fb.POSITIONS]
    fits = largest * (layers[m, fb.WEIGHT_HIGH] + 1) * layers[m, fb.UNITS] < (1 << 31)
    for j in range(rows):
        at = layers[m, fb.OFFSET] + j * layers[m, fb.ROW_STEP]
        row = memory.weights[at : at + n]
        if fits:
            narrow: int = np.int32(0)  # type: ignore[assignment]  # Numba: a 32-bit sum
            for p in range(n):
                narrow = add32(narrow, mul32(row[p], s[p]))
            sums[j] = narrow
        else:
            total = 0
            for p in range(n):
                total += int(row[p]) * int(s[p])
            sums[j] = total


@section
def transpose_columns(m: int, rows: int, fabric: fb.Fabric, sums: fb.Int64) -> None:
    """The same of a column-stored matrix: a column at a time."""
    layers, memory, s = fabric.layers, fabric.memory, fabric.scratch.delta32
    for j in range(rows):
        sums[j] = 0
    for c in range(layers[m, fb.UNITS]):
        factor = int(s[c])
        if factor != 0:
            at = layers[m, fb.OFFSET] + c * layers[m, fb.UNIT_STEP]
            column = memory.weights[at : at + rows]
            for j in range(rows):
                sums[j] += int(column[j]) * factor


@section
def transpose_signs(m: int, rows: int, amplitude: int, fabric: fb.Fabric, sums: fb.Int64) -> None:
    """``sums[j] = a · Σ_c sign(M[j, c]) · s[c]``, whatever the storage."""
    layers, memory, s = fabric.layers, fabric.memory, fabric.scratch.delta32
    for j in range(rows):
        total = 0
        for p in range(layers[m, fb.POSITIONS]):
            at = layers[m, fb.OFFSET] + j * layers[m, fb.ROW_STEP] + p * layers[m, fb.UNIT_STEP]
            total += ternary_sign(int(memory.weights[at]), 0) * int(s[p])
        sums[j] = amplitude * total


@routine
def transpose(instruction: fb.Int64, fabric: fb.Fabric) -> None:
    """W_{k+1}ᵀ (or a twin) times a signal, by the storage of the matrix; its bias row takes no part."""
    layers, scratch = fabric.layers, fabric.scratch
    k, m, amplitude = instruction[fb.LAYER], instruction[fb.MATRIX], instruction[fb.DETAIL]
    rows = layers[k, fb.UNITS]
    sums = scratch.sums[k]  # z_k is not needed any more: q is kept
    largest = _spread(m, instruction[fb.SOURCE], fabric)
    if amplitude >= 0:
        transpose_signs(m, rows, amplitude, fabric, sums)
    elif layers[m, fb.UNIT_STEP] == 1:
        transpose_rows(m, rows, largest, fabric, sums)
    else:
        transpose_columns(m, rows, fabric, sums)
    requantise_sums(instruction, layers, scratch, sums, fabric.activity.events)


@routine
def projected(instruction: fb.Int64, fabric: fb.Fabric) -> None:
    """Sums by position of a learned feedback matrix, brought into neuron order and requantised."""
    layers, scratch = fabric.layers, fabric.scratch
    k, m = instruction[fb.LAYER], instruction[fb.MATRIX]
    for j in range(layers[k, fb.UNITS]):
        scratch.sums[k, j] = scratch.sums[m, fabric.geometry.position[m, j]]
    requantise_sums(instruction, layers, scratch, scratch.sums[k], fabric.activity.events)


@routine
def stored_row(instruction: fb.Int64, label: int, fabric: fb.Fabric) -> None:
    """Row *label* of a learned feedback matrix (a twin lies transposed)."""
    layers, position = fabric.layers, fabric.geometry.position
    k, m, twin = instruction[fb.LAYER], instruction[fb.MATRIX], instruction[fb.DETAIL]
    for j in range(layers[k, fb.UNITS]):
        row, column = (j, label) if twin else (label, j)
        at = layers[m, fb.OFFSET] + row * layers[m, fb.ROW_STEP] + position[m, column] * layers[m, fb.UNIT_STEP]
        fabric.scratch.signals[instruction[fb.TARGET], j] = int(fabric.memory.weights[at])
