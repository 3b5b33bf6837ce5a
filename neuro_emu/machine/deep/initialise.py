"""The state of a chip with a graph before its first sample; draws as in docs/numerics.md, section 7."""

from __future__ import annotations

import numpy as np

from neuro_emu.machine.deep.chip import DeepChip
from neuro_emu.network.deep.graph import Weighted
from neuro_emu.network.deep.state import DeepState
from neuro_emu.network.state import Int32
from neuro_emu.numerics import words
from neuro_emu.numerics.formats import Format
from neuro_emu.numerics.ops import mean

_FIRST_VARIANCE = 1 << 12


def initial_state(chip: DeepChip) -> DeepState:
    """Return the state that *chip* starts from; a pure function of its description."""
    layers, learning = chip.graph.layers, chip.learning
    seeds = [words.row_register_seed(learning.seed, layer.layer) for layer in layers]
    hidden = chip.graph.hidden if learning.dropout else ()
    dropped = [words.word(learning.seed, words.TAG_DROPOUT, layer.layer) or 1 for layer in hidden]
    return DeepState(
        weights=[_weights(chip, layer) for layer in layers],
        feedback=[_feedback(chip, layer) for layer in chip.graph.hidden],
        gradients=[],
        row_registers=np.array(seeds, dtype=np.int64),
        lane_registers=words.lane_register_seeds(learning.seed, chip.design.lanes),
        dropout_registers=np.array(dropped, dtype=np.int64),
        velocities=[_velocity(chip, layer) for layer in layers] if learning.momentum else [],
        norm=[_norm(layer) for layer in layers],
    )


def _velocity(chip: DeepChip, layer: Weighted) -> Int32:
    shape = (layer.rows, layer.units) if chip.readings[layer.layer].learns else (0, 0)
    return np.zeros(shape, dtype=np.int32)


def _norm(layer: Weighted) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
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
    """B_k (classes, neurons of the layer's head) of a direct rule; (0, neurons) otherwise."""
    learning, k, storage = chip.learning, layer.layer, layer.feedback
    units, rows = chip.graph.nodes[chip.graph.head(k)].neurons, chip.direct_rows(layer)
    if not rows or storage is None:
        return np.zeros((0, units), dtype=np.int32)
    if learning.feedback_source == "lfsr":
        codes = [words.feedback_lfsr_codes(learning.seed, k, c, units, storage.bits) for c in range(rows)]
        return np.array(codes, dtype=np.int32).reshape(rows, units)
    c, j = np.ogrid[:rows, :units]
    drawn = words.uniform_words(learning.seed, words.TAG_FEEDBACK, k, c, j)
    amplitude = _amplitude(storage, learning.feedback_range, units)
    if learning.feedback_source == "sign":
        return np.where(drawn >= np.uint64(1 << 31), amplitude, -amplitude).astype(np.int32)
    return words.uniform_codes(drawn, amplitude).astype(np.int32)


def _amplitude(storage: Format, chosen: str, fan: int) -> int:
    """Largest code of a feedback matrix when it is drawn."""
    return storage.high if chosen == "full" else words.kaiming_amplitude(storage, fan)
