"""Weight decay in vector code; the integers are those of :mod:`neuro_emu.kernels.decay`."""

from __future__ import annotations

from typing import Any

from neuro_emu.jit import kernel, routine
from neuro_emu.kernels import fabric as fb
from neuro_emu.kernels import sheet as sh
from neuro_emu.kernels.streams import reserve_words, use_words
from neuro_emu.kernels.vector.decay import decay_lanes

_LANES = 16


@routine
def _decay_rows(weights: Any, masks: fb.Words, words: fb.Words, rows: int, shift: int, settings: fb.Int64) -> None:
    """A matrix stored as rows: one word a row, a mask a lane."""
    low, high = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH]
    for i in range(rows):
        at = settings[fb.OFFSET] + i * settings[fb.ROW_STEP]
        decay_lanes(weights, masks, at, settings[fb.POSITIONS], int(words[i]), shift, low, high)


@routine
def _decay_columns(weights: Any, masks: fb.Words, words: fb.Words, rows: int, shift: int, settings: fb.Int64) -> None:
    """A matrix stored as columns; the bias row behind the others is kept. There are words for a whole last vector."""
    low, high = settings[fb.WEIGHT_LOW], settings[fb.WEIGHT_HIGH]
    for c in range(settings[fb.UNITS]):
        at = settings[fb.OFFSET] + c * settings[fb.UNIT_STEP]
        whole = rows - rows % _LANES
        decay_lanes(weights, words, at, whole, int(masks[c]), shift, low, high)
        if whole < rows:
            bias = weights[at + rows]
            decay_lanes(weights, words[whole:], at + whole, _LANES, int(masks[c]), shift, low, high)
            weights[at + rows] = bias


@kernel
def decay_matrices(fabric: fb.Fabric, sheet: sh.Sheet) -> None:
    """One pass over every matrix that decays, and its twin with the same words."""
    layers, constants = fabric.layers, fabric.constants
    shift, last = constants[fb.WEIGHT_DECAY], constants[fb.LAYERS] - 1
    for m in range(last + 1):
        if layers[m, fb.DECAYS] != fb.DECAY_WEIGHTS:
            continue
        rows = layers[m, fb.ROWS] - 1
        at = reserve_words(m, rows + _LANES, constants, sheet)
        use_words(m, rows, constants, sheet)
        fabric.activity.totals[m, fb.DECAYED] += 1
        for turn in range(2 if layers[m, fb.TWIN] >= 0 else 1):
            target = layers[m, fb.TWIN] if turn else m
            settings, masks, words = layers[target], sheet.masks[target], sheet.words[m, at : at + rows + _LANES]
            if m == last:
                _decay_columns(fabric.memory.weights, masks, words, rows, shift, settings)
            elif sheet.plan[m, sh.BYTES] == 1:
                _decay_rows(sheet.weights8, masks, words, rows, shift, settings)
            else:
                _decay_rows(fabric.memory.weights, masks, words, rows, shift, settings)
