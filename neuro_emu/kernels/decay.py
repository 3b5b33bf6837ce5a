"""Weight decay in a pass of its own: M ← M − R(M, d), every row but the bias row, a twin with the same words."""

from __future__ import annotations

from neuro_emu.jit import section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.walk import next_words, open_words, unsigned
from neuro_emu.numerics.modes import SAT
from neuro_emu.numerics.ops import add_step, round_shift


@section
def _decay_row(m: int, i: int, shift: int, layers: fb.Int64, weights: fb.Arena, words: fb.Int32, rounding: int) -> None:
    row, unit_step = layers[m, fb.OFFSET] + i * layers[m, fb.ROW_STEP], layers[m, fb.UNIT_STEP]
    low, high = layers[m, fb.WEIGHT_LOW], layers[m, fb.WEIGHT_HIGH]
    for p in range(layers[m, fb.POSITIONS]):
        old = int(weights[row + p * unit_step])
        step = round_shift(old, shift, rounding, unsigned(int(words[p])))
        weights[row + p * unit_step] = add_step(old, -step, low, high, SAT)


@section
def _decay(m: int, shift: int, fabric: fb.Fabric) -> None:
    """One pass over matrix m and its twin."""
    layers, memory, constants, scratch = fabric.layers, fabric.memory, fabric.constants, fabric.scratch
    rows, turns = layers[m, fb.ROWS] - layers[m, fb.BIASED], 1 if layers[m, fb.TWIN] < 0 else 2
    open_words(m, rows, layers, memory, fabric.geometry, scratch, constants)
    for i in range(rows):
        next_words(m, i, layers, fabric.geometry, scratch, constants)
        for turn in range(turns):
            target = layers[m, fb.TWIN] if turn else m
            _decay_row(target, i, shift, layers, memory.weights, scratch.delta32, constants[fb.ROUNDING])


@section
def decay_all(which: int, shift: int, fabric: fb.Fabric) -> None:
    """Decay every matrix of one kind (DECAY_WEIGHTS, DECAY_FEEDBACK), layers ascending."""
    for m in range(fabric.layers.shape[0]):
        if fabric.layers[m, fb.DECAYS] == which:
            _decay(m, shift, fabric)
            fabric.activity.totals[m, fb.DECAYED] += 1
