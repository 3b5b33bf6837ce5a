"""Weight normalisation: the incoming weights of every neuron are scaled to the norm Γ, the bias row is kept."""

from __future__ import annotations

from neuro_emu.jit import routine, section
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels.walk import next_words, open_words, unsigned
from neuro_emu.numerics.ops import hold_norm, norm_factor, round_shift, saturate, square_gap


@section
def _factors(m: int, rows: int, position: fb.Int32, layers: fb.Int64, weights: fb.Arena, scratch: fb.Scratch) -> None:
    for j in range(layers[m, fb.UNITS]):
        at = layers[m, fb.OFFSET] + int(position[j]) * layers[m, fb.UNIT_STEP]
        squares = 0
        for i in range(rows):
            weight = int(weights[at + i * layers[m, fb.ROW_STEP]])
            squares += weight * weight
        scratch.signals[0, j] = norm_factor(layers[m, fb.GAMMA], squares) if squares else 0
        scratch.sums[m, j] = 0


@section
def _scale_row(
    m: int, i: int, position: fb.Int32, layers: fb.Int64, weights: fb.Arena, scratch: fb.Scratch, rounding: int
) -> None:
    """One row; factors and what the squares are short of lie in working registers of the sample."""
    row = layers[m, fb.OFFSET] + i * layers[m, fb.ROW_STEP]
    for j in range(layers[m, fb.UNITS]):
        factor = scratch.signals[0, j]
        if factor != 0:
            p = int(position[j])
            at = row + p * layers[m, fb.UNIT_STEP]
            exact = int(weights[at]) * factor
            code = round_shift(exact, 16, rounding, unsigned(int(scratch.delta32[p])))
            code = hold_norm(exact, code, scratch.sums[m, j], layers[m, fb.GAMMA])
            scratch.sums[m, j] += square_gap(exact, code)
            weights[at] = saturate(code, layers[m, fb.WEIGHT_LOW], layers[m, fb.WEIGHT_HIGH])


@routine
def normalise_all(fabric: fb.Fabric) -> None:
    """One pass over the weights of every layer, ascending."""
    layers, memory, constants, scratch = fabric.layers, fabric.memory, fabric.constants, fabric.scratch
    for m in range(constants[fb.LAYERS]):
        rows, position = layers[m, fb.ROWS] - 1, fabric.geometry.position[m]
        open_words(m, rows, layers, memory, fabric.geometry, scratch, constants)
        _factors(m, rows, position, layers, memory.weights, scratch)
        for i in range(rows):
            next_words(m, i, layers, fabric.geometry, scratch, constants)
            _scale_row(m, i, position, layers, memory.weights, scratch, constants[fb.ROUNDING])
        fabric.activity.totals[m, fb.NORMALISED] += 1
