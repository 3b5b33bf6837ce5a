"""The write of summed gradients through velocities: V ← SAT(R((1 − 2^-m) V + G)), W ← W + R(V)."""

from __future__ import annotations

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.update import book, row_words
from neuro_emu.numerics.modes import LANE_LFSR, STOCH
from neuro_emu.numerics.ops import add_step, lfsr, round_shift, saturate, velocity_sum, xorshift


@kernel
def _add(m: int, i: int, j: int, step: int, fabric: fb.Fabric) -> int:
    """Add a rounded step to one weight of matrix m; returns what happened, as updates do."""
    layers, weights = fabric.layers, fabric.memory.weights
    p = int(fabric.geometry.position[m, j])
    at = layers[m, fb.OFFSET] + i * layers[m, fb.ROW_STEP] + p * layers[m, fb.UNIT_STEP]
    old = int(weights[at])
    new = add_step(old, step, layers[m, fb.WEIGHT_LOW], layers[m, fb.WEIGHT_HIGH], fabric.constants[fb.OVERFLOW])
    weights[at] = new
    return (1 if step != 0 else 0) + ((1 if new != old + step else 0) << 32)


@kernel
def _step(m: int, i: int, j: int, word_v: int, word_w: int, fabric: fb.Fabric) -> int:
    """Update one velocity; returns the rounded step of its weight."""
    layers, constants, memory = fabric.layers, fabric.constants, fabric.memory
    decay, shift, outer = constants[fb.MOMENTUM], layers[m, fb.VELOCITY_SHIFT], layers[m, fb.STEP_SHIFT]
    more, rounding = max(decay, shift), constants[fb.ROUNDING]
    p = int(fabric.geometry.position[m, j])
    at = layers[m, fb.OFFSET] + i * layers[m, fb.ROW_STEP] + p * layers[m, fb.UNIT_STEP]
    gradient = memory.gradients[at]
    exact = velocity_sum(int(memory.velocities[at]), gradient, decay, shift)
    rounded = round_shift(exact, more, rounding, word_v)
    velocity = saturate(rounded, constants[fb.VELOCITY_LOW], constants[fb.VELOCITY_HIGH])
    memory.velocities[at] = velocity
    if constants[fb.NESTEROV]:
        return round_shift(velocity_sum(velocity, gradient, decay, shift), more + outer, rounding, word_w)
    return round_shift(velocity, outer, rounding, word_w)


@kernel
def _both(m: int, i: int, j: int, word_v: int, word_w: int, fabric: fb.Fabric, done: fb.Int64) -> None:
    """One weight and, unless it is a bias, its twin."""
    step, twin = _step(m, i, j, word_v, word_w, fabric), fabric.layers[m, fb.TWIN]
    done[0] += _add(m, i, j, step, fabric)
    if twin >= 0 and i < fabric.layers[twin, fb.ROWS]:
        done[1] += _add(twin, i, j, step, fabric)


@routine
def apply_momentum(m: int, fabric: fb.Fabric) -> None:
    """Write the sums of matrix m, every row; its twin takes the same steps."""
    layers, memory, constants = fabric.layers, fabric.memory, fabric.constants
    rows, units, twin = layers[m, fb.ROWS], layers[m, fb.UNITS], layers[m, fb.TWIN]
    done = fabric.scratch.limits  # two of its places
    done[0] = done[1] = 0
    if layers[m, fb.UPDATE_KIND] == fb.UPDATE_LANES:
        lanes, is_lfsr = constants[fb.LANES], constants[fb.WORD_SOURCE] == LANE_LFSR
        for first in range(0, units, lanes):
            for i in range(rows):
                for lane in range(lanes):
                    word_v = int(memory.lane_registers[lane])
                    word_v = lfsr(word_v) if is_lfsr else xorshift(word_v)
                    word_w = lfsr(word_v) if is_lfsr else xorshift(word_v)
                    memory.lane_registers[lane] = word_w
                    if first + lane < units:
                        _both(m, i, first + lane, word_v, word_w, fabric, done)
    else:
        row_words(m, 2 * rows, memory, constants, fabric.scratch.words)
        drawn = constants[fb.ROUNDING] == STOCH
        for i in range(rows):
            row_v, row_w = int(fabric.scratch.words[2 * i]), int(fabric.scratch.words[2 * i + 1])
            for j in range(units):
                mask = fabric.geometry.masks[m, fabric.geometry.position[m, j]] if drawn else 0
                _both(m, i, j, row_v ^ mask, row_w ^ mask, fabric, done)
    book(m, rows * units, done[0], layers, fabric.activity.events)
    if twin >= 0:
        book(twin, (rows - 1) * units, done[1], layers, fabric.activity.events)
