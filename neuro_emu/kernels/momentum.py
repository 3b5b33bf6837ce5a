"""The write of summed gradients through velocities: V ← SAT(R((1 − 2^-m) V + G)), W ← W + R(V)."""

from __future__ import annotations

from neuro_emu.jit import routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.update import book
from neuro_emu.kernels.walk import next_words, open_words, unsigned
from neuro_emu.numerics.ops import add_step, round_shift, saturate, velocity_sum


@routine
def _move_row(
    m: int, i: int, layers: fb.Int64, constants: fb.Int64, gradients: fb.Int64, velocities: fb.Int32, words: fb.Int32
) -> None:
    """Update the velocities of one row."""
    decay, shift, rounding = constants[fb.MOMENTUM], layers[m, fb.VELOCITY_SHIFT], constants[fb.ROUNDING]
    row, unit_step = layers[m, fb.OFFSET] + i * layers[m, fb.ROW_STEP], layers[m, fb.UNIT_STEP]
    for p in range(layers[m, fb.POSITIONS]):
        at = row + p * unit_step
        exact = velocity_sum(int(velocities[at]), gradients[at], decay, shift)
        rounded = round_shift(exact, max(decay, shift), rounding, unsigned(int(words[p])))
        velocities[at] = saturate(rounded, constants[fb.VELOCITY_LOW], constants[fb.VELOCITY_HIGH])


@routine
def _write_row(
    m: int,
    target: int,
    i: int,
    layers: fb.Int64,
    constants: fb.Int64,
    weights: fb.Arena,
    gradients: fb.Int64,
    velocities: fb.Int32,
    words: fb.Int32,
) -> int:
    """Add the rounded velocities of row i of matrix m to *target*, m or its twin; returns what updates return."""
    decay, shift, outer = constants[fb.MOMENTUM], layers[m, fb.VELOCITY_SHIFT], layers[m, fb.STEP_SHIFT]
    rounding, ahead = constants[fb.ROUNDING], constants[fb.NESTEROV]
    row, unit_step = layers[m, fb.OFFSET] + i * layers[m, fb.ROW_STEP], layers[m, fb.UNIT_STEP]
    place = layers[target, fb.OFFSET] + i * layers[target, fb.ROW_STEP]
    result = 0
    for p in range(layers[m, fb.POSITIONS]):
        code, drop = int(velocities[row + p * unit_step]), outer
        if ahead:
            code = velocity_sum(code, gradients[row + p * unit_step], decay, shift)
            drop = max(decay, shift) + outer
        step = round_shift(code, drop, rounding, unsigned(int(words[p])))
        at = place + p * layers[target, fb.UNIT_STEP]
        old = int(weights[at])
        new = add_step(old, step, layers[target, fb.WEIGHT_LOW], layers[target, fb.WEIGHT_HIGH], constants[fb.OVERFLOW])
        weights[at] = new
        result += (1 if step != 0 else 0) + ((1 if new != old + step else 0) << 32)
    return result


@routine
def apply_momentum(m: int, fabric: fb.Fabric) -> None:
    """Write the sums of matrix m, every row; its twin takes the same steps."""
    layers, memory, constants, scratch = fabric.layers, fabric.memory, fabric.constants, fabric.scratch
    rows, units, twin, geometry = layers[m, fb.ROWS], layers[m, fb.UNITS], layers[m, fb.TWIN], fabric.geometry
    gradients, velocities, words = memory.gradients, memory.velocities, scratch.delta32
    done = scratch.limits  # two of its places
    done[0] = done[1] = 0
    open_words(m, 2 * rows, layers, memory, geometry, scratch, constants)
    for i in range(rows):
        next_words(m, 2 * i, layers, geometry, scratch, constants)
        _move_row(m, i, layers, constants, gradients, velocities, words)
        next_words(m, 2 * i + 1, layers, geometry, scratch, constants)
        for turn in range(2 if twin >= 0 and i < layers[twin, fb.ROWS] else 1):
            target = twin if turn else m
            done[turn] += _write_row(m, target, i, layers, constants, memory.weights, gradients, velocities, words)
    book(m, rows * units, done[0], layers, fabric.activity.events)
    if twin >= 0:
        book(twin, (rows - 1) * units, done[1], layers, fabric.activity.events)
