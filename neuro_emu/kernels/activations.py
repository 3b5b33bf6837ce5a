"""Activations that stand in for y_k: pooled copies, noise, and what follows a random or noise-driven forward pass."""

from __future__ import annotations

from neuro_emu.jit import routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.schedule import find_active
from neuro_emu.numerics.ops import mean, noise_code, xorshift


@routine
def list_plane(plane: int, k: int, fabric: fb.Fabric) -> None:
    """List the active rows of a plane that stands in for y_k, with the bias code of layer k + 1 behind it."""
    scratch = fabric.scratch
    rows = fabric.layers[k, fb.UNITS] + 1
    scratch.codes[plane, rows - 1] = fabric.layers[k + 1, fb.BIAS]
    find_active(scratch.codes[plane], rows, 1, scratch.lists[plane], scratch.active[plane])


@routine
def pool(instruction: fb.Int64, fabric: fb.Fabric) -> None:
    """Copies of a vector, pooled to the length of y_k by windows that cover them evenly."""
    k, source, target = instruction[fb.LAYER], instruction[fb.PLANE], instruction[fb.TARGET]
    length, average = instruction[fb.ALIGN], instruction[fb.DETAIL]
    units = fabric.layers[k, fb.UNITS]
    codes, pooled = fabric.scratch.codes[source], fabric.scratch.codes[target]
    whole = (units + length - 1) // length * length
    for i in range(units):
        first, end = i * whole // units, ((i + 1) * whole + units - 1) // units
        total = 0
        largest = int(codes[first % length])
        for p in range(first, end):
            code = int(codes[p % length])
            total += code
            largest = max(largest, code)
        pooled[i] = mean(total, end - first) if average else largest
    list_plane(target, k, fabric)


@routine
def make_noise(instruction: fb.Int64, fabric: fb.Fabric) -> None:
    """±a in place of y_k, one word of the layer's noise register a neuron; the bias is blocked."""
    k, target = instruction[fb.LAYER], instruction[fb.TARGET]
    rows, amplitude = fabric.layers[k, fb.UNITS] + 1, fabric.layers[k, fb.NOISE]
    scratch = fabric.scratch
    word = int(fabric.memory.noise_registers[k])
    for j in range(rows - 1):
        word = xorshift(word)
        scratch.codes[target, j] = noise_code(word, amplitude)
    fabric.memory.noise_registers[k] = word
    scratch.codes[target, rows - 1] = 0
    find_active(scratch.codes[target], rows, 1, scratch.lists[target], scratch.active[target])


@routine
def above_rest(instruction: fb.Int64, fabric: fb.Fabric) -> None:
    """The outputs of a driven layer less what they are at rest, into the target register."""
    k = instruction[fb.LAYER]
    rest = int(fabric.geometry.tables[k, 0, 0])
    for c in range(fabric.layers[k, fb.UNITS]):
        output = int(fabric.scratch.codes[instruction[fb.DETAIL], c])
        fabric.scratch.signals[instruction[fb.TARGET], c] = output - rest


@routine
def list_signal(source: int, plane: int, rows: int, fabric: fb.Fabric) -> None:
    """Copy a signal register into a plane, as rows of a feedback matrix; there is no bias row."""
    scratch = fabric.scratch
    for c in range(rows):
        scratch.codes[plane, c] = scratch.signals[source, c]
    find_active(scratch.codes[plane], rows, 0, scratch.lists[plane], scratch.active[plane])
