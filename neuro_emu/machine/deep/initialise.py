"""The state of a chip with a graph before its first sample; draws as in docs/numerics.md, section 7."""

from __future__ import annotations

import numpy as np

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.machine.deep.matrices import feedback_shape, forward_shape, is_learned, local_layer
from neuro_emu.machine.deep.norms import norm_layers, norm_seeds
from neuro_emu.machine.deep.reading import Source
from neuro_emu.machine.matrices import Kind, Matrix
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import Int32, Int64
from neuro_emu.numerics import words
from neuro_emu.numerics.ops import mean
from neuro_emu.rules import Need

_FIRST_VARIANCE = 1 << 12


def initial_state(chip: DeepChip) -> DeepState:
    """Return the state that *chip* starts from; a pure function of its description."""
    layers, learning = chip.graph.layers, chip.learning
    seeds = [_register(chip, matrix) for matrix in chip.matrices]
    hidden = chip.graph.hidden if learning.dropout else ()
    dropped = [words.word(learning.seed, words.TAG_DROPOUT, layer.layer) or 1 for layer in hidden]
    return DeepState(
        weights=[_weights(chip, layer) for layer in layers],
        feedback=[_feedback(chip, layer) for layer in chip.graph.hidden],
        gradients=[],
        row_registers=np.array([*seeds, *norm_seeds(chip)], dtype=np.int64),
        lane_registers=words.lane_register_seeds(learning.seed, chip.design.lanes),
        dropout_registers=np.array(dropped, dtype=np.int64),
        forward=[_forward(chip, layer) for layer in chip.graph.hidden],
        classifiers=[_classifier(chip, layer) for layer in chip.graph.hidden],
        noise_registers=_noise(chip),
        velocities=[*(_velocity(chip, matrix) for matrix in chip.matrices), *_norm_velocities(chip)]
        if learning.momentum
        else [],
        norm=[_norm(layer) for layer in layers],
    )


_REGISTER_TAGS = {
    Kind.WEIGHTS: words.TAG_ROW_WORD,
    Kind.FEEDBACK: words.TAG_FEEDBACK_WORD,
    Kind.CLASSIFIER: words.TAG_CLASSIFIER_WORD,
}


def _register(chip: DeepChip, matrix: Matrix) -> int:
    """Return the first state of a matrix's row register; 0 for those that draw nothing of their own."""
    tag = _REGISTER_TAGS.get(matrix.kind)
    return 0 if tag is None else words.word(chip.learning.seed, tag, matrix.layer) or 1


def _velocity(chip: DeepChip, matrix: Matrix) -> Int32:
    shape = (matrix.rows, matrix.units) if chip.sums_gradients(matrix) else (0, 0)
    return np.zeros(shape, dtype=np.int32)


def _norm_velocities(chip: DeepChip) -> list[Int32]:
    learns = [(layer, chip.readings[layer.layer].learns) for layer in norm_layers(chip)]
    return [np.zeros((2, layer.units) if moves else (0, 0), dtype=np.int32) for layer, moves in learns]


def _noise(chip: DeepChip) -> Int64:
    hidden = chip.graph.hidden if chip.learning.rule.mirror else ()
    seeds = [words.word(chip.learning.seed, words.TAG_NOISE, layer.layer) or 1 for layer in hidden]
    return np.array(seeds, dtype=np.int64)


def _classifier(chip: DeepChip, layer: Weighted) -> Int32:
    rows = local_layer(chip.graph, layer.layer).rows if chip.readings[layer.layer].classifier else 0
    return np.zeros((rows, chip.graph.classes), dtype=np.int32)


def _forward(chip: DeepChip, layer: Weighted) -> Int32:
    """C in the slot of a layer, in the format of its weights; (0, units) without."""
    crossed = chip.crossed(layer.layer)
    rows, units = forward_shape(chip, crossed) if crossed else (0, 0)
    if not rows:
        return np.zeros((0, layer.units), dtype=np.int32)
    i, j = np.ogrid[:rows, :units]
    drawn = words.uniform_words(chip.learning.seed, words.TAG_FORWARD, layer.layer, i, j)
    return words.uniform_codes(drawn, words.kaiming_amplitude(layer.weight, rows)).astype(np.int32)


def _norm(layer: Weighted) -> Int64:
    first = np.zeros((4, layer.units if layer.norm else 0), dtype=np.int64)
    if layer.norm:
        first[0], first[3] = layer.norm.scale.one, _FIRST_VARIANCE
    return first


def _weights(chip: DeepChip, layer: Weighted) -> Int32:
    """W of a layer: zeros or uniform codes; the bias row starts at 0."""
    codes = np.zeros((layer.rows, layer.units), dtype=np.int32)
    learning, output = chip.learning, layer is chip.graph.output
    usual = learning.initial if learning.initial_output or not output else "zero"
    initial = layer.initial or (usual if layer.learns else "random")
    if initial != "zero":
        i, j = np.ogrid[: layer.depth, : layer.units]
        drawn = words.uniform_words(learning.seed, words.TAG_WEIGHT, layer.layer, i, j)
        drawn_codes = words.uniform_codes(drawn, words.kaiming_amplitude(layer.weight, layer.depth))
        if initial == "centred":
            total = drawn_codes.sum(axis=0)
            drawn_codes -= np.array([mean(int(column), layer.depth) for column in total])
        codes[: layer.depth] = np.clip(drawn_codes, layer.weight.low, layer.weight.high)
    return codes


def _feedback(chip: DeepChip, layer: Weighted) -> Int32:
    """What lies in the slot of a layer; see :mod:`neuro_emu.machine.deep.matrices`. No rows where nothing does."""
    learning, k, storage = chip.learning, layer.layer, layer.feedback
    rows, units = feedback_shape(chip, layer)
    if not rows or storage is None:
        return np.zeros((0, units), dtype=np.int32)
    learned = is_learned(chip, k)
    if learning.feedback_source == "lfsr" and not learned:
        codes = [words.feedback_lfsr_codes(learning.seed, k, c, units, storage.bits) for c in range(rows)]
        return np.array(codes, dtype=np.int32).reshape(rows, units)
    c, j = np.ogrid[:rows, :units]
    drawn = words.uniform_words(learning.seed, words.TAG_FEEDBACK, k, c, j)
    amplitude = feedback_amplitude(chip, layer)
    if learning.feedback_source == "sign" and not learned:
        return np.where(drawn >= np.uint64(1 << 31), amplitude, -amplitude).astype(np.int32)
    return words.uniform_codes(drawn, amplitude).astype(np.int32)


def feedback_amplitude(chip: DeepChip, layer: Weighted) -> int:
    """Largest code of what lies in the slot of *layer* when it is drawn; the a of sign symmetry.

    Kaiming's n is the depth of the layer that errors cross with it, or the neurons that direct feedback goes to.
    """
    assert layer.feedback is not None
    learning, k = chip.learning, layer.layer
    crossed, direct = chip.crossed(k), learning.rule.need < Need.CHAIN or chip.readings[k].source is Source.LOCAL
    fan = feedback_shape(chip, layer)[1] if direct or crossed is None else crossed.depth
    chosen = learning.learned_range if is_learned(chip, k) else learning.feedback_range
    return layer.feedback.high if chosen == "full" else words.kaiming_amplitude(layer.feedback, fan)
