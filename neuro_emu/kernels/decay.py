"""Weight decay in a pass of its own: M ← M − R(M, d), every row but the bias row, a twin with the same words."""

from __future__ import annotations

from neuro_emu.jit import kernel, routine, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.update import row_words
from neuro_emu.numerics.modes import LANE_LFSR, SAT, STOCH
from neuro_emu.numerics.ops import add_step, lfsr, round_shift, xorshift


@kernel
def _decay_one(m: int, i: int, p: int, shift: int, word: int, fabric: fb.Fabric) -> None:
    layers, weights = fabric.layers, fabric.memory.weights
    at = layers[m, fb.OFFSET] + i * layers[m, fb.ROW_STEP] + p * layers[m, fb.UNIT_STEP]
    old = int(weights[at])
    step = round_shift(old, shift, fabric.constants[fb.ROUNDING], word)
    weights[at] = add_step(old, -step, layers[m, fb.WEIGHT_LOW], layers[m, fb.WEIGHT_HIGH], SAT)


@routine
def decay(m: int, shift: int, fabric: fb.Fabric) -> None:
    """One pass over matrix m and its twin."""
    layers, memory, constants = fabric.layers, fabric.memory, fabric.constants
    rows, units, twin = layers[m, fb.ROWS] - layers[m, fb.BIASED], layers[m, fb.UNITS], layers[m, fb.TWIN]
    position, masks = fabric.geometry.position[m], fabric.geometry.masks[m]
    if layers[m, fb.UPDATE_KIND] == fb.UPDATE_LANES:
        lanes, is_lfsr = constants[fb.LANES], constants[fb.WORD_SOURCE] == LANE_LFSR
        for first in range(0, units, lanes):
            for i in range(rows):
                for lane in range(lanes):
                    word = int(memory.lane_registers[lane])
                    word = lfsr(word) if is_lfsr else xorshift(word)
                    memory.lane_registers[lane] = word
                    if first + lane < units:
                        p = int(position[first + lane])
                        _decay_one(m, i, p, shift, word, fabric)
                        if twin >= 0:
                            _decay_one(twin, i, p, shift, word, fabric)
        return
    row_words(m, rows, memory, constants, fabric.scratch.words)
    drawn = constants[fb.ROUNDING] == STOCH
    for i in range(rows):
        row_word = int(fabric.scratch.words[i])
        for j in range(units):
            p = int(position[j])
            word = row_word ^ masks[p] if drawn else 0
            _decay_one(m, i, p, shift, word, fabric)
            if twin >= 0:
                _decay_one(twin, i, p, shift, word, fabric)


@section
def decay_all(which: int, shift: int, fabric: fb.Fabric) -> None:
    """Decay every matrix of one kind (DECAY_WEIGHTS, DECAY_FEEDBACK), layers ascending."""
    for m in range(fabric.layers.shape[0]):
        if fabric.layers[m, fb.DECAYS] == which:
            decay(m, shift, fabric)
            fabric.activity.totals[m, fb.DECAYED] += 1
