"""The state of a chip before its first sample: weights, feedback matrices and random-word registers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuro_emu.kernels.plain import norm_factors, normalise_row
from neuro_emu.machine.chip import Chip
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.layers import DenseLayer
from neuro_emu.network.state import ChipState, Int32
from neuro_emu.numerics import words
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.modes import Rounding
from neuro_emu.rules import Need


def initial_state(chip: Chip) -> ChipState:
    """Return the state that *chip* starts from; a pure function of its description."""
    layers = chip.network.layers
    learning = chip.learning
    return ChipState(
        weights=[_weights(chip, layer) for layer in layers],
        feedback=[_feedback(chip, layer) for layer in chip.network.hidden],
        gradients=[_sums(chip, matrix) for matrix in chip.matrices] if learning.sums else [],
        row_registers=np.array([_register(chip, matrix) for matrix in chip.matrices], dtype=np.int64),
        lane_registers=words.lane_register_seeds(learning.seed, chip.design.lanes),
        forward=[_forward(chip, layer) for layer in chip.network.hidden],
        classifiers=[_classifier(chip, layer) for layer in chip.network.hidden],
        noise_registers=_noise(chip),
        dropout_registers=_dropout(chip),
        velocities=[_velocity(chip, matrix) for matrix in chip.matrices] if learning.momentum else [],
    )


def _dropout(chip: Chip) -> NDArray[np.int64]:
    hidden = chip.network.hidden if chip.learning.dropout else ()
    seeds = [words.word(chip.learning.seed, words.TAG_DROPOUT, layer.index) or 1 for layer in hidden]
    return np.array(seeds, dtype=np.int64)


def _velocity(chip: Chip, matrix: Matrix) -> Int32:
    shape = (matrix.rows, matrix.units) if chip.sums_gradients(matrix) else (0, 0)
    return np.zeros(shape, dtype=np.int32)


def _noise(chip: Chip) -> NDArray[np.int64]:
    hidden = chip.network.hidden if chip.learning.rule.mirror else ()
    seeds = [words.word(chip.learning.seed, words.TAG_NOISE, layer.index) or 1 for layer in hidden]
    return np.array(seeds, dtype=np.int64)


_REGISTER_TAGS = {
    Kind.WEIGHTS: words.TAG_ROW_WORD,
    Kind.FEEDBACK: words.TAG_FEEDBACK_WORD,
    Kind.CLASSIFIER: words.TAG_CLASSIFIER_WORD,
}


def _register(chip: Chip, matrix: Matrix) -> int:
    """Return the first state of a matrix's row register; 0 for those that draw nothing of their own."""
    tag = _REGISTER_TAGS.get(matrix.kind)
    return 0 if tag is None else words.word(chip.learning.seed, tag, matrix.layer) or 1


def _sums(chip: Chip, matrix: Matrix) -> NDArray[np.int64]:
    """Mini-batch sums of one matrix; empty if it has none of its own. Weights have them whether they learn or not."""
    if matrix.kind is Kind.WEIGHTS or chip.sums_gradients(matrix):
        return np.zeros((matrix.rows, matrix.units), dtype=np.int64)
    return np.zeros((0, 0), dtype=np.int64)


def _forward(chip: Chip, layer: DenseLayer) -> Int32:
    rows = chip.plan.forward[layer.index]
    if not rows:
        return np.zeros((0, layer.units), dtype=np.int32)
    i, j = np.ogrid[:rows, : layer.units]
    drawn = words.uniform_words(chip.learning.seed, words.TAG_FORWARD, layer.index, i, j)
    return words.uniform_codes(drawn, words.kaiming_amplitude(layer.weight, rows)).astype(np.int32)


def _classifier(chip: Chip, layer: DenseLayer) -> Int32:
    rows = layer.units + 1 if chip.plan.classifiers[layer.index] else 0
    return np.zeros((rows, chip.network.classes), dtype=np.int32)


def _weights(chip: Chip, layer: DenseLayer) -> Int32:
    codes = np.zeros((layer.rows, layer.units), dtype=np.int32)
    is_random = layer is not chip.network.output or chip.learning.initial_output
    if chip.learning.initial == "random" and is_random:
        i, j = np.ogrid[: layer.inputs, : layer.units]
        drawn = words.uniform_words(chip.learning.seed, words.TAG_WEIGHT, layer.index, i, j)
        codes[:-1] = words.uniform_codes(drawn, words.kaiming_amplitude(layer.weight, layer.inputs))
    if norm := chip.learning.weight_norm:
        _normalise(codes[:-1], norm.code(layer.weight), layer.weight)
    return codes


def _feedback(chip: Chip, layer: DenseLayer) -> Int32:
    codes, norm = _drawn_feedback(chip, layer), chip.learning.weight_norm
    use = chip.plan.feedback[layer.index]
    if norm and norm.feedback and layer.feedback and use.rows and not use.learned:
        _normalise(codes, norm.code(layer.feedback), layer.feedback)
    return codes


def _normalise(codes: Int32, gamma: int, storage: Format) -> None:
    """Bring every column to the norm *gamma*, rounding to nearest; twice, as the first time starts from far away."""
    settings = np.array([gamma, Rounding.RND.code, storage.low, storage.high])
    for _ in range(2):
        factors, short, words_ = np.zeros((3, codes.shape[1]), dtype=np.int64)
        norm_factors((codes.astype(np.int64) ** 2).sum(axis=0), gamma, factors)
        for row in codes:
            normalise_row(row, factors, short, words_, settings)


def _drawn_feedback(chip: Chip, layer: DenseLayer) -> Int32:
    assert layer.feedback is not None
    learning, k, storage, use = chip.learning, layer.index, layer.feedback, chip.plan.feedback[layer.index]
    rows = use.rows
    if not rows and learning.rule.need < Need.CHAIN:
        rows = chip.network.classes  # chips of direct rules have the matrix whether they use it or not
    if learning.feedback_source == "lfsr" and not use.learned:
        codes = [words.feedback_lfsr_codes(learning.seed, k, c, layer.units, storage.bits) for c in range(rows)]
        return np.array(codes, dtype=np.int32).reshape(rows, layer.units)
    c, j = np.ogrid[:rows, : layer.units]
    drawn = words.uniform_words(learning.seed, words.TAG_FEEDBACK, k, c, j)
    amplitude = feedback_amplitude(chip, layer)
    if learning.feedback_source == "sign" and not use.learned:
        return np.where(drawn >= np.uint64(1 << 31), amplitude, -amplitude).astype(np.int32)
    return words.uniform_codes(drawn, amplitude).astype(np.int32)


def feedback_amplitude(chip: Chip, layer: DenseLayer) -> int:
    """Largest code of B_k when it is drawn; the a of sign symmetry."""
    assert layer.feedback is not None
    learned = chip.plan.feedback[layer.index].learned
    chosen = chip.learning.learned_range if learned else chip.learning.feedback_range
    return layer.feedback.high if chosen == "full" else words.kaiming_amplitude(layer.feedback, layer.units)
