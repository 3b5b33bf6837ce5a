"""The state of a chip before its first sample: weights, feedback matrices and random-word registers."""

from __future__ import annotations

import numpy as np

from neuro_emu.machine.chip import Chip
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState, Int32
from neuro_emu.numerics import words


def initial_state(chip: Chip) -> ChipState:
    """Return the state that *chip* starts from; a pure function of its description."""
    layers = chip.network.layers
    learning = chip.learning
    return ChipState(
        weights=[_weights(chip, layer) for layer in layers],
        feedback=[_feedback(chip, layer) for layer in chip.network.hidden],
        gradients=[np.zeros((la.rows, la.units), dtype=np.int64) for la in layers] if learning.batch > 1 else [],
        row_registers=np.array([words.row_register_seed(learning.seed, la.index) for la in layers], dtype=np.int64),
        lane_registers=words.lane_register_seeds(learning.seed, chip.design.lanes),
    )


def _weights(chip: Chip, layer: DenseLayer) -> Int32:
    codes = np.zeros((layer.rows, layer.units), dtype=np.int32)
    is_random = layer is not chip.network.output or chip.learning.initial_output
    if chip.learning.initial == "random" and is_random:
        i, j = np.ogrid[: layer.inputs, : layer.units]
        drawn = words.uniform_words(chip.learning.seed, words.TAG_WEIGHT, layer.index, i, j)
        codes[:-1] = words.uniform_codes(drawn, words.kaiming_amplitude(layer.weight, layer.inputs))
    return codes


def _feedback(chip: Chip, layer: DenseLayer) -> Int32:
    assert layer.feedback is not None
    learning, classes, storage = chip.learning, chip.network.classes, layer.feedback
    if learning.feedback_source == "lfsr":
        rows = [
            words.feedback_lfsr_codes(learning.seed, layer.index, c, layer.units, storage.bits) for c in range(classes)
        ]
        return np.array(rows, dtype=np.int32)
    full = learning.feedback_range == "full"
    amplitude = storage.high if full else words.kaiming_amplitude(storage, layer.units)
    c, j = np.ogrid[:classes, : layer.units]
    drawn = words.uniform_words(learning.seed, words.TAG_FEEDBACK, layer.index, c, j)
    if learning.feedback_source == "sign":
        return np.where(drawn >= np.uint64(1 << 31), amplitude, -amplitude).astype(np.int32)
    return words.uniform_codes(drawn, amplitude).astype(np.int32)
