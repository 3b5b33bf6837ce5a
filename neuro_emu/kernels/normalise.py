"""Weight normalisation: the incoming weights of every neuron are scaled to the norm Γ, the bias row is kept."""

from __future__ import annotations

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.update import row_words
from neuro_emu.numerics.modes import LANE_LFSR, STOCH
from neuro_emu.numerics.ops import hold_norm, lfsr, norm_factor, round_shift, saturate, square_gap, xorshift


@kernel
def _scale(m: int, i: int, j: int, word: int, fabric: fb.Fabric) -> None:
    """One weight; factors and what the squares are short of lie in working registers of the sample."""
    layers, scratch, weights = fabric.layers, fabric.scratch, fabric.memory.weights
    factor = scratch.signals[0, j]
    if factor == 0:
        return
    p = int(fabric.geometry.position[m, j])
    at = layers[m, fb.OFFSET] + i * layers[m, fb.ROW_STEP] + p * layers[m, fb.UNIT_STEP]
    exact = int(weights[at]) * factor
    code = round_shift(exact, 16, fabric.constants[fb.ROUNDING], word)
    code = hold_norm(exact, code, scratch.sums[m, j], layers[m, fb.GAMMA])
    scratch.sums[m, j] += square_gap(exact, code)
    weights[at] = saturate(code, layers[m, fb.WEIGHT_LOW], layers[m, fb.WEIGHT_HIGH])


@kernel
def _factors(m: int, rows: int, fabric: fb.Fabric) -> None:
    layers, scratch = fabric.layers, fabric.scratch
    for j in range(layers[m, fb.UNITS]):
        at = layers[m, fb.OFFSET] + int(fabric.geometry.position[m, j]) * layers[m, fb.UNIT_STEP]
        squares = 0
        for i in range(rows):
            weight = int(fabric.memory.weights[at + i * layers[m, fb.ROW_STEP]])
            squares += weight * weight
        scratch.signals[0, j] = norm_factor(layers[m, fb.GAMMA], squares) if squares else 0
        scratch.sums[m, j] = 0


@routine
def _normalise(m: int, fabric: fb.Fabric) -> None:
    layers, memory, constants = fabric.layers, fabric.memory, fabric.constants
    rows, units = layers[m, fb.ROWS] - 1, layers[m, fb.UNITS]
    _factors(m, rows, fabric)
    if layers[m, fb.UPDATE_KIND] == fb.UPDATE_LANES:
        lanes, is_lfsr = constants[fb.LANES], constants[fb.WORD_SOURCE] == LANE_LFSR
        for first in range(0, units, lanes):
            for i in range(rows):
                for lane in range(lanes):
                    word = int(memory.lane_registers[lane])
                    word = lfsr(word) if is_lfsr else xorshift(word)
                    memory.lane_registers[lane] = word
                    if first + lane < units:
                        _scale(m, i, first + lane, word, fabric)
        return
    row_words(m, rows, memory, constants, fabric.scratch.words)
    drawn = constants[fb.ROUNDING] == STOCH
    for i in range(rows):
        row_word = int(fabric.scratch.words[i])
        for j in range(units):
            mask = fabric.geometry.masks[m, fabric.geometry.position[m, j]] if drawn else 0
            _scale(m, i, j, row_word ^ mask, fabric)


@routine
def normalise_all(fabric: fb.Fabric) -> None:
    """One pass over the weights of every layer, ascending."""
    for m in range(fabric.constants[fb.LAYERS]):
        _normalise(m, fabric)
        fabric.activity.totals[m, fb.NORMALISED] += 1
