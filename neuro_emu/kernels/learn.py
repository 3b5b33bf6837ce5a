"""Learning signals: output error, label row, projection, gate by f′. Vectors are in neuron order."""

from __future__ import annotations

from neuro_emu.jit import kernel
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.feedback import requantise_sums
from neuro_emu.network.state import DELTA_OVF
from neuro_emu.numerics.ops import align, saturate, table_address, ternary_sign

DELTA_OUTPUT, ERROR_EXACT, FIRST_FREE = 0, 1, 2
"""Signal registers with a fixed use: δ_K, e; the rest are handed out by the program."""


@kernel
def output_error(
    layers: fb.Int64, constants: fb.Int64, geometry: fb.Geometry, scratch: fb.Scratch, events: fb.Int64
) -> None:
    """E = y* − y_K and δ_K, into their fixed registers."""
    k = constants[fb.LAYERS] - 1
    codes, slopes, preactivation = scratch.codes[k + 1], geometry.tables[k, fb.SLOPES], scratch.preactivation[k]
    for c in range(constants[fb.CLASSES]):
        error = scratch.targets[c] - int(codes[c])
        slope = int(slopes[table_address(int(preactivation[c]))]) if constants[fb.SQUARED] else 1
        aligned = align(error * slope, constants[fb.DELTA_SHIFT])
        delta = saturate(aligned, layers[k, fb.DELTA_LOW], layers[k, fb.DELTA_HIGH])
        events[k, DELTA_OVF] += delta != aligned
        scratch.signals[ERROR_EXACT, c] = error
        scratch.signals[DELTA_OUTPUT, c] = delta


@kernel
def local_error(
    instruction: fb.Int64, layers: fb.Int64, constants: fb.Int64, scratch: fb.Scratch, events: fb.Int64
) -> None:
    """δ_L of a local classifier whose outputs lie in plane ``instruction[DETAIL]``, made like δ_K."""
    m = instruction[fb.MATRIX]
    codes = scratch.codes[instruction[fb.DETAIL]]
    for c in range(constants[fb.CLASSES]):
        aligned = align(scratch.targets[c] - int(codes[c]), constants[fb.DELTA_SHIFT])
        delta = saturate(aligned, layers[m, fb.DELTA_LOW], layers[m, fb.DELTA_HIGH])
        events[layers[m, fb.HOST], DELTA_OVF] += delta != aligned
        scratch.signals[instruction[fb.TARGET], c] = delta


@kernel
def error_sign(target: int, constants: fb.Int64, scratch: fb.Scratch) -> None:
    """T = sign(e), 0 in the dead zone."""
    for c in range(constants[fb.CLASSES]):
        scratch.signals[target, c] = ternary_sign(scratch.signals[ERROR_EXACT, c], constants[fb.DEAD_ZONE])


@kernel
def label_row(k: int, label: int, target: int, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch) -> None:
    """Row *label* of B_k."""
    row = memory.feedback[k, label]
    for j in range(layers[k, fb.UNITS]):
        scratch.signals[target, j] = row[j]


@kernel
def project(instruction: fb.Int64, layers: fb.Int64, memory: fb.Memory, scratch: fb.Scratch, events: fb.Int64) -> None:
    """P = B_kᵀ · signal, exact, rows ascending; then requantised to the projection format."""
    k, source = instruction[fb.LAYER], instruction[fb.SOURCE]
    units = layers[k, fb.UNITS]
    sums = scratch.sums[k]  # z_k is not needed any more: q is kept
    for j in range(units):
        sums[j] = 0
    for c in range(instruction[fb.DETAIL]):
        weight = scratch.signals[source, c]
        row = memory.feedback[k, c]
        for j in range(units):
            sums[j] += int(row[j]) * weight
    requantise_sums(instruction, layers, scratch, sums, events)


@kernel
def gate(instruction: fb.Int64, layers: fb.Int64, geometry: fb.Geometry, scratch: fb.Scratch, events: fb.Int64) -> None:
    """δ_k = requantise(signal · f′(q)), 0 for dropped neurons; f′ is one bit for piecewise-linear activations."""
    k, source, target, shift = (
        instruction[fb.LAYER],
        instruction[fb.SOURCE],
        instruction[fb.TARGET],
        instruction[fb.ALIGN],
    )
    slopes = geometry.tables[k, fb.SLOPES]
    preactivation = scratch.preactivation[k]
    clamped = 0
    for j in range(layers[k, fb.UNITS]):
        kept = 1 - int(scratch.dropped[k, j])
        product = kept * scratch.signals[source, j] * int(slopes[table_address(int(preactivation[j]))])
        aligned = align(product, shift)
        delta = saturate(aligned, layers[k, fb.DELTA_LOW], layers[k, fb.DELTA_HIGH])
        clamped += delta != aligned
        scratch.signals[target, j] = delta
    events[k, DELTA_OVF] += clamped
